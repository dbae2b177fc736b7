"""A sweep as people look at it: in the tracker from before it begins, compared at its end."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from llamaduo import runs, side_by_side
from llamaduo.experiment import Experiment
from llamaduo.started import Sweep
from llamaduo.sweep.closing import paid
from llamaduo.sweep.ends import End
from llamaduo.tracker import SweepShown

COMPARISON = "comparison"
"""In a sweep's folder: what the jobs of each task came to, side by side."""
JOBS = "jobs.json"


def begin(sweep: Sweep, experiments: Sequence[Experiment]) -> dict[str, SweepShown]:
    """Show a sweep in the tracker of its jobs; returns it by task."""
    first: dict[str, Experiment] = {}
    for exp in experiments:
        first.setdefault(exp.task.name, exp)
    return {
        task: exp.tracker.sweep(sweep, home=Path(exp.home), task=task)
        for task, exp in first.items()
    }


def finish(
    shown: Mapping[str, SweepShown], ends: Sequence[End], folder: Path, like: Experiment
) -> list[str]:
    """Write each task's comparison, and show it; returns where to look, a line each.

    Args:
        like: one of the jobs, whose kind of ledger all have.
    """
    lines = []
    for task, at in shown.items():
        mine = [end for end in ends if end.task in (task, "")]
        into = folder / COMPARISON / re.sub("[^A-Za-z0-9._-]+", "-", task)
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
