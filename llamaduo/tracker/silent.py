"""No tracker: the report is all there is to see."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from llamaduo.component import Component
from llamaduo.findings import Projection, Result, Round, Trial
from llamaduo.records import Example, Judgement


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
    ) -> "Silent":
        """Itself."""
        return self

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

    def finish(self, result: Result, projection: Projection, report: Path) -> None:
        """Show nothing."""

    def fail(self, error: BaseException) -> None:
        """Show nothing."""
