"""Whether a judge says the same again, and whether it tells good from bad. Pure."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from statistics import fmean

import numpy as np

from llamaduo.audit.limits import FEWEST, INTERVAL, LEVEL, SPREAD, TELLS
from llamaduo.audit.lines import pooled_sd
from llamaduo.findings import Finding
from llamaduo.intervals import wilson
from llamaduo.metrics import covered
from llamaduo.records import Judgement, Mark, Score

MARKS = ("similarity", "precision")


def by_member(marks: Sequence[Mark]) -> dict[str, list[Mark]]:
    """Return the marks of each member of a panel, by name."""
    found: dict[str, list[Mark]] = defaultdict(list)
    for mark in marks:
        found[mark.by].append(mark)
    return dict(found)


def spread(judgements: Sequence[Judgement], mark: str) -> Finding:
    """Say how far one member's marks of one answer stray from repeat to repeat.

    Args:
        judgements: of one model on the test prompts.
        mark: `similarity` or `precision`.
    """
    name = f"spread between repeats, {mark}"
    squares: dict[str, float] = defaultdict(float)
    freedom: dict[str, int] = defaultdict(int)
    for judgement in judgements:
        for given in by_member(judgement.marks).values():
            if len(given) > 1:
                values = [getattr(one, mark) for one in given]
                middle = fmean(values)
                row = judgement.answer.example.id
                squares[row] += sum((v - middle) ** 2 for v in values)
                freedom[row] += len(values) - 1
    n = len(freedom)
    if n < FEWEST:
        return Finding(
            name=name,
            value=None,
            n=n,
            unit="points",
            says=f"how far {mark} strays between repeats could not be measured: {n} prompts have "
            f"an answer with two marks of one judge, and {FEWEST} are needed",
        )
    found = pooled_sd(
        np.array(list(squares.values())), np.array(list(freedom.values()), dtype=float), LEVEL
    )
    return Finding(
        name=name,
        value=found.value,
        low=found.low,
        high=found.high,
        n=n,
        unit="points",
        flagged=found.low > SPREAD,
        says=f"{mark} strays by {found.value:.1f} points (standard deviation) from one repeat to "
        f"the next, {INTERVAL} {found.low:.1f} to {found.high:.1f}; flagged where "
        f"all of it is over {SPREAD:g}, and marks drawn blindly have 28.9",
    )


def tells(same: Mapping[str, Score], other: Mapping[str, Score]) -> Finding:
    """Say how often the reference itself is marked above an answer to another prompt.

    Args:
        same: scores of the reference judged as an answer, by prompt.
        other: scores of the wrong answer.
    """
    name = "good told from bad"
    rows = sorted(same.keys() & other.keys())
    if len(rows) < FEWEST:
        return Finding(
            name=name,
            value=None,
            n=len(rows),
            unit="%",
            says=f"whether good is told from bad could not be measured: {len(rows)} prompts have "
            f"both a reference and a wrong answer judged, and {FEWEST} are needed",
        )
    hits = sum(same[r].similarity > other[r].similarity for r in rows)
    value, low, high = _share(hits, len(rows))
    return Finding(
        name=name,
        value=value,
        low=low,
        high=high,
        n=len(rows),
        unit="%",
        flagged=high < TELLS,
        says=f"the reference itself is marked above an answer to another prompt for {value:.0f} % "
        f"of {len(rows)} prompts, {INTERVAL} {low:.0f} to {high:.0f}; flagged where all "
        f"of it is under {TELLS:g} %, and a blind judge has 50",
    )


PASSES = "references that pass"
"""Name of the finding that says how high coverage can come at all."""


def references(same: Mapping[str, Score], similarity: float, precision: float) -> Finding:
    """Say how many references pass when they are judged as answers: no model does better.

    Args:
        same: scores of the reference judged as an answer, by prompt.
        similarity: threshold of a covered prompt.
        precision: the other threshold.
    """
    name = PASSES
    n = len(same)
    if n < FEWEST:
        return Finding(
            name=name,
            value=None,
            n=n,
            unit="%",
            says=f"how many references pass could not be measured: {n} are judged, and {FEWEST} "
            "are needed",
        )
    hits = sum(covered(score, similarity, precision) for score in same.values())
    value, low, high = _share(hits, n)
    return Finding(
        name=name,
        value=value,
        low=low,
        high=high,
        n=n,
        unit="%",
        says=f"{value:.0f} % of {n} references reach both thresholds when judged as answers, "
        f"{INTERVAL} {low:.0f} to {high:.0f}; never flagged, but a coverage above it "
        "cannot be expected of any model",
    )


def _share(hits: int, n: int) -> tuple[float, float, float]:
    low, high = wilson(hits, n, LEVEL)
    return 100 * hits / n, 100 * low, 100 * high
