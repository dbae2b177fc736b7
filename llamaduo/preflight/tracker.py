"""Where the run is shown: whether it can be, before anything is spent."""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol, runtime_checkable

from llamaduo.experiment import Experiment
from llamaduo.preflight.finding import Finding, missing, ok


@runtime_checkable
class Elsewhere(Protocol):
    """A tracker that shows runs somewhere, and knows whether it can."""

    def unusable(self, task: str) -> str:
        """Say why the runs of a task cannot be shown, and what to do; "" if they can."""
        ...

    def address(self, home: Path) -> str:
        """Return where the runs of `home` are shown."""
        ...


def tracker(exp: Experiment) -> Iterator[Finding]:
    """Yield a line on the tracker, if it shows runs anywhere."""
    if isinstance(exp.tracker, Elsewhere):
        where = exp.tracker.address(Path(exp.home))
        fault = exp.tracker.unusable(exp.task.name)
        yield missing(f"tracker: {where}: {fault}") if fault else ok(f"tracker: {where}")
