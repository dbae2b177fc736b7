"""When more repeats are of no use: a sequential rule over the prompts of one assessment. Pure.

After every turn of repeats each prompt has a chance of ending up covered. Where the verdict
is the same at both ends of what the prompts together may come to, judging ends; where it is
not, only those prompts whose own end is open are judged again.
"""

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

from llamaduo.judge import Stop
from llamaduo.records import Score

FEWEST = 2
"""Repeats before anything may be spared: with one there is no telling how far a judge strays."""
SURE = 0.001
"""A prompt whose chance of ending on the other side is below this is settled."""
WIDTH = 3.0
"""Standard deviations of the number of covered prompts that the verdict has to bear."""
LEAST_SPREAD = 1.0
"""Points: repeats that happened to agree do not prove a judge without noise."""

Marks = Sequence[Sequence[Score]]
"""Of one prompt: for each of its answers, the marks so far."""


def to_judge_again(prompts: Sequence[Marks], repeats: int, stop: Stop) -> list[int]:
    """Return the prompts, by index, that have to be judged again; none where all is settled.

    Args:
        prompts: marks so far of every prompt; one without any may end either way.
        repeats: marks that an answer has when none is spared.
    """
    spreads = _spreads(prompts)
    chances = [_chances(marks, repeats, spreads, stop) for marks in prompts]
    low, high = _ends([worst for worst, _ in chances], [best for _, best in chances])
    if stop.same(low, high, len(prompts)):
        return []
    return [i for i, (low_, high_) in enumerate(chances) if high_ > SURE and low_ < 1 - SURE]


def _spreads(prompts: Sequence[Marks]) -> tuple[float, float]:
    """Return the standard deviations between repeats of one answer, over all answers."""
    sums, freedom = np.zeros(2), 0
    for marks in prompts:
        for given in marks:
            if len(given) > 1:
                values = np.array([(m.similarity, m.precision) for m in given])
                sums += ((values - values.mean(axis=0)) ** 2).sum(axis=0)
                freedom += len(given) - 1
    if not freedom:
        return math.inf, math.inf
    both = np.maximum(np.sqrt(sums / freedom), LEAST_SPREAD)
    return float(both[0]), float(both[1])


def _chances(
    marks: Marks, repeats: int, spreads: tuple[float, float], stop: Stop
) -> tuple[float, float]:
    """Return bounds of the chance that a prompt is covered once all repeats are in."""
    given = [one for one in marks if one]
    if not given:
        return 0.0, 1.0
    # What is still to come of an answer moves its mean by a normal with this variance.
    left = sum(max(1 / len(one) - 1 / repeats, 0.0) for one in given) / len(given) ** 2
    found = []
    for name, limit, spread in zip(
        ("similarity", "precision"), (stop.similarity, stop.precision), spreads, strict=True
    ):
        mean = sum(sum(getattr(m, name) for m in one) / len(one) for one in given) / len(given)
        error = spread * math.sqrt(left) if left else 0.0
        if error == 0.0:
            found.append(float(mean >= limit))
        else:
            found.append(NormalDist().cdf((mean - limit) / error))
    # The two marks of a prompt go together, and nobody knows how closely: from not at all
    # to wholly.
    return found[0] * found[1], min(found)


def _ends(worst: Sequence[float], best: Sequence[float]) -> tuple[int, int]:
    """Return the fewest and the most covered prompts that are to be reckoned with."""
    low = sum(worst) - WIDTH * math.sqrt(sum(p * (1 - p) for p in worst))
    high = sum(best) + WIDTH * math.sqrt(sum(p * (1 - p) for p in best))
    return max(math.floor(low), 0), min(math.ceil(high), len(worst))
