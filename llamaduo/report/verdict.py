"""The top of the report: the verdict, and what it rests on."""

from collections import defaultdict

from llamaduo.findings import CategoryVerdict, Result, Verdict
from llamaduo.report.words import markdown, with_interval

_SAYS: dict[Verdict, str] = {
    "switch": "{local} can take {task} over from {service}.",
    "keep the service": "{local} is not good enough for {task}: keep {service}.",
    "not enough data": "Whether {local} can take {task} over from {service} is not settled.",
}


def verdict(result: Result) -> list[str]:
    """Return the verdict in a sentence, its reasons, and what it is for each category."""
    decision = result.decision
    said = _SAYS[decision.verdict].format(
        local=result.local, task=result.task, service=result.service
    )
    lines = [f"**{said}**", "", *(f"- {reason}" for reason in decision.reasons)]
    if decision.categories:
        lines.append(f"- by category: {by_category(decision.categories)}")
    return [*lines, *_openings(result), ""]


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
        return []
    mine = [opening.model for opening in result.openings if opening.run == result.fingerprint]
    others = len(runs - {result.fingerprint})
    seen = f"- this test has been opened {len(result.openings)} times: {len(mine)} by this run"
    if others:
        runs_ = "run" if others == 1 else "runs"
        seen += f", {len(result.openings) - len(mine)} by {others} other {runs_}"
    if result.steered_on == "test":
        return [f"{seen}; the error level is shared out over this run's looks"]
    return [f"{seen}. Each verdict holds by itself; the best of several is over-fitted to the test"]
