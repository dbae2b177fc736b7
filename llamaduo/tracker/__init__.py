"""The tracker: where a run is shown to people. Stages never see it; only the loop does."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from llamaduo.findings import Projection, Result, Round, Trial
from llamaduo.records import Example, Judgement
from llamaduo.started import Sweep


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
        sweep: Sweep | None = None,
    ) -> "Run":
        """Open the run of this fingerprint: the one there is, or a new one.

        Args:
            home: the run's; what is kept in files stands under it.
            task: whose runs are compared with one another.
            name: for people.
            params: what makes the result.
            tags: what runs are filtered by.
            sweep: it is shown as one of its jobs; one that ran in an earlier sweep moves.

        Raises:
            TrackerError: if it cannot be shown, for a reason that the user can put right.
        """
        ...

    def sweep(self, sweep: Sweep, *, home: Path, task: str) -> "SweepShown":
        """Show a sweep over its jobs of one task: find it, or begin to.

        Raises:
            TrackerError: if it cannot be shown, for a reason that the user can put right.
        """
        ...


class Run(Protocol):
    """One run being shown."""

    @property
    def where(self) -> str:
        """How to look at it, for people; empty where it is shown nowhere."""
        ...

    def begin(self, config: Path, parts: Mapping[str, Sequence[Example]]) -> None:
        """Show what the run is made from.

        Args:
            config: YAML of every value that it is made with.
            parts: rows that are set aside, by what for.
        """
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

    def finish(
        self,
        result: Result,
        projection: Projection,
        report: Path,
        *,
        test: Mapping[str, Sequence[Judgement]],
    ) -> None:
        """Show the outcome, and let go of the run.

        Args:
            projection: the cost over months.
            report: folder with the report and its figures.
            test: judgements on the sealed test, by model.
        """
        ...

    def fail(self, error: BaseException) -> None:
        """Show that the run ended with `error`, and let go of it."""
        ...

    def leave(self) -> None:
        """Let go of it: the run stays one that is running, for another process to go on with."""
        ...


class SweepShown(Protocol):
    """A sweep being shown, its jobs below it."""

    @property
    def where(self) -> str:
        """How to look at it, for people; empty where it is shown nowhere."""
        ...

    def finish(self, folder: Path, figures: Mapping[str, float], *, failed: int) -> None:
        """Show what the jobs came to.

        Args:
            folder: the comparison, to keep with it.
            figures: by name, as in a run.
            failed: jobs that ended in an error.
        """
        ...
