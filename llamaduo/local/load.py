"""The only module that turns a `LocalModel` into tokenizer and weights in memory."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llamaduo.errors import ModelError
from llamaduo.local import LocalModel
from llamaduo.records import Message

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

PADS = ("<pad>", "<|finetune_right_pad_id|>", "<|endoftext|>", "<unk>")
"""Tokens to pad with, where the tokenizer has none or pads with its end of turn."""

CPU_BF16 = ("avx512_bf16", "amx_bf16", "bf16", "sve_bf16")
"""Names of a CPU's instructions that multiply bf16, on x86 and on ARM."""


@dataclass(frozen=True)
class Template:
    """A tokenizer and how a chat becomes its tokens; one for tuning, tests and serving."""

    tokenizer: Any
    end: int
    """Id of the token that ends an answer."""

    def prompt(self, messages: Sequence[Message]) -> list[int]:
        """Return the tokens up to where the answer begins."""
        chat = [m.model_dump() for m in messages]
        text = self.tokenizer.apply_chat_template(chat, add_generation_prompt=True, tokenize=False)
        return self._tokens(text)

    def answer(self, text: str) -> list[int]:
        """Return the tokens of an answer as it stands behind a prompt, the end of turn last."""
        before = self._tokens("\n") if self._puts_a_blank_first else []
        behind = self._tokens("\n" + text) if before else self._tokens(text)
        return [*behind[len(before) :], self.end]

    def text(self, tokens: Sequence[int]) -> str:
        """Return what the tokens of an answer say, its end of turn left out."""
        return str(self.tokenizer.decode(tokens, skip_special_tokens=True))

    @cached_property
    def _puts_a_blank_first(self) -> bool:
        """Whether a text alone begins with a blank that it has not behind another: Mistral's."""
        return self._tokens("\na") != self._tokens("\n") + self._tokens("a")

    def _tokens(self, text: str) -> list[int]:
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])


def template(model: LocalModel) -> Template:
    """Load the tokenizer of `model` with its chat template, and check the two.

    Raises:
        ModelError: if there is no template, the end of turn is not one token, or the
            template does not end an answer with it: such a model would never stop.
    """
    quiet()
    from transformers import AutoTokenizer

    place, revision = model.source()
    tokenizer = AutoTokenizer.from_pretrained(place, revision=revision)
    if model.template is not None:
        tokenizer.chat_template = model.template
    if not tokenizer.chat_template:
        raise ModelError(f"{model.name} has no chat template: give local.template")
    known = tokenizer.get_vocab()
    end = known.get(model.end_of_turn)
    if end is None:
        raise ModelError(
            f"{model.name}: local.end_of_turn {model.end_of_turn!r} is no token of its tokenizer"
        )
    if tokenizer.pad_token_id in (None, end):
        pad = next((p for p in PADS if p in known and p != model.end_of_turn), None)
        tokenizer.pad_token = pad or model.end_of_turn
    found = Template(tokenizer, end)
    _refuse_a_model_that_never_stops(model, found)
    return found


def _refuse_a_model_that_never_stops(model: LocalModel, found: Template) -> None:
    asked = Message(role="user", content="Say hi.")
    whole = found.tokenizer.apply_chat_template(
        [asked.model_dump(), {"role": "assistant", "content": "Hi."}], tokenize=False
    )
    trained = found.prompt([asked]) + found.answer("Hi.")
    if found._tokens(whole)[: len(trained)] != trained:
        raise ModelError(
            f"{model.name}: its chat template does not end the answer 'Hi.' with "
            f"local.end_of_turn {model.end_of_turn!r}; it gives {whole!r}"
        )


def device() -> "torch.device":
    """Return this process's GPU where there is one, else the CPU."""
    import torch

    if not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", torch.cuda.current_device())


def gpus() -> int:
    """Return how many GPUs this machine shows."""
    import torch

    return torch.cuda.device_count()


def compute_dtype(name: str | None = None) -> "torch.dtype":
    """Return the type of that name, or the one for this machine.

    That is bf16 on a GPU and on a CPU with instructions for it, fp32 on any other CPU. With
    them a step of a 135M model takes about half the time of fp32; without them bf16 is
    several times slower.
    """
    import torch

    if name is not None:
        return {"float32": torch.float32, "bfloat16": torch.bfloat16}[name]
    if device().type == "cuda":
        return torch.bfloat16
    can = torch.cpu.get_capabilities()
    return torch.bfloat16 if any(can.get(name) for name in CPU_BF16) else torch.float32


def dense(model: LocalModel, dtype: str | None = None) -> "PreTrainedModel":
    """Load the base as it would be served: not quantised, in evaluation mode."""
    quiet()
    from transformers import AutoModelForCausalLM

    place, revision = model.source()
    loaded: Any = AutoModelForCausalLM.from_pretrained(
        place, revision=revision, dtype=compute_dtype(dtype), use_safetensors=True
    )
    return loaded.to(device()).eval()


def nf4(model: LocalModel, dtype: str | None = None, *, sharded: bool = False) -> "PreTrainedModel":
    """Load the base in 4 bit (NF4, double quantisation), as QLoRA trains on it.

    With `sharded` the packed weights are kept as the type that is computed in: FSDP spreads
    no integers over devices (bitsandbytes, FSDP-QLoRA; PEFT, Fully Sharded Data Parallel).

    bitsandbytes' own CPU kernel repacks a layer's weights in place when the model is
    evaluated, and every backward pass after that is silently wrong. It is turned off.
    """
    quiet()
    import torch
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    place, revision = model.source()
    four_bit = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=compute_dtype(dtype),
        bnb_4bit_quant_storage=compute_dtype(dtype) if sharded else torch.uint8,
    )
    loaded: Any = AutoModelForCausalLM.from_pretrained(
        place,
        revision=revision,
        dtype=compute_dtype(dtype),
        quantization_config=four_bit,
        device_map={"": device()},
        use_safetensors=True,
    )
    for layer in loaded.modules():
        if hasattr(layer, "support_avx512bf16_for_cpu"):
            layer.support_avx512bf16_for_cpu = False
    tuned: PreTrainedModel = loaded
    return tuned


def with_adapter(base: "PreTrainedModel", adapter: Path, *, merge: bool) -> Any:
    """Put an adapter on `base`; with `merge` its weights are added in and it is gone.

    Merge only into a dense base: rounding to 4 bits is larger than what an adapter adds.
    """
    from peft import PeftModel

    tuned: Any = PeftModel.from_pretrained(base, str(adapter))
    return (tuned.merge_and_unload() if merge else tuned).eval()


def free() -> None:
    """Give a GPU's memory back to whoever tunes next; models that are no more held it."""
    import gc

    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def quiet() -> None:
    """Keep the libraries' own bars and advice out of the run's output."""
    import logging as python_logging

    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    python_logging.getLogger("bitsandbytes").setLevel(python_logging.ERROR)
