"""The top of the report: the verdict, and what it rests on."""

from collections import defaultdict

from llamaduo.audit.repeats import PASSES
from llamaduo.findings import CategoryVerdict, Result, Verdict
from llamaduo.judging import SERVICE
from llamaduo.projection import Projection
from llamaduo.report.money import is_of
from llamaduo.report.words import markdown, signed, with_interval
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
    if result.unfinished:
        lines.append(f"- not all was judged: {result.unfinished}")
    lines += [*_ceiling(result), *_openings(result), *_saves(result, workload, projection)]
    return [*lines, ""]


def by_category(categories: tuple[CategoryVerdict, ...]) -> str:
    """Say the verdicts in a line: `switch for a, b; keep the service for c`."""
    found: dict[str, list[str]] = defaultdict(list)
    for one in categories:
        found[one.verdict].append(one.category or "(none)")
    order = ("switch", "keep the service", "not enough data")
    return "; ".join(f"{said} for {', '.join(found[said])}" for said in order if found[said])


def categories(result: Result) -> list[str]:
    """Return the table of categories; nothing where there is but one."""
    beside = result.decision.beside
    write = signed if beside else with_interval
    rows = [
        [one.category or "(none)", write(one.measure), str(one.measure.n), one.verdict]
        for one in result.decision.categories
    ]
    if not rows:
        return []
    level = result.decision.categories[0].measure.level
    said = (
        f"The intervals hold together: each is one of {100 * level:.4g} %, so that all of them "
        "are right in 95 of 100 runs."
    )
    measure = "points beside the service" if beside else "coverage %"
    head = ["category", measure, "n", "verdict"]
    return ["### By category", "", *markdown(head, rows), "", said, ""]


def _openings(result: Result) -> list[str]:
    """Say who else has seen this test: a verdict picked among many is over-fitted to it."""
    looks = result.openings
    if not looks:
        return []
    if len(looks) == 1:
        return ["- the test was opened once, for this verdict"]
    others = [one for one in looks if one.run != result.fingerprint]
    mine = len(looks) - len(others)
    seen = f"- this test has been opened {len(looks)} times: {mine} by this run"
    if others:
        runs = len({one.run for one in others})
        most = max(one.prompts for one in others)
        seen += (
            f", {len(others)} by {runs} other run{'s' if runs > 1 else ''}, which saw up to {most} "
            f"of its {result.rows.get('test', 0)} prompts"
        )
    if result.steered_on == "test":
        return [f"{seen}; the error level is shared out over this run's looks"]
    return [
        f"{seen}. Each interval holds for one look; going on until a verdict pleases, or taking "
        "the best of several, errs more often"
    ]


def _saves(result: Result, workload: Workload, projection: Projection) -> list[str]:
    """Say what a switch saves; nothing where the verdict is none, or the figures another pair's."""
    if result.decision.verdict != "switch":
        return []
    pair = projection.pairs[0]
    if not is_of(result, projection):
        return [
            f"- what it would save is not known: the workload {workload.name} below is of "
            f"{pair.local} against {pair.service}. Describe your own: `workload=`, docs/cost.md"
        ]
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
    return [f"- by the workload {workload.name}, whose assumptions are below, {when}"]


def _ceiling(result: Result) -> list[str]:
    """Say so where the goal is out of the service's own reach, by the same judge."""
    said = []
    service = next((a.coverage for a in result.baselines if a.name == SERVICE), None)
    beside = result.decision.beside  # then the goal is a distance to it
    if not beside and service and service.high is not None and service.high < result.goal:
        said.append(
            f"- by this judge the service itself reaches {with_interval(service)} %: the goal of "
            f"{result.goal:g} % is out of its own reach too"
        )
    passes = (
        next((f for f in result.audit.findings if f.name == PASSES), None) if result.audit else None
    )
    if passes is not None and passes.high is not None and passes.high < result.goal:
        said.append(
            f"- by this judge only {passes.value:.0f} % of {passes.n} references pass as answers: "
            "judge or thresholds are too strict for any model"
        )
    return said
