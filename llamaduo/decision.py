"""What the figures on the sealed test allow one to say. Pure."""

import math
from typing import Literal, Protocol

from llamaduo.findings import (
    Assessment,
    Audit,
    CategoryVerdict,
    Compared,
    Decision,
    Measure,
    Verdict,
)
from llamaduo.intervals import LEVEL, z_of
from llamaduo.loads import Latency
from llamaduo.metrics import difference, share
from llamaduo.power import out_of_reach, pairs_needed, prompts_needed


class Goal(Protocol):
    """What has to be shown."""

    @property
    def at_least(self) -> float:
        """Coverage in %."""
        ...

    @property
    def against(self) -> Literal["absolute", "service"]:
        """Whether the coverage itself counts, or its distance to the service's own."""
        ...

    @property
    def margin(self) -> float:
        """Points of coverage that it may stay under the service's."""
        ...

    @property
    def latency_p95_ms(self) -> float | None:
        """Milliseconds that 95 of 100 answers have to come in; None: no matter."""
        ...


def level_of_look(number: int) -> float:
    """Return the level of the interval of the `number`th look at one test set.

    The error of 5 % is shared out as 1/2, 1/6, 1/12, ... of it, 1/(k(k+1)) for look k. All
    of them together are never more than the whole, however many rounds there are in the
    end (Bonferroni; the looks may depend on each other in any way).

    Args:
        number: from 1 on.
    """
    return 1 - (1 - LEVEL) / (number * (number + 1))


def decide(
    test: Assessment,
    goal: Goal,
    *,
    service: Compared | None = None,
    audit: Audit | None = None,
    latency: Latency | None = None,
    level: float = LEVEL,
) -> Decision:
    """Say `switch`, `keep the service` or `not enough data`.

    `switch` needs the whole interval at or over the goal, with every unjudged prompt
    counted as failed; `keep the service` needs it under the goal, with every unjudged
    prompt counted as passed. All between is not enough data. A switch is not said on the
    word of a judge that its audit speaks against, nor while an asked-for latency is not met.

    Args:
        test: the last round's model on the sealed test.
        service: that model against the service's own answers; needed for `against: service`.
        audit: of the judge.
        latency: as measured; None: not measured.
        level: of the interval the verdict hangs on.
    """
    if goal.against == "service":
        worst, measure, best, wanted = _beside_service(test, service, goal, level)
    else:
        worst, measure, best = _absolute(test.coverage, test.prompts, level)
        wanted = goal.at_least
    verdict = figures = settle(worst, best, wanted)
    blocked = _blocks(goal, audit, latency)
    reasons = [_said(measure, goal)]
    lost = test.prompts - measure.n
    if measure.value is not None and lost > 0:
        reasons.append(
            f"{lost} prompts have no score: with all of them failed the lower bound is "
            f"{_plain(worst.low)}, with all of them passed the upper is {_plain(best.high)}"
        )
    limit = goal.latency_p95_ms
    if limit is not None and latency is not None and _in_time(latency, limit):
        reasons.append(_waits(latency, limit))
    needed = None
    if figures == "not enough data" and measure.value is not None:
        needed, said = _how_many_more(measure, wanted, goal, test, service, level)
        reasons.append(said)
    if figures == "switch" and blocked:
        verdict = "not enough data"
        reasons.append("the figures alone would say switch, and this stands against it:")
    return Decision(
        verdict=verdict,
        measure=measure,
        goal=wanted,
        reasons=(*reasons, *blocked),
        needed=needed,
        blocked=tuple(blocked),
        categories=_categories(test, goal, service, level, blocked=bool(blocked)),
    )


def settle(worst: Measure, best: Measure, goal: float) -> Verdict:
    """Return what an interval says of a goal, given its worst and its best case."""
    if worst.low is not None and worst.low >= goal:
        return "switch"
    if best.high is not None and best.high < goal:
        return "keep the service"
    return "not enough data"


def same_at_both_ends(low: int, high: int, prompts: int, goal: float, level: float) -> bool:
    """Whether the verdict is the same with `low` and with `high` covered prompts of `prompts`."""
    ends = [share("coverage %", hits, prompts, level) for hits in (low, high)]
    return len({settle(end, end, goal) for end in ends}) == 1


def undecided(why: str, goal: float) -> Decision:
    """Say that the test was not judged, and why."""
    nothing = share("coverage %", 0, 0)
    return Decision(verdict="not enough data", measure=nothing, goal=goal, reasons=(why,))


def unreachable(prompts: int, goal: Goal, level: float = LEVEL) -> str:
    """Say so if not even a perfect model could show the goal on `prompts`; else "".

    Args:
        prompts: in the test set, at least 1.
        level: of the interval the verdict will hang on.
    """
    if goal.against == "absolute":
        return out_of_reach(prompts, goal.at_least, level)
    low = difference(0, 0, prompts, level).low
    if low is None or low >= -goal.margin:
        return ""
    needed = math.ceil(z_of(level) ** 2 * (100 - goal.margin) / goal.margin)
    return (
        f"{prompts} test prompts cannot show that a model as good as the service is at most "
        f"{goal.margin:g} points under it: with not one difference the lower bound is {low:.1f} "
        f"points. {needed} prompts could; fewer only for a model that does better"
    )


def _absolute(coverage: Measure, prompts: int, level: float) -> tuple[Measure, Measure, Measure]:
    n = coverage.n
    hits = 0 if coverage.value is None else round(coverage.value * n / 100)
    return (
        share("coverage %", hits, prompts, level),
        share("coverage %", hits, n, level),
        share("coverage %", hits + prompts - n, prompts, level),
    )


def _beside_service(
    test: Assessment, service: Compared | None, goal: Goal, level: float
) -> tuple[Measure, Measure, Measure, float]:
    if service is None:
        raise ValueError("against the service: its own answers have to be judged too")
    ours, theirs, n = service.only_ours, service.only_theirs, service.coverage.n
    return *_paired(ours, theirs, n, test.prompts, level), -goal.margin


def _paired(
    ours: int, theirs: int, n: int, prompts: int, level: float
) -> tuple[Measure, Measure, Measure]:
    """Return the worst, the seen and the best difference: pairs without a score may be either."""
    lost = prompts - n
    return (
        difference(ours, theirs + lost, prompts, level),
        difference(ours, theirs, n, level),
        difference(ours + lost, theirs, prompts, level),
    )


def _blocks(goal: Goal, audit: Audit | None, latency: Latency | None) -> list[str]:
    found = [f"the judge: {flag}" for flag in audit.flags] if audit else []
    if goal.latency_p95_ms is not None:
        if latency is None:
            found.append(
                f"latency: 95 of 100 answers have to come in {goal.latency_p95_ms:g} ms, and how "
                "long they take has not been measured"
            )
        elif not _in_time(latency, goal.latency_p95_ms):
            found.append(_waits(latency, goal.latency_p95_ms))
    return found


def _in_time(latency: Latency, limit: float) -> bool:
    return latency.p95_ms is not None and latency.p95_ms <= limit


def _waits(latency: Latency, limit: float) -> str:
    if latency.p95_ms is None:
        return (
            f"latency: 95 of 100 answers have to come in {limit:g} ms, and {latency.but}; "
            f"{latency.source}"
        )
    return (
        f"latency: 95 of 100 answers come in {latency.p95_ms:.0f} ms, and have to in {limit:g} "
        f"ms; n = {latency.n}: {latency.source}"
    )


def _said(measure: Measure, goal: Goal) -> str:
    if measure.value is None:
        return "no test prompt could be judged"
    interval = f"{100 * measure.level:.4g} % interval"
    if goal.against == "service":
        return (
            f"coverage is {measure.value:+.1f} points from the service's own on {measure.n} test "
            f"prompts, {interval} {measure.low:+.1f} to {measure.high:+.1f}; the goal is at most "
            f"{goal.margin:g} points under it"
        )
    return (
        f"{measure.value:.1f} % of {measure.n} judged test prompts are covered, "
        f"{interval} {measure.low:.1f} to {measure.high:.1f} %; the goal is {goal.at_least:g} %"
    )


def _how_many_more(
    measure: Measure,
    wanted: float,
    goal: Goal,
    test: Assessment,
    service: Compared | None,
    level: float,
) -> tuple[int | None, str]:
    assert measure.value is not None
    if goal.against == "service" and service is not None:
        needed = pairs_needed(service.only_ours, service.only_theirs, measure.n, wanted, level)
    else:
        needed = prompts_needed(measure.value, wanted, level)
    if needed is not None and needed <= test.prompts:
        if measure.n < test.prompts:
            return None, "the prompts without a score could turn it: find out why they have none"
        return needed, (
            f"the goal lies just inside the interval: about {needed} test prompts settle such a "
            "case in 80 of 100 tries, and this was one of the others"
        )
    if needed is None:
        said = "so near the goal that no test of a practical size would settle it"
    else:
        said = (
            f"the goal lies inside the interval: if {measure.value:.1f} is the truth, about "
            f"{needed} test prompts would settle it (in 80 of 100 tries)"
        )
    cannot = unreachable(test.prompts, goal, level)
    return needed, f"{said}. {cannot}" if cannot else said


def _categories(
    test: Assessment, goal: Goal, service: Compared | None, level: float, *, blocked: bool
) -> tuple[CategoryVerdict, ...]:
    """Return a verdict for each, at the level of the whole shared out over all of them.

    What blocks the switch of the whole blocks it in every part.
    """
    count = max(len(test.categories), 1)
    own = 1 - (1 - level) / count
    pairs = {one.name: one for one in service.categories} if service else {}
    verdicts = []
    for one in test.categories:
        if goal.against == "service":
            pair = pairs[one.name]
            worst, measure, best = _paired(
                pair.only_ours, pair.only_theirs, pair.n, one.prompts, own
            )
            wanted = -goal.margin
        else:
            worst, measure, best = _absolute(one.coverage, one.prompts, own)
            wanted = goal.at_least
        verdict = settle(worst, best, wanted)
        if verdict == "switch" and blocked:
            verdict = "not enough data"
        verdicts.append(CategoryVerdict(category=one.name, verdict=verdict, measure=measure))
    return tuple(verdicts)


def _plain(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.1f}"
