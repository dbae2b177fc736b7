"""The models on the test, side by side."""

from llamaduo.findings import Assessment, Measure, Result
from llamaduo.judging import SERVICE
from llamaduo.report.words import mark, markdown, signed, the_test, untold, with_interval


def models(result: Result) -> list[str]:
    """Return the table of all models on the test, and what can be claimed from it."""
    if result.test is None:
        return [untold(result), ""]
    all_ = [*result.baselines, result.test]
    names = sorted({name for model in all_ for name in model.checks})
    head = ["model", "steps", "coverage %", "n", "similarity", "precision"]
    silent = any(model.missing for model in all_)
    head += ["unjudged", *(["of these no answer"] if silent else []), "cut"]
    head += [f"{name} %" for name in names]
    rows = [_row(a, names, decided=a is result.test, silent=silent) for a in all_]
    said = (
        "A prompt is covered where the means of its marks reach both thresholds: similarity "
        f"{result.similarity:g} and precision {result.precision:g}, of 100. In brackets 95 % "
        "intervals; n counts prompts."
    )
    if silent:
        said += (
            " A prompt of which an answer never came is not in n, and counts as failed for a "
            "switch; why stands under the service calls."
        )
    title = f"## On {the_test(result)}"
    return [title, "", *markdown(head, rows), "", said, "", *_beside(result), *_gain(result)]


def _row(a: Assessment, names: list[str], *, decided: bool, silent: bool) -> list[str]:
    return [
        f"**{a.name}, decided on**" if decided else a.name,
        str(a.steps) if a.steps else "-",
        with_interval(a.coverage),
        str(a.coverage.n),
        with_interval(a.similarity),
        with_interval(a.precision),
        f"{a.unjudged} of {a.answers}",
        *([str(a.missing)] if silent else []),
        str(a.cut),
        *(with_interval(a.checks[name]) if name in a.checks else "-" for name in names),
    ]


def _beside(result: Result) -> list[str]:
    """Return the decided model's distance to each other one, prompt by prompt."""
    if not result.compared or result.test is None:
        return []
    ceiling = any(c.name == SERVICE for c in result.compared)
    head = [f"{result.test.name} against", "coverage, points", "similarity", "precision"]
    head += ["n", "only it covers", "only the other", *(["P-Match %"] if ceiling else [])]
    rows = [
        [
            c.name,
            signed(c.coverage),
            signed(c.similarity),
            signed(c.precision),
            str(c.coverage.n),
            str(c.only_ours),
            str(c.only_theirs),
            *([with_interval(c.match) if c.name == SERVICE else "-"] if ceiling else []),
        ]
        for c in result.compared
    ]
    said = "Differences are taken prompt by prompt."
    if ceiling:
        said += " P-Match is the mean precision in % of the service's."
    return [*markdown(head, rows), "", said, ""]


def _gain(result: Result) -> list[str]:
    """Claim for synthetic rows only what they add over training as long without them."""
    final = result.test
    rival = next(
        (a for a in result.baselines if final and a.steps == final.steps and final.steps), None
    )
    if final is None or rival is None or rival.coverage.value is None:
        return []
    gain = next((c.coverage for c in result.compared if c.name == rival.name), _no_measure())
    if gain.value is None or gain.low is None:
        return []
    high = gain.high or 0.0
    proof = " The interval holds 0: it may be chance." if gain.low <= 0 <= high else ""
    proof = " They did harm." if high < 0 else proof
    return [
        f"Synthetic rows moved coverage by {signed(gain)} points over the coverage rows alone "
        f"at the same {final.steps} optimiser steps ({rival.name}: "
        f"{mark(rival.coverage.value)}).{proof} Any other difference is also one of training "
        "length.",
        "",
    ]


def _no_measure() -> Measure:
    return Measure(name="", value=None, low=None, high=None, n=0)
