"""No tracker: the report is all there is to see."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from llamaduo.component import Component
from llamaduo.findings import Projection, Result, Round, Trial
from llamaduo.records import Example, Judgement
from llamaduo.started import Sweep


class Silent(Component):
    """Shows runs nowhere."""

    where: ClassVar[str] = ""
    """Nowhere."""

    def open(
        self,
        *,
        home: Path,
        fingerprint: str,
        task: str,
        name: str,
        params: Mapping[str, str],
        tags: Mapping[str, str],
        sweep: Sweep | None = None,
    ) -> "Silent":
        """Itself."""
        return self

    def sweep(self, sweep: Sweep, *, home: Path, task: str) -> "SilentSweep":
        """Show nothing."""
        return SilentSweep()

    def begin(self, config: Path, parts: Mapping[str, Sequence[Example]]) -> None:
        """Show nothing."""

    def round(
        self,
        round_: Round,
        *,
        train: Sequence[Example],
        adapter: Path,
        judgements: Sequence[Judgement],
    ) -> None:
        """Show nothing."""

    def trial(self, trial: Trial) -> None:
        """Show nothing."""

    def finish(
        self,
        result: Result,
        projection: Projection,
        report: Path,
        *,
        test: Mapping[str, Sequence[Judgement]],
    ) -> None:
        """Show nothing."""

    def fail(self, error: BaseException) -> None:
        """Show nothing."""

    def leave(self) -> None:
        """There is nothing to let go of."""


class SilentSweep:
    """A sweep that is shown nowhere."""

    where: ClassVar[str] = ""
    """Nowhere."""

    def finish(self, folder: Path, figures: Mapping[str, float], *, failed: int) -> None:
        """Show nothing."""
