"""The tuner: rows in, an adapter out."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from llamaduo.local import LocalModel
from llamaduo.progress import Progress
from llamaduo.records import Example


class Watch(Protocol):
    """Is told of the dev loss while tuning goes on, and may end it by raising."""

    def __call__(self, step: int, dev_loss: float) -> None:
        """Take the dev loss after optimiser step `step`, in nats per answer token.

        What it raises passes through `tune`; the checkpoints stay, and tuning can go on.
        """
        ...


@runtime_checkable
class Tuner(Protocol):
    """How a local model is tuned."""

    def key(self) -> dict[str, Any]:
        """Return what makes its adapters."""
        ...

    @property
    def looks_at_dev(self) -> bool:
        """Whether the adapter depends on the dev rows too."""
        ...

    def for_steps(self, steps: int) -> "Tuner":
        """Return the same tuner, set to train for just `steps` optimiser steps."""
        ...

    def faults(self, local: LocalModel) -> list[str]:
        """Return what stands in the way of tuning `local`, in words, with the fix."""
        ...

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
        """Tune on `rows` and fill `out`: the adapter, `training.json`, `identity.json`.

        Checkpoints go to `scratch`; training resumes from one that a kill left there.

        Args:
            dev: rows to measure the loss on, where the tuner looks at any; never tuned on.

        Raises:
            ModelError: if nothing can be learned: no row fits, or the loss is not a number,
                or grows.
        """
        ...
