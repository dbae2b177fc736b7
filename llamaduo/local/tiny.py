"""A tiny random model, made on the spot: for tests and sweeps of the machinery, in seconds."""

import fcntl
import shutil
from pathlib import Path

from pydantic import Field

from llamaduo.component import Component, digest
from llamaduo.local import cache_home
from llamaduo.local.adapter import AdapterFolder

WORDS = (
    "the a to of in is it you that he was for on are with as his they at be this from or one had"
)
"""What the tokenizer is trained on, with the letters; every other text falls to bytes."""


class TinyModel(Component):
    """A Llama of random weights. It learns nothing worth having, and says so in its name."""

    name: str
    hidden: int = Field(64, ge=32, multiple_of=32)
    """Width; NF4 packs blocks of 64."""
    layers: int = Field(2, ge=1)
    seed: int = 0
    """Of the random weights."""
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
        folder = cache_home() / "tiny" / self.revision
        if not folder.is_dir():
            folder.parent.mkdir(parents=True, exist_ok=True)
            with folder.with_suffix(".lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                if not folder.is_dir():
                    self._make(folder)
        return str(folder), None

    def _make(self, folder: Path) -> None:
        import torch
        from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
        from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        special = ["<|endoftext|>", "<|im_start|>", self.end_of_turn]
        trainer = trainers.BpeTrainer(
            vocab_size=512,
            special_tokens=special,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
        tokenizer.train_from_iterator([WORDS], trainer)
        fast = PreTrainedTokenizerFast(
            tokenizer_object=tokenizer, eos_token=self.end_of_turn, pad_token="<|endoftext|>"
        )
        config = LlamaConfig(
            vocab_size=len(fast),
            hidden_size=self.hidden,
            intermediate_size=2 * self.hidden,
            num_hidden_layers=self.layers,
            num_attention_heads=2,
            num_key_value_heads=1,
            max_position_embeddings=2048,
            bos_token_id=None,
            eos_token_id=fast.eos_token_id,
            pad_token_id=fast.pad_token_id,
            tie_word_embeddings=True,
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            model = LlamaForCausalLM(config)
        draft = folder.with_suffix(".draft")
        shutil.rmtree(draft, ignore_errors=True)
        model.save_pretrained(draft)
        fast.save_pretrained(draft)
        draft.rename(folder)
