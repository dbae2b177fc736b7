"""How many repeats a judge that may spare some is likely to be asked for: the real rule, played."""

from collections.abc import Sequence

import numpy as np

from llamaduo.judge import Stop
from llamaduo.judge.stopping import FEWEST, Tallies, to_judge_again
from llamaduo.records import Example

STRAYS = (3.0, 6.0)
"""Points by which marks are taken to stray from one repeat to the next (standard deviation)."""

AROUND = (-10.0, 0.0, 10.0)
"""Points of coverage by which a model is taken to miss the goal, or pass it."""

PLAYED = 10
"""Repeats of the judge that is played; of another, the same share is spared."""


def share(rows: Sequence[Example], stop: Stop, goal: float) -> float:
    """Return the share of the repeats beyond the first ones that are asked, where most are; 0..1.

    Each prompt has one answer: with more, the marks of a prompt stray less, and more is spared.

    Args:
        goal: coverage in % that the rule is about.
    """
    asked = max(
        _played(rows, stop, min(max(goal + by, 0.0), 100.0), strays)
        for by in AROUND
        for strays in STRAYS
    )
    return (asked - FEWEST) / (PLAYED - FEWEST)


def _played(rows: Sequence[Example], stop: Stop, coverage: float, strays: float) -> float:
    """Return the mean repeats where so many % of the prompts are covered.

    A covered prompt is marked well over the limits, another anywhere below them.
    """
    draw = np.random.default_rng(0)
    count = len(rows)
    seen = Tallies(list(range(count)), [row.category for row in rows])
    covered = np.arange(count) < round(count * coverage / 100)
    limits = np.array([stop.similarity, stop.precision])
    over, under = draw.uniform(0.3, 1, (count, 1)), draw.uniform(0, 1, (count, 1))
    true = np.where(covered[:, None], limits + over * (100 - limits), under * limits)
    open_, asked = np.arange(count), np.zeros(count)
    while len(open_) and asked.max() < PLAYED:
        for _ in range(FEWEST if not asked.any() else 1):
            noise = draw.normal(0, strays, (len(open_), 2))
            marks = np.clip(true[open_] + noise, 0, 100)
            seen.count[open_] += 1
            seen.total[open_] += marks
            seen.square[open_] += marks**2
            asked[open_] += 1
        open_ = np.array(to_judge_again(seen, PLAYED, stop), dtype=np.int64)
    return float(asked.mean())
