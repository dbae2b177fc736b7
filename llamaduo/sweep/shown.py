"""A sweep as people look at it: in the tracker from before it begins, compared at its end."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from llamaduo import runs, side_by_side
from llamaduo.component import digest
from llamaduo.experiment import Experiment
from llamaduo.started import Sweep
from llamaduo.sweep.closing import paid
from llamaduo.sweep.ends import End
from llamaduo.tracker import SweepShown

COMPARISON = "comparison"
"""In a sweep's folder: what the jobs of each task came to, side by side."""
JOBS = "jobs.json"


@dataclass(frozen=True)
class Place:
    """Where jobs are shown together."""

    task: str
    home: str
    tracker: str
    """As a digest."""


def place_of(exp: Experiment) -> Place:
    """Return where a job is shown."""
    return Place(exp.task.name, str(exp.home), digest(exp.tracker))


def begin(sweep: Sweep, experiments: Sequence[Experiment]) -> dict[Place, SweepShown]:
    """Show a sweep in the trackers of its jobs: once for each task, home and tracker."""
    first: dict[Place, Experiment] = {}
    for exp in experiments:
        first.setdefault(place_of(exp), exp)
    return {
        place: exp.tracker.sweep(sweep, home=Path(exp.home), task=exp.task.name)
        for place, exp in first.items()
    }


def _place(end: End) -> Place:
    return Place(end.task, end.home, end.tracker)


def finish(
    shown: Mapping[Place, SweepShown], ends: Sequence[End], folder: Path, like: Experiment
) -> list[str]:
    """Write each task's comparison, and show it; returns where to look, a line each.

    Args:
        like: one of the jobs, whose kind of ledger all have.
    """
    lines = []
    for number, (place, at) in enumerate(shown.items()):
        task = place.task
        mine = [end for end in ends if not end.task or _place(end) == place]
        one = [other.task for other in shown].count(task) == 1
        name = re.sub("[^A-Za-z0-9._-]+", "-", task if one else f"{task}-{number}")
        into = folder / COMPARISON / name
        page = compared(mine, into)
        at.finish(into, figures(mine, like), failed=sum(end.code != 0 for end in mine))
        lines += [f"{task}, side by side: {page}"] if page else []
        lines += [f"{task}, the sweep: {at.where}"] if at.where else []
    return lines


def compared(ends: Sequence[End], into: Path) -> Path | None:
    """Write the jobs' ends, and their finished runs side by side; returns the page."""
    into.mkdir(parents=True, exist_ok=True)
    said = [end.model_dump(mode="json", exclude={"recipes"}) for end in ends]
    (into / JOBS).write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")
    places = {
        Path(end.home) / ".llamaduo" / "runs" / end.fingerprint: None
        for end in ends
        if end.finished
    }
    found, left_out = runs.read(places)
    if not found:
        return None
    page = side_by_side.write(found, left_out, of=len(places), everyone=False, into=into)
    return page.files[0]


def figures(ends: Sequence[End], like: Experiment) -> dict[str, float]:
    """Return what a sweep is filtered by: the best coverage of a test, jobs, dollars."""
    found = {
        "sweep/jobs": float(len(ends)),
        "sweep/failed": float(sum(end.code != 0 for end in ends)),
        "sweep/usd": paid(ends, like)[1],
    }
    best: tuple[float, float] | None = None
    for end in ends:
        of = end.coverage
        if end.part == "test" and of is not None and of.value is not None and of.low is not None:
            best = max(best or (of.value, of.low), (of.value, of.low))
    if best is not None:
        found |= {"sweep/best_coverage": best[0], "sweep/best_coverage_low": best[1]}
    return found
