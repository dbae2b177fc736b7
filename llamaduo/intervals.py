"""Intervals that hold at small n: shares, means of bounded scores, paired differences. Pure.

All are two-sided. `level` is the share of such intervals that hold the truth, 0.5..1;
a decision that looks at the lower end alone errs in half of what is left.
"""

import math
from collections.abc import Callable
from functools import lru_cache
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

LEVEL = 0.95
"""Of every interval that is not said to be another."""

_DRAWS = 10_000
"""Of the weights; the ends of a 95 % interval then move by some 0.02 of its width."""
_CELLS = 20_000_000
"""Weights held at once, at most; above 2,000 values there are fewer draws."""

Floats = npt.NDArray[np.float64]
Interval = tuple[float, float]


def z_of(level: float) -> float:
    """Return the two-sided normal point: 1.96 for 0.95."""
    return NormalDist().inv_cdf(0.5 + level / 2)


def wilson(hits: float, n: float, level: float = LEVEL) -> Interval:
    """Return the Wilson score interval of a share, 0..1 (Wilson 1927).

    Args:
        hits: 0..n.
        n: at least 1; independent prompts, not answers or repeats.
    """
    z = z_of(level)
    share = hits / n
    centre = share + z**2 / (2 * n)
    spread = z * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    scale = 1 + z**2 / n
    low, high = max((centre - spread) / scale, 0.0), min((centre + spread) / scale, 1.0)
    return low if hits else 0.0, high if hits < n else 1.0


def share_interval(hits: int, n: int, level: float = LEVEL) -> Interval:
    """Return the interval of a share, 0..1: Wilson's at 95 %, the exact one at any other level.

    Near 0 and 1 the score interval errs more often than it says, and the more so the
    higher the level. Levels that several looks or categories share are all above 95 %, and
    what they claim together has to hold: there it is Clopper's and Pearson's (1934).

    Args:
        hits: 0..n.
        n: at least 1.
    """
    if level == LEVEL:
        return wilson(hits, n)
    from scipy.stats import beta

    tail = (1 - level) / 2
    low = float(beta.ppf(tail, hits, n - hits + 1)) if hits else 0.0
    high = float(beta.ppf(1 - tail, hits + 1, n - hits)) if hits < n else 1.0
    return low, high


def bounded_mean(
    values: Floats, *, least: float, most: float, level: float = LEVEL
) -> tuple[float, float]:
    """Return an interval of the mean of a variable that is known to lie in `least`..`most`.

    It is Gaffke's (2005, "Three test statistics for a nonparametric one-sided hypothesis
    on the mean of a nonnegative variable"): the mean of the values and one more that lies
    at the bound, under weights that are uniform over all that sum to 1. The added value
    stands for what has not been seen yet, so that 16 marks of 95 do not prove that no
    answer is bad: that is where t fails, on skewed and two-humped marks. On values that
    are all at one of the bounds it is the exact interval of Clopper and Pearson.

    Args:
        values: shape (n,), one a prompt, n of 1 or more, each in `least`..`most`.

    Raises:
        ValueError: for a value outside the bounds, or none at all.
    """
    low, high = bounded_means(np.asarray(values)[:, None], least=least, most=most, level=level)
    return float(low[0]), float(high[0])


def bounded_means(
    values: Floats, *, least: float, most: float, level: float = LEVEL
) -> tuple[Floats, Floats]:
    """Return the intervals of several samples of one size, as `bounded_mean` does of one.

    Args:
        values: shape (n, samples).

    Returns:
        The lower ends and the upper, each of shape (samples,).
    """
    values = np.asarray(values, dtype=np.float32)
    if not values.size or values.min() < least or values.max() > most:
        raise ValueError(f"there has to be a value, and each in {least:g}..{most:g}")
    tail = (1 - level) / 2
    weights = _weights(len(values) + 1)
    seen, unseen = weights[:, :-1] @ values, weights[:, -1:]
    low = np.quantile(seen + unseen * np.float32(least), tail, axis=0)
    high = np.quantile(seen + unseen * np.float32(most), 1 - tail, axis=0)
    return low, high


def ratio_of_means(above: Floats, below: Floats, *, most: float, level: float = LEVEL) -> Interval:
    """Return an interval of the mean of `above` over that of `below`, by the same weights.

    Args:
        above: shape (n,), one a prompt, each in 0..`most`.
        below: shape (n,), of the same prompts; not all 0.
    """
    tail = (1 - level) / 2
    weights = _weights(len(above) + 1)
    over, under = weights[:, :-1] @ above, weights[:, :-1] @ below
    extra = weights[:, -1] * most
    low = float(np.quantile(over / (under + extra), tail))
    high = float(np.quantile((over + extra) / np.maximum(under, 1e-9), 1 - tail))
    return low, high


def paired_shares(only_first: int, only_second: int, n: int, level: float = LEVEL) -> Interval:
    """Return the score interval of a difference of two shares of the same prompts, -1..1.

    Tango 1998, "Equivalence test and confidence interval for the difference in proportions
    for the paired-sample design": the differences that a score test would not refuse.

    Args:
        only_first: prompts where the first has it and the second has not.
        only_second: the other way round.
        n: all prompts, at least 1.
    """
    z = z_of(level)
    seen = (only_first - only_second) / n

    def statistic(delta: float) -> float:
        a = 2 * n
        b = -only_first - only_second + (2 * n - only_first + only_second) * delta
        c = -only_second * delta * (1 - delta)
        second = (math.sqrt(max(b * b - 4 * a * c, 0.0)) - b) / (2 * a)
        variance = n * (2 * second + delta * (1 - delta))
        gap = only_first - only_second - n * delta
        return gap / math.sqrt(variance) if variance > 1e-12 else math.copysign(math.inf, gap)

    return _cross(statistic, z, -1.0, seen), _cross(statistic, -z, seen, 1.0)


def _cross(statistic: Callable[[float], float], wanted: float, low: float, high: float) -> float:
    """Return where a falling function meets `wanted`, by halving; an end if it never does."""
    if low == high:
        return low
    for _ in range(60):
        middle = (low + high) / 2
        if statistic(middle) > wanted:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _weights(count: int) -> npt.NDArray[np.float32]:
    """Return draws of weights that sum to 1, uniform over all such: shape (draws, count)."""
    return _kept_weights(count) if count <= _CELLS // _DRAWS else _drawn_weights(count)


@lru_cache(maxsize=4)
def _kept_weights(count: int) -> npt.NDArray[np.float32]:
    return _drawn_weights(count)


def _drawn_weights(count: int) -> npt.NDArray[np.float32]:
    draws = max(min(_DRAWS, _CELLS // count), 1000)
    drawn = np.random.default_rng(count).standard_exponential((draws, count), dtype=np.float32)
    drawn /= drawn.sum(axis=1, keepdims=True)
    return drawn
