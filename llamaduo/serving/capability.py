"""Which engine takes which adapter: a table, its rows in words.

By the engines' documentation and source, read in November 2026: TGI 3.3.5 (`adapters/lora.py`,
`models/__init__.py`, `launcher`), vLLM (`docs/features/lora.md`, `vllm/config/lora.py`,
`vllm/lora/peft_helper.py`), SGLang (`docs/advanced_features/server_arguments.md`,
`srt/lora/lora_config.py`, issue 9449), llama.cpp (`convert_lora_to_gguf.py`, `tools/server`).
Nothing of it was run on a GPU. Where an engine is silent on a property, the adapter is merged:
merged weights need none of it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from llamaduo.serving import Given

Engine = Literal["tgi", "vllm", "sglang", "llamacpp", "transformers"]

ENGINES: dict[str, str] = {
    "tgi": "TGI",
    "vllm": "vLLM",
    "sglang": "SGLang",
    "llamacpp": "llama.cpp",
    "transformers": "transformers serve",
}
"""What they are called."""

TGI_FAMILIES = frozenset({"llama", "mistral", "qwen2", "gemma2", "gemma3_text", "starcoder2"})
"""Models whose TGI code has adapter layers. Not among them: `gemma`, the first Gemma."""

SEVEN = frozenset({"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"})
"""The linear layers of a block, which the tuner gives an adapter."""

TGI_TARGETS = SEVEN | {"qkv_proj", "c_proj", "c_fc"}
"""What TGI reads of an adapter; other targets are left out, with a warning only."""

SGLANG_TARGETS = SEVEN | {"qkv_proj", "gate_up_proj"}
"""Choices of SGLang's --lora-target-modules."""

FLASH_ATTENTION = (8, 0)
"""Compute capability that it takes; TGI refuses adapters without it (a T4 has 7.5)."""

VLLM_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""Values of `--max-lora-rank` that vLLM takes; its own default is 16."""

BEFOREHAND = frozenset({"awq", "gptq", "marlin", "exl2"})
"""Quantisations that an engine only loads: somebody made such weights before."""

TGI_WITH_ADAPTER = frozenset({"bitsandbytes", "bitsandbytes-nf4", "bitsandbytes-fp4", "eetq"})
"""Quantisations whose layers keep `.weight`, which TGI's adapters read."""


@dataclass(frozen=True)
class Asked:
    """What of an engine's settings decides whether it takes an adapter."""

    quantize: str | None = None
    called: str | None = None
    """What a request names; None: the registered model's name."""
    capability: tuple[int, int] | None = None
    """Of the GPU that will serve, which only `llamaduo doctor` looks at, on the machine it runs on.
    None: not known, and not held against it."""


PLAIN = Given(
    name="model",
    number="1",
    form="adapter",
    family="llama",
    base="meta-llama/Meta-Llama-3-8B",
    revision="main",
    dtype="bfloat16",
    r=8,
    targets=tuple(sorted(SEVEN)),
    ends=True,
)
"""An adapter that every engine takes that takes any: what is held against it, the settings
are to blame for."""


@dataclass(frozen=True)
class Row:
    """One reason why an engine does not serve an adapter as it is."""

    engine: Engine
    what: str
    """The property, as the documentation's table names it."""
    then: Literal["merged", "refused"]
    """`merged`: served with the adapter in the weights. `refused`: not at all."""
    why: Callable[[Given, Asked], str]
    """Says why not, and is empty where the row does not hold."""
    instead: str = ""
    """What to set, beside serving.delivery."""


def _lists(names: Sequence[str]) -> str:
    return ", ".join(sorted(names))


def _targets(read: frozenset[str]) -> Callable[[Given, Asked], str]:
    def why(given: Given, asked: Asked) -> str:
        unread = set(given.targets) - read
        return f"it does not read {_lists(list(unread))}" if unread else ""

    return why


def _tgi_family(given: Given, asked: Asked) -> str:
    if given.family in TGI_FAMILIES:
        return ""
    if not given.family:
        return "the type of the base is not known here, and TGI has adapter layers for some only"
    return f"it has no adapter layers for models of type {given.family}"


def _tgi_gpu(given: Given, asked: Asked) -> str:
    if asked.capability is None or asked.capability >= FLASH_ATTENTION:
        return ""
    has = ".".join(map(str, asked.capability))
    return f"it needs flash attention for adapters, and this GPU has {has}"


def _tgi_quantized(given: Given, asked: Asked) -> str:
    if asked.quantize is None or asked.quantize in TGI_WITH_ADAPTER | BEFOREHAND:
        return ""
    return f"it cannot put one on layers that quantize={asked.quantize} made"


def _vllm_rank(given: Given, asked: Asked) -> str:
    if given.r <= VLLM_RANKS[-1]:
        return ""
    return f"its largest --max-lora-rank is {VLLM_RANKS[-1]}, and this one has r={given.r}"


def _beforehand(given: Given, asked: Asked) -> str:
    if asked.quantize not in BEFOREHAND:
        return ""
    return (
        f"quantize={asked.quantize} takes weights that were quantised before, and a promoted "
        "model's are not"
    )


def _named_as_the_base(given: Given, asked: Asked) -> str:
    if (asked.called or given.name) != "tgi":
        return ""
    return "a request for `tgi` is answered by the base, without any adapter"


def _of(engines: Sequence[Engine], what: str, why: Callable[[Given, Asked], str]) -> list[Row]:
    return [Row(engine, what, "merged", why) for engine in engines]


_GPU: Sequence[Engine] = ("tgi", "vllm", "sglang")
_CONTAINERS: Sequence[Engine] = ("tgi", "vllm", "sglang", "llamacpp")
_TGI_SGLANG: Sequence[Engine] = ("tgi", "sglang")
_NOT_VLLM: Sequence[Engine] = ("tgi", "sglang", "llamacpp")

ROWS: tuple[Row, ...] = (
    Row(
        "transformers", "any adapter", "merged", lambda given, asked: "it takes merged weights only"
    ),
    Row("tgi", "a base without adapter layers (Gemma 1, Phi, Mixtral)", "merged", _tgi_family),
    *(
        Row(
            engine,
            "not every layer",
            "merged",
            lambda given, asked: "" if given.every_layer else "it wants a target in every layer",
            "tuner.layers=null tunes all layers",
        )
        for engine in _TGI_SGLANG
    ),
    Row("tgi", "targets that are no projections", "merged", _targets(TGI_TARGETS)),
    Row("sglang", "targets that are no projections", "merged", _targets(SGLANG_TARGETS)),
    Row("tgi", "a GPU without flash attention (T4)", "merged", _tgi_gpu),
    Row(
        "tgi",
        "quantize=fp8",
        "merged",
        _tgi_quantized,
        "serving.quantize=null, eetq or bitsandbytes-nf4 take one",
    ),
    Row(
        "sglang",
        "quantize=fp8",
        "merged",
        lambda given, asked: (
            f"adapters on {asked.quantize} are only asked for there"
            if asked.quantize == "fp8"
            else ""
        ),
        "serving.quantize=null takes one",
    ),
    Row("vllm", "a rank over 512", "merged", _vllm_rank, "a smaller tuner.r"),
    *_of(
        _CONTAINERS,
        "DoRA",
        lambda given, asked: "it has no code for DoRA's magnitudes" if given.dora else "",
    ),
    *_of(
        _CONTAINERS,
        "modules_to_save",
        lambda given, asked: (
            f"it leaves out layers tuned whole: {_lists(given.modules_to_save)}"
            if given.modules_to_save
            else ""
        ),
    ),
    *_of(
        _CONTAINERS,
        "tuned biases",
        lambda given, asked: "it leaves out tuned biases" if given.bias else "",
    ),
    *_of(
        _GPU,
        "rank_pattern",
        lambda given, asked: "it takes one rank for all layers" if given.rank_pattern else "",
    ),
    *_of(
        _CONTAINERS,
        "alpha_pattern",
        lambda given, asked: "it takes one alpha for all layers" if given.alpha_pattern else "",
    ),
    *_of(
        ("sglang", "llamacpp"),
        "rsLoRA",
        lambda given, asked: "it weighs an adapter by alpha / r" if given.rslora else "",
    ),
    *_of(
        _CONTAINERS,
        "a base that the hub does not have",
        lambda given, asked: (
            "" if given.hub else f"the hub's {given.base} is not the very base that it was tuned on"
        ),
    ),
    *_of(
        _TGI_SGLANG,
        "an end of turn that the base does not end with",
        lambda given, asked: (
            "it stops where the base stops, which is not the task's end of turn"
            if given.ends is False
            else ""
        ),
    ),
    Row("tgi", "the name `tgi`", "merged", _named_as_the_base, "serving.called=another"),
    *(
        Row(
            engine,
            "awq, gptq, marlin, exl2",
            "refused",
            _beforehand,
            "serving.quantize=null, or another that quantises when it loads",
        )
        for engine in _GPU
    ),
    *(
        Row(
            engine,
            "a base that is quantised already",
            "refused",
            lambda given, asked: (
                f"its base's own weights are quantised ({given.quantized}): no "
                "adapter goes on them there, and none can be merged into them"
                if given.quantized
                else ""
            ),
            "tune on the base that was quantised",
        )
        for engine in _NOT_VLLM
    ),
    Row(
        "tgi",
        "a folder without a name",
        "refused",
        lambda given, asked: (
            ""
            if asked.called or given.name
            else "it takes a folder without a name for an id of the hub"
        ),
        "serving.called=NAME",
    ),
)
"""All that stands against an adapter. An engine that no row holds for takes it as it is."""


def against(engine: str, given: Given, asked: Asked) -> list[tuple[Row, str]]:
    """Return the rows that hold, each with its reason in words."""
    found = [(row, row.why(given, asked)) for row in ROWS if row.engine == engine]
    return [(row, why) for row, why in found if why]


def max_lora_rank(r: int) -> int:
    """Return the least `--max-lora-rank` of vLLM that takes an adapter of rank `r`."""
    return next(rank for rank in VLLM_RANKS if rank >= r)
