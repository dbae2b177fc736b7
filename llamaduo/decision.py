"""What the figures on the sealed test allow one to say. Pure."""

import math

from llamaduo.metrics import Z95, share
from llamaduo.records import Assessment, Decision, Measure, Verdict


def decide(test: Assessment, goal: float) -> Decision:
    """Say `switch`, `keep the service` or `not enough data`.

    `switch` needs the whole 95 % interval of coverage at or over the goal, with every
    unjudged prompt counted as failed; `keep the service` needs it under the goal, with
    every unjudged prompt counted as passed. All between is not enough data.

    Args:
        test: the last round's model on the sealed test.
        goal: coverage that is wanted, in %.
    """
    n = test.coverage.n
    if n == 0 or test.coverage.value is None:
        return Decision(
            verdict="not enough data",
            measure=test.coverage,
            goal=goal,
            reasons=(f"none of {test.prompts} test prompts could be judged",),
        )
    hits = round(test.coverage.value * n / 100)
    lost = test.prompts - n
    worst = share("coverage %", hits, test.prompts)
    best = share("coverage %", hits + lost, test.prompts)
    verdict: Verdict
    if worst.low is not None and worst.low >= goal:
        verdict = "switch"
    elif best.high is not None and best.high < goal:
        verdict = "keep the service"
    else:
        verdict = "not enough data"
    return Decision(
        verdict=verdict,
        measure=test.coverage,
        goal=goal,
        reasons=_reasons(verdict, test, worst, best, goal, lost),
    )


def undecided(why: str, goal: float) -> Decision:
    """Say that the test was not judged, and why."""
    nothing = share("coverage %", 0, 0)
    return Decision(verdict="not enough data", measure=nothing, goal=goal, reasons=(why,))


def out_of_reach(prompts: int, goal: float) -> str:
    """Say so if not even a perfect model could show `goal` % on `prompts`; else "".

    Args:
        prompts: in the test set, at least 1.
        goal: coverage in %.
    """
    low = share("coverage %", prompts, prompts).low
    if low is None or low >= goal:
        return ""
    said = (
        f"{prompts} test prompts cannot show a coverage of {goal:g} %: {prompts} of {prompts} "
        f"has a lower bound of {math.floor(10 * low) / 10:g} %. "
    )
    if goal >= 100:
        return said + "No number of prompts could: ask for less"
    needed = math.ceil(Z95**2 * goal / (100 - goal))
    return said + f"A perfect model would need {needed} prompts"


def _reasons(
    verdict: Verdict, test: Assessment, worst: Measure, best: Measure, goal: float, lost: int
) -> tuple[str, ...]:
    measure = test.coverage
    said = (
        f"{measure.value:.1f} % of {measure.n} judged test prompts are covered, "
        f"95 % interval {measure.low:.1f} to {measure.high:.1f} %; the goal is {goal:g} %"
    )
    reasons = [said]
    if lost:
        reasons.append(
            f"{lost} prompts have no score: with all of them failed the lower bound is "
            f"{worst.low:.1f} %, with all of them passed the upper is {best.high:.1f} %"
        )
    if verdict == "not enough data":
        reasons.append(
            "the goal lies inside the interval: more test prompts would narrow it"
            if (measure.low or 0) < goal <= (measure.high or 0)
            else "the prompts without a score could turn it: find out why they have none"
        )
    unreachable = out_of_reach(test.prompts, goal)
    return (*reasons, unreachable) if unreachable else tuple(reasons)
