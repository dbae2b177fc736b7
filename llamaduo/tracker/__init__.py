"""The tracker: where a run is shown to people. Stages never see it; only the loop does."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from llamaduo.findings import Projection, Result, Round, Trial
from llamaduo.records import Example, Judgement


@runtime_checkable
class Tracker(Protocol):
    """Shows runs."""

    def open(
        self,
        *,
        home: Path,
        fingerprint: str,
        task: str,
        name: str,
        params: Mapping[str, str],
        tags: Mapping[str, str],
    ) -> "Run":
        """Open the run of this fingerprint: the one there is, or a new one."""
        ...


class Run(Protocol):
    """One run being shown."""

    @property
    def where(self) -> str:
        """How to look at it, for people; empty where it is shown nowhere."""
        ...

    def round(
        self,
        round_: Round,
        *,
        train: Sequence[Example],
        adapter: Path,
        judgements: Sequence[Judgement],
    ) -> None:
        """Show a finished round; one that is shown already stays as it is."""
        ...

    def trial(self, trial: Trial) -> None:
        """Show a finished trial of a search; one that is shown already stays as it is."""
        ...

    def finish(self, result: Result, projection: Projection, report: Path) -> None:
        """Show the outcome, the cost over months, and the folder with report and figures."""
        ...

    def fail(self, error: BaseException) -> None:
        """Show that the run ended with `error`."""
        ...
