"""The shape of a base model: what its memory, its download and its serving follow from."""

import json
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from pydantic import Field, ValidationError

from llamaduo.component import Component
from llamaduo.local import LocalModel


class Shape(Component):
    """A dense decoder with gated feed-forward layers: Llama, Mistral, Gemma and their like."""

    family: str = Field(min_length=1)
    """`model_type` of its config.json; serving engines are told apart by it."""
    layers: int = Field(ge=1)
    hidden: int = Field(ge=1)
    heads: int = Field(ge=1)
    kv_heads: int = Field(ge=1)
    """Heads of keys and values; fewer than `heads` keep the key-value cache small."""
    head_dim: int = Field(ge=1)
    """Width of a head; heads x head_dim need not be `hidden` (Gemma 7B: 4096 and 3072)."""
    intermediate: int = Field(ge=1)
    vocabulary: int = Field(ge=1)
    tied: bool = False
    """Whether the output head is the embedding again."""

    @property
    def projections(self) -> dict[str, tuple[int, int]]:
        """Width in and width out of each linear layer of a block."""
        queries, keys = self.heads * self.head_dim, self.kv_heads * self.head_dim
        return {
            "q_proj": (self.hidden, queries),
            "k_proj": (self.hidden, keys),
            "v_proj": (self.hidden, keys),
            "o_proj": (queries, self.hidden),
            "gate_proj": (self.hidden, self.intermediate),
            "up_proj": (self.hidden, self.intermediate),
            "down_proj": (self.intermediate, self.hidden),
        }

    @property
    def linear(self) -> int:
        """Weights of the blocks' linear layers: what 4 bit makes smaller."""
        return self.layers * sum(into * out for into, out in self.projections.values())

    @property
    def other(self) -> int:
        """Embeddings, output head and norms, which stay as they are."""
        tables = 1 if self.tied else 2
        return tables * self.vocabulary * self.hidden + (2 * self.layers + 1) * self.hidden

    @property
    def parameters(self) -> int:
        """All of its weights."""
        return self.linear + self.other

    def lora(self, r: int, layers: int | None) -> int:
        """Return the weights of an adapter of rank `r` on all projections of `layers` blocks."""
        blocks = self.layers if layers is None else min(layers, self.layers)
        return blocks * r * sum(into + out for into, out in self.projections.values())


@runtime_checkable
class Described(Protocol):
    """A local model that tells its shape; ours do, one from out of tree may."""

    @property
    def shape(self) -> Shape | None:
        """As its YAML says it; None: it does not."""
        ...

    def here(self) -> Path | None:
        """Return the folder of its config and tokenizer on this machine, and make nothing."""
        ...


def folder_of(model: LocalModel) -> Path | None:
    """Return where `model` is on this machine; None if it is not, or does not tell."""
    return model.here() if isinstance(model, Described) else None


def shape_of(model: LocalModel) -> Shape | None:
    """Return the shape in the config.json that is here, else as its YAML says it."""
    folder = folder_of(model)
    read = None if folder is None else read_shape(folder)
    return read or (model.shape if isinstance(model, Described) else None)


def read_shape(folder: Path) -> Shape | None:
    """Read config.json of `folder`; None where it is not of a dense decoder."""
    try:
        config: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        if any("experts" in name for name in config):
            return None
        heads, hidden = config["num_attention_heads"], config["hidden_size"]
        return Shape(
            family=config["model_type"],
            layers=config["num_hidden_layers"],
            hidden=hidden,
            heads=heads,
            kv_heads=config.get("num_key_value_heads") or heads,
            head_dim=config.get("head_dim") or hidden // heads,
            intermediate=config["intermediate_size"],
            vocabulary=config["vocab_size"],
            # What a config leaves out is its class's default.
            tied=config.get("tie_word_embeddings", config["model_type"].startswith("gemma")),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ValidationError):
        return None
