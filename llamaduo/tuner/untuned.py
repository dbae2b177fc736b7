"""No tuning: the base model as it is, or with the adapter one has."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from llamaduo.component import Component
from llamaduo.local import LocalModel, template_digest
from llamaduo.local.adapter import FILES, misfits
from llamaduo.progress import Progress
from llamaduo.records import Example, Training
from llamaduo.tuner import Watch


class Untuned(Component):
    """Stands in for a tuner; judges the base model, an adapter or an endpoint one already has."""

    bare: ClassVar[bool] = True

    @property
    def looks_at_dev(self) -> bool:
        """No."""
        return False

    def for_steps(self, steps: int) -> "Untuned":
        """Itself: it takes no steps."""
        return self

    def faults(self, local: LocalModel) -> list[str]:
        """Say where the adapter of `local` is not one for it."""
        if local.adapter is None:
            return []
        return misfits(
            local.adapter,
            base=local.base,
            revision=local.revision,
            template=template_digest(local),
        )

    def inputs(self, local: LocalModel) -> list[object]:
        """Return what its result hangs on: no rows, and of the model only an adapter."""
        return [self.key(), *([local.key()] if local.adapter is not None else [])]

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
        """Fill `out` with the adapter of `local`, or with none: the base model to an engine."""
        if local.adapter is not None:
            for name in FILES:
                shutil.copyfile(local.adapter / name, out / name)
        facts = Training(rows=0, too_long=(), steps=0, loss=None)
        (out / "training.json").write_text(facts.model_dump_json() + "\n", encoding="utf-8")
