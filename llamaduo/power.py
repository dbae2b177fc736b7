"""How many test prompts a question takes. Pure."""

import math
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from llamaduo.intervals import LEVEL, share_interval, z_of

Ints = npt.NDArray[np.int64]

POWER = 0.8
"""Share of tests that settle the question, at the number of prompts that is advised."""
PRACTICAL = 100_000
"""Prompts; a test that has to be larger is not advised."""


def prompts_needed(
    coverage: float, goal: float, level: float = LEVEL, power: float = POWER
) -> int | None:
    """Return the prompts at which a test settles whether coverage reaches a goal.

    From how many covered prompts on the interval is past the goal is known; how often there
    are so many is binomial. The number is the least from which on every larger test does
    at least as well as `power`: a binomial's power goes up and down in small steps.

    Args:
        coverage: what is taken to be true, %.
        goal: %, that the interval has to lie over, or under where `coverage` is less.
        power: share of tests that settle it, 0..1.

    Returns:
        None where it is more than `PRACTICAL`.
    """
    from scipy.stats import binom

    p, g, z = coverage / 100, goal / 100, z_of(level)
    if p == g or g >= 1:
        return None
    sides = z * math.sqrt(g * (1 - g)) + NormalDist().inv_cdf(power) * math.sqrt(p * (1 - p))
    guess = (sides / (p - g)) ** 2
    if guess > PRACTICAL:
        return None
    n = np.arange(1, math.ceil(2 * guess) + 200)
    over, under = _critical(n, g, level)
    settled = binom.sf(over - 1, n, p) if p > g else binom.cdf(under, n, p)
    short = np.flatnonzero(settled < power)
    needed = int(n[short[-1]]) + 1 if len(short) else 1
    return needed if needed <= PRACTICAL else None


def _critical(n: Ints, goal: float, level: float) -> tuple[Ints, Ints]:
    """Return the least hits whose interval lies over the goal, and the most under it.

    Wilson's interval turns the score test round, so its end is past the goal just where the
    hits are past n g + z sqrt(n g (1 - g)). The exact interval does so with the binomial.
    """
    from scipy.stats import binom

    if level == LEVEL:
        spread = z_of(level) * np.sqrt(n * goal * (1 - goal))
        over, under = np.ceil(n * goal + spread - 1e-9), np.ceil(n * goal - spread - 1e-9) - 1
    else:
        tail = (1 - level) / 2
        over, under = binom.isf(tail, n, goal) + 1, binom.ppf(tail, n, goal) - 1
    return over.astype(np.int64), under.astype(np.int64)


def pairs_needed(
    only_first: int, only_second: int, n: int, wanted: float, level: float = LEVEL
) -> int | None:
    """Return the prompts at which a paired difference settles a margin, by the normal law.

    Args:
        only_first: prompts that only the first covers, of `n`.
        only_second: prompts that only the second covers.
        wanted: points that the difference has to lie over, or under where it is less.

    Returns:
        None where it is more than `PRACTICAL`.
    """
    seen = (only_first - only_second) / n
    gap = seen - wanted / 100
    if gap == 0:
        return None
    # One more pair of each kind than seen: none seen is no proof of none.
    apart = (only_first + only_second + 2) / (n + 2)
    both = z_of(level) + NormalDist().inv_cdf(POWER)
    needed = math.ceil(both**2 * max(apart - seen**2, 1e-6) / gap**2)
    return needed if needed <= PRACTICAL else None


def out_of_reach(prompts: int, goal: float, level: float = LEVEL) -> str:
    """Say so if not even a perfect model could show `goal` % on `prompts`; else "".

    Args:
        prompts: in the test set, at least 1.
        goal: coverage in %.
    """
    low = 100 * share_interval(prompts, prompts, level)[0]
    if low >= goal:
        return ""
    said = (
        f"{prompts} test prompts cannot show a coverage of {goal:g} %: {prompts} of {prompts} "
        f"has a lower bound of {math.floor(10 * low) / 10:g} %. "
    )
    if goal >= 100:
        return said + "No number of prompts could: ask for less"
    if level == LEVEL:
        needed = math.ceil(z_of(level) ** 2 * goal / (100 - goal))
    else:
        needed = math.ceil(math.log((1 - level) / 2) / math.log(goal / 100))
    return said + f"A perfect model would need {needed} prompts"
