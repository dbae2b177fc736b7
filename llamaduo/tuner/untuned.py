"""No tuning: the base model as it is."""

from collections.abc import Sequence
from pathlib import Path

from llamaduo.component import Component
from llamaduo.local import LocalModel
from llamaduo.progress import Progress
from llamaduo.records import Example, Training


class Untuned(Component):
    """Stands in for a tuner; judges the base model, or an endpoint one already has."""

    def for_steps(self, steps: int) -> "Untuned":
        """Itself: it takes no steps."""
        return self

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
        """Leave `out` without an adapter, which an engine takes for the base model."""
        facts = Training(rows=0, too_long=(), steps=0, loss=None)
        (out / "training.json").write_text(facts.model_dump_json() + "\n", encoding="utf-8")
