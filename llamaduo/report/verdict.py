"""The top of the report: the verdict, and what it rests on."""

from collections import defaultdict

from llamaduo.findings import CategoryVerdict, Result, Verdict
from llamaduo.projection import Projection
from llamaduo.report.words import markdown, with_interval
from llamaduo.workload import Workload

_SAYS: dict[Verdict, str] = {
    "switch": "{local} can take {task} over from {service}.",
    "keep the service": "{local} is not good enough for {task}: keep {service}.",
    "not enough data": "Whether {local} can take {task} over from {service} is not settled.",
}


def verdict(result: Result, workload: Workload, projection: Projection) -> list[str]:
    """Return the verdict in a sentence, its reasons, what it is for each category, and saves."""
    decision = result.decision
    said = _SAYS[decision.verdict].format(
        local=result.local, task=result.task, service=result.service
    )
    lines = [f"**{said}**", "", *(f"- {reason}" for reason in decision.reasons)]
    if decision.categories:
        lines.append(f"- by category: {by_category(decision.categories)}")
    return [*lines, *_openings(result), *_saves(workload, projection), ""]


def _saves(workload: Workload, projection: Projection) -> list[str]:
    """Say what the first local model of the workload saves against its first service."""
    pair = projection.pairs[0]
    when = (
        "it never pays for itself"
        if pair.break_even_month is None
        else f"it pays for itself after {pair.break_even_month:.1f} months"
    )
    if pair.break_even is not None and pair.break_even.low is not None:
        high = pair.break_even.high
        upper = "never" if high is None else f"{high:.1f}"
        when += f" (90 % interval {pair.break_even.low:.1f} to {upper})"
    saved = f"{'saves' if pair.saved_usd >= 0 else 'loses'} ${abs(pair.saved_usd):,.0f}"
    when += f", and {saved} by month {projection.months[-1]}"
    return [
        f"- what it would save, by the workload {workload.name} ({pair.local} against "
        f"{pair.service}, its assumptions are below): {when}"
    ]


def by_category(categories: tuple[CategoryVerdict, ...]) -> str:
    """Say the verdicts in a line: `switch for a, b; keep the service for c`."""
    found: dict[str, list[str]] = defaultdict(list)
    for one in categories:
        found[one.verdict].append(one.category or "(none)")
    order = ("switch", "keep the service", "not enough data")
    return "; ".join(f"{said} for {', '.join(found[said])}" for said in order if found[said])


def categories(result: Result) -> list[str]:
    """Return the table of categories; nothing where there is but one."""
    rows = [
        [one.category or "(none)", with_interval(one.measure), str(one.measure.n), one.verdict]
        for one in result.decision.categories
    ]
    if not rows:
        return []
    level = result.decision.categories[0].measure.level
    said = (
        f"The intervals hold together: each is one of {100 * level:.4g} %, so that all of them "
        "are right in 95 of 100 runs."
    )
    head = ["category", "coverage %", "n", "verdict"]
    return ["### By category", "", *markdown(head, rows), "", said, ""]


def _openings(result: Result) -> list[str]:
    """Say who else has seen this test: a verdict picked among many is over-fitted to it."""
    runs = {opening.run for opening in result.openings}
    if len(result.openings) < 2:
        return ["- the test was opened once, for this verdict"] if result.openings else []
    mine = [opening.model for opening in result.openings if opening.run == result.fingerprint]
    others = len(runs - {result.fingerprint})
    seen = f"- this test has been opened {len(result.openings)} times: {len(mine)} by this run"
    if others:
        runs_ = "run" if others == 1 else "runs"
        seen += f", {len(result.openings) - len(mine)} by {others} other {runs_}"
    if result.steered_on == "test":
        return [f"{seen}; the error level is shared out over this run's looks"]
    return [f"{seen}. Each verdict holds by itself; the best of several is over-fitted to the test"]
