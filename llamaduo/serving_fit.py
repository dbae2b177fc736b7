"""Which serving engine can put an adapter on its base, and which needs it merged.

By the engines' documentation and source, read in November 2026: TGI 3.3.7 (the last; its
`server/text_generation_server/models` and `adapters/lora.py`), vLLM (`docs/features/lora.md`),
llama.cpp (`convert_lora_to_gguf.py`). Merging works with every engine.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

TGI_FAMILIES = frozenset({"llama", "mistral", "qwen2", "gemma2", "gemma3_text", "starcoder2"})
"""Models whose TGI code has adapter layers. Not among them: `gemma`, the first Gemma."""

TGI_PROJECTIONS = frozenset(
    {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
)
"""What TGI reads of an adapter for these; other targets are left out, with a warning only."""

FLASH_ATTENTION = (8, 0)
"""Compute capability that it takes; TGI refuses adapters without it (a T4 has 7.5)."""

VLLM_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
"""Values of `--max-lora-rank` that vLLM takes; its own default is 16."""


@dataclass(frozen=True)
class Adapter:
    """What of an adapter matters to who serves it."""

    family: str
    """`model_type` of the base."""
    r: int
    targets: Sequence[str]
    every_layer: bool
    """Whether every block has it, and not only the last ones."""


@dataclass(frozen=True)
class Fit:
    """One engine and one adapter."""

    engine: str
    merged_only: str = ""
    """Why the adapter has to be merged; "": it can be put on as it is."""
    note: str = ""
    """What to set where it is put on."""

    def in_words(self) -> str:
        """Say how it is served."""
        if self.merged_only:
            return f"{self.engine}: merged only: {self.merged_only}"
        return f"{self.engine}: adapter" + (f", {self.note}" if self.note else "")


def fits(adapter: Adapter, capability: tuple[int, int] | None = None) -> list[Fit]:
    """Return how each engine would serve `adapter`.

    Args:
        capability: of the GPU that will serve; None: not known, and not held against it.
    """
    return [_tgi(adapter, capability), _vllm(adapter), _llama_cpp(adapter)]


def _tgi(adapter: Adapter, capability: tuple[int, int] | None) -> Fit:
    unread = _names(set(adapter.targets) - TGI_PROJECTIONS)
    why = []
    if adapter.family not in TGI_FAMILIES:
        why.append(f"it has no adapter layers for models of type {adapter.family}")
    if unread:
        why.append(f"it does not read {unread}")
    if not adapter.every_layer:
        why.append("it drops a target that any layer lacks; tuner.layers=null tunes all")
    if capability is not None and capability < FLASH_ATTENTION:
        why.append(
            f"it needs flash attention for adapters, and this GPU has {_version(capability)}"
        )
    return Fit("TGI", "; ".join(why), note="with CUDA_GRAPHS=0")


def _vllm(adapter: Adapter) -> Fit:
    rank = next((rank for rank in VLLM_RANKS if rank >= adapter.r), None)
    if rank is None:
        return Fit("vLLM", f"its largest --max-lora-rank is {VLLM_RANKS[-1]}, tuner.r={adapter.r}")
    return Fit("vLLM", note=f"with --enable-lora --max-lora-rank {rank}")


def _llama_cpp(adapter: Adapter) -> Fit:
    return Fit("llama.cpp", note="converted by its convert_lora_to_gguf.py")


def _names(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


def _version(capability: tuple[int, int]) -> str:
    return ".".join(map(str, capability))
