"""The tuner: rows in, an adapter out."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from llamaduo.local import LocalModel
from llamaduo.progress import Progress
from llamaduo.records import Example


@runtime_checkable
class Tuner(Protocol):
    """How a local model is tuned."""

    def key(self) -> dict[str, Any]:
        """Return what makes its adapters."""
        ...

    def for_steps(self, steps: int) -> "Tuner":
        """Return the same tuner, set to train for just `steps` optimiser steps."""
        ...

    def tune(
        self,
        local: LocalModel,
        rows: Sequence[Example],
        *,
        seed: int,
        out: Path,
        scratch: Path,
        progress: Progress,
    ) -> None:
        """Tune on `rows` and fill `out`: the adapter, `training.json`, `identity.json`.

        Checkpoints go to `scratch`; training resumes from one that a kill left there.

        Raises:
            ModelError: if nothing can be learned: no row fits, or the loss is not a number.
        """
        ...
