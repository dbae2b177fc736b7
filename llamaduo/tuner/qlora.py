"""QLoRA: NF4 base, LoRA adapters on top, by TRL's SFTTrainer."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field, model_validator

from llamaduo.component import Component
from llamaduo.local import LocalModel, template_digest
from llamaduo.local.adapter import misfits, settings
from llamaduo.progress import Progress
from llamaduo.records import Example
from llamaduo.tuner import Watch


class Qlora(Component):
    """LoRA on a 4-bit base (Dettmers et al. 2023); loss on the answer only."""

    operational: ClassVar[frozenset[str]] = frozenset({"save_steps", "gradient_checkpointing"})
    version: ClassVar[int] = 2

    r: int = Field(ge=1)
    """Rank of the adapter: what it can learn, and its size."""
    alpha: float = Field(gt=0)
    """Its weight is alpha / r."""
    dropout: float = Field(ge=0, lt=1)
    lr: float = Field(gt=0)
    schedule: Literal["cosine", "linear", "constant_with_warmup"]
    warmup: float = Field(ge=0, lt=1)
    """Share of the steps in which the rate grows to `lr`."""
    epochs: float | None = Field(None, gt=0)
    """Passes over the rows. More rows are then more steps. Give this or `steps`."""
    steps: int | None = Field(None, ge=1)
    """Optimiser steps, however many rows there are. Give this or `epochs`."""
    batch_size: int = Field(ge=1)
    """Rows in memory at once, on all devices together."""
    accumulation: int = Field(1, ge=1)
    """Batches in one optimiser step."""
    clip: float = Field(1.0, gt=0)
    """Largest norm of the gradient."""
    max_length: int = Field(ge=8)
    """Tokens of prompt and answer; a longer row is left out, and counted."""
    layers: int | None = Field(None, ge=1)
    """Tune only the last so many layers: faster, but the adapter must then be merged to
    be served by TGI. None: all."""
    eval_steps: int | None = Field(None, ge=1)
    """Steps between two looks at the loss on dev; the adapter with the lowest is kept. None:
    dev is not looked at, and the last is kept."""
    patience: int | None = Field(None, ge=1)
    """Looks at dev without a new lowest loss after which tuning ends early. None: never."""
    group_by_length: bool = True
    """Batch rows of like length: less padding, a less random order."""
    gradient_checkpointing: bool | Literal["auto"] = "auto"
    """Recompute activations: less memory, and a third to a half slower. `auto`: only where they
    would not fit, by arithmetic on the longest row and the memory that is free."""
    save_steps: int = Field(100, ge=1)
    """Steps between checkpoints; a killed run repeats at most so many."""
    processes: int = Field(1, ge=1)
    """Devices tuned on at once. They share the rows of `batch_size`, so a step sees the same
    rows whatever the number; it is part of the key, since sums are rounded in another order
    and dropout is drawn for each device."""
    sharding: Literal["none", "fsdp"] = "none"
    """`fsdp` spreads the base's weights over the devices, and gathers them layer by layer."""

    @model_validator(mode="after")
    def _has_one_length(self) -> "Qlora":
        if (self.epochs is None) == (self.steps is None):
            raise ValueError("give epochs or steps, one of the two, and null for the other")
        if self.patience is not None and self.eval_steps is None:
            raise ValueError("patience counts looks at dev: give eval_steps too")
        return self

    @model_validator(mode="after")
    def _can_be_shared(self) -> "Qlora":
        if self.batch_size % self.processes:
            raise ValueError(
                f"batch_size={self.batch_size} rows cannot be shared evenly by "
                f"processes={self.processes}: give a multiple"
            )
        if self.sharding != "none" and self.processes == 1:
            raise ValueError(f"sharding={self.sharding} needs two processes or more")
        return self

    @property
    def looks_at_dev(self) -> bool:
        """Whether the adapter depends on the dev rows too."""
        return self.eval_steps is not None

    def for_steps(self, steps: int) -> "Qlora":
        """Return the same tuner with another length, which it then goes to."""
        return self.model_copy(update={"steps": steps, "epochs": None, "patience": None})

    def faults(self, local: LocalModel) -> list[str]:
        """Say what devices are missing, and where an adapter to begin from has another shape."""
        return [*self._too_few_gpus(), *self._another_shape(local)]

    def _too_few_gpus(self) -> list[str]:
        if self.processes == 1:
            return []
        from llamaduo.local.load import gpus

        there = gpus()
        if self.sharding == "fsdp" and not there:
            return ["tuner.sharding: fsdp needs GPUs, and there are none; set tuner.sharding=none"]
        if 0 < there < self.processes:
            return [
                f"tuner.processes: {self.processes}, and this machine shows {there} GPUs; set "
                f"tuner.processes={there} at most"
            ]
        return []

    def _another_shape(self, local: LocalModel) -> list[str]:
        if local.adapter is None:
            return []
        digest = template_digest(local)
        found = misfits(local.adapter, base=local.base, revision=local.revision, template=digest)
        own = settings(local.adapter)
        for key, name, wanted in (("r", "r", self.r), ("lora_alpha", "alpha", self.alpha)):
            if own.get(key) != wanted:
                found.append(
                    f"tuner.{name}: {wanted:g}, and {local.adapter} has {own.get(key)}: an adapter "
                    f"goes on with what it began; set tuner.{name}={own.get(key)}"
                )
        for key in ("use_dora", "use_rslora", "modules_to_save", "rank_pattern", "alpha_pattern"):
            if own.get(key):
                found.append(f"local.adapter: {local.adapter} has {key}, which is not tuned here")
        return found

    def tune(
        self,
        local: LocalModel,
        rows: Sequence[Example],
        *,
        dev: Sequence[Example],
        seed: int,
        out: Path,
        scratch: Path,
        progress: Progress,
        watch: Watch | None = None,
    ) -> None:
        """Tune, or go on tuning from the newest whole checkpoint in `scratch`."""
        if self.processes == 1:
            from llamaduo.tuner.training import train
        else:
            from llamaduo.tuner.launch import train
        train(
            self,
            local,
            rows,
            dev=dev,
            seed=seed,
            out=out,
            scratch=scratch,
            progress=progress,
            watch=watch,
        )
