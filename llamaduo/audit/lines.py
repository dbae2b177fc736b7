"""A straight line through few points, with intervals that bear unequal spread. Pure."""

import math
import re
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from llamaduo.intervals import Floats

_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W\u3040-\u30ff\u3400-\u9fff]+")
"""A run of letters and digits; of Chinese and Japanese, which put no spaces, each sign."""


@dataclass(frozen=True)
class Estimate:
    """A figure with its interval."""

    value: float
    low: float
    high: float

    def beyond(self, limit: float) -> bool:
        """Whether it is `limit` or more to either side, and surely not 0."""
        return abs(self.value) >= limit and (self.low > 0 or self.high < 0)


@dataclass(frozen=True)
class Line:
    """A least-squares line."""

    at_zero: Estimate
    """Its height at x = 0."""
    slope: Estimate | None
    """Per unit of x; None where x does not vary."""


@lru_cache(maxsize=4096)
def words(text: str) -> int:
    """Count the words of `text`."""
    return len(_WORD.findall(text))


def line(x: Floats, y: Floats, level: float, *, through_zero: bool = False) -> Line:
    """Fit a line by least squares; where x is one value throughout, its height is the mean.

    The variance of a coefficient is the larger of the usual one and of HC3 (MacKinnon and
    White 1985), which allows for points that stray more where x is far out; t intervals.

    Args:
        x: shape (n,).
        y: shape (n,), n of 3 or more.
        level: of the intervals.
        through_zero: whether y is known to be 0 at x = 0; x then has to hold another value.
    """
    from scipy.stats import t

    n = len(y)
    varies = bool(np.ptp(x) > 0) or through_zero
    columns = [np.ones(n)] * (not through_zero) + [x] * varies
    design = np.column_stack(columns)
    solve = np.linalg.pinv(design)
    found = solve @ y
    hat = np.einsum("ij,ji->i", design, solve)
    errors = y - design @ found
    freedom = n - design.shape[1]
    usual = (solve**2).sum(axis=1) * (errors @ errors) / freedom
    robust = (solve**2) @ (errors / np.maximum(1 - hat, 1e-9)) ** 2
    half = float(t.ppf(0.5 + level / 2, freedom)) * np.sqrt(np.maximum(usual, robust))
    ends = [
        Estimate(float(v), float(v - h), float(v + h)) for v, h in zip(found, half, strict=True)
    ]
    at_zero = Estimate(0.0, 0.0, 0.0) if through_zero else ends[0]
    return Line(at_zero=at_zero, slope=ends[-1] if varies else None)


def pooled_sd(squares: Floats, freedom: Floats, level: float) -> Estimate:
    """Return the standard deviation within clusters, with an interval over the clusters.

    It is a ratio of two sums; its spread is taken from how far each cluster is from it, so
    no normal law of the marks is needed, and worked out on the log scale.

    Args:
        squares: shape (n,), of each cluster the summed squares around its means.
        freedom: shape (n,), the degrees of freedom of each, above 0; n of 2 or more.
        level: of the interval.
    """
    from scipy.stats import t

    n = len(squares)
    variance = float(squares.sum() / freedom.sum())
    if variance == 0:
        return Estimate(0.0, 0.0, 0.0)
    off = squares - variance * freedom
    error = math.sqrt(n / (n - 1) * float(off @ off)) / float(freedom.sum()) / variance
    half = float(t.ppf(0.5 + level / 2, n - 1)) * error / 2
    sd = math.sqrt(variance)
    return Estimate(sd, sd * math.exp(-half), sd * math.exp(half))
