"""A tiny random model, made on the spot: for tests and sweeps of the machinery, in seconds."""

import fcntl
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from llamaduo.component import Component, digest
from llamaduo.local import cache_home
from llamaduo.local.adapter import AdapterFolder
from llamaduo.local.shape import Shape

if TYPE_CHECKING:
    from tokenizers import Tokenizer

WORDS = (
    "the a to of in is it you that he was for on are with as his they at be this from or one had"
)
"""What the tokenizer is trained on, with the letters; every other text falls to bytes."""

VOCABULARY = 512
"""Tokens at most; so few texts give fewer."""


class TinyModel(Component):
    """Random weights in a known shape. It learns nothing worth having, and its name says so."""

    name: str
    architecture: Literal["llama", "mistral", "gemma"] = "llama"
    """Whose layers it has, and whose manner of cutting text: Llama 3's bytes, Mistral's words
    with a blank put before the text, Gemma's without."""
    hidden: int = Field(64, ge=32, multiple_of=32)
    """Width; NF4 packs blocks of 64."""
    layers: int = Field(2, ge=1)
    seed: int = 0
    """Of the random weights."""
    marks: tuple[str, ...] = ()
    """Special tokens of its vocabulary, beside the three below."""
    begin: str | None = None
    """Token that a text begins with, `bos_token` in a template. None: there is none."""
    pad: str | None = None
    """Token that fills up a batch. None: it names none, as Llama 3 and Mistral do."""
    template: str
    end_of_turn: str
    adapter: AdapterFolder | None = None
    """Folder of an adapter that tuning begins from; None: from the base model."""

    @property
    def base(self) -> str:
        """No hub knows it."""
        return f"llamaduo/{self.name}"

    @property
    def revision(self) -> str:
        """Its recipe."""
        return digest(self.model_copy(update={"adapter": None}))

    @property
    def licence(self) -> str:
        """Ours."""
        return "Apache-2.0"

    def faults(self) -> list[str]:
        """Nothing can be missing."""
        return []

    def source(self) -> tuple[str, str | None]:
        """Return the folder of the model, made the first time."""
        folder = self._folder()
        if not folder.is_dir():
            folder.parent.mkdir(parents=True, exist_ok=True)
            with folder.with_suffix(".lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                if not folder.is_dir():
                    self._make(folder)
        return str(folder), None

    @property
    def shape(self) -> Shape:
        """As it is made; its vocabulary is at most so large."""
        return Shape(
            family=self.architecture,
            layers=self.layers,
            hidden=self.hidden,
            heads=2,
            kv_heads=1,
            head_dim=self.hidden // 2,
            intermediate=2 * self.hidden,
            vocabulary=VOCABULARY,
            tied=True,
        )

    def here(self) -> Path | None:
        """Return its folder, if it was made."""
        folder = self._folder()
        return folder if folder.is_dir() else None

    def _folder(self) -> Path:
        return cache_home() / "tiny" / self.revision

    def _make(self, folder: Path) -> None:
        import torch
        from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

        named = {"bos_token": self.begin, "eos_token": self.end_of_turn, "pad_token": self.pad}
        fast = PreTrainedTokenizerFast(
            tokenizer_object=self._tokenizer(),
            **{key: token for key, token in named.items() if token is not None},
        )
        config = AutoConfig.for_model(
            self.architecture,
            vocab_size=len(fast),
            hidden_size=self.hidden,
            intermediate_size=2 * self.hidden,
            num_hidden_layers=self.layers,
            num_attention_heads=2,
            num_key_value_heads=1,
            head_dim=self.hidden // 2,
            max_position_embeddings=2048,
            bos_token_id=fast.bos_token_id,
            eos_token_id=fast.eos_token_id,
            pad_token_id=fast.pad_token_id,
            tie_word_embeddings=True,
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            model: Any = AutoModelForCausalLM.from_config(config)
        draft = folder.with_suffix(".draft")
        shutil.rmtree(draft, ignore_errors=True)
        model.save_pretrained(draft)
        fast.save_pretrained(draft)
        draft.rename(folder)

    def _tokenizer(self) -> "Tokenizer":
        from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

        named = (self.pad, self.begin, *self.marks, self.end_of_turn)
        special = list(dict.fromkeys(token for token in named if token))
        if self.architecture == "llama":
            made = Tokenizer(models.BPE())
            made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
            made.decoder = decoders.ByteLevel()
            trainer = trainers.BpeTrainer(
                vocab_size=VOCABULARY,
                special_tokens=special,
                initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
                show_progress=False,
            )
            made.train_from_iterator([WORDS], trainer)
            return made
        single = [f"<0x{byte:02X}>" for byte in range(256)]  # what no letter is found for
        letters = ["▁", *(chr(code) for code in range(33, 127))]
        known = {token: i for i, token in enumerate([*special, *single, *letters])}
        made = Tokenizer(models.BPE(known, [], byte_fallback=True, fuse_unk=True))
        made.add_special_tokens(special)
        steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
        if self.architecture == "mistral":
            made.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
            steps.append(decoders.Strip(" ", 1, 0))
        else:
            made.normalizer = normalizers.Replace(" ", "▁")
        made.decoder = decoders.Sequence(steps)
        return made
