"""Logistic regression with Jeffreys' prior as its penalty. Pure.

Firth 1993, "Bias reduction of maximum likelihood estimates": the answer is finite also where
a volume covers none or all of its prompts.
"""

import math

import numpy as np

from llamaduo.intervals import Floats

_TURNS = 300
_HALVINGS = 40
"""Of one step at most."""
_SHORTEST = 1 / 16
"""Of a whole step, to which steps that turn back are cut."""
_NOISE = 1e-12
"""Of the likelihood, that it may seem to fall by rounding."""
_STILL = 1e-9
_LONGEST = 5.0
"""Of a step of Newton's, in log odds; longer ones are cut, or a near-empty start overshoots."""


def maximum(design: Floats, hits: Floats, n: Floats) -> Floats:
    """Solve Firth's score equations, X'(hits - n p + h (1/2 - p)) = 0.

    A step of Newton's is halved until the penalised likelihood does not fall; where the next
    one turns back, all later ones are shorter, or tiny tables would be stepped to and fro
    for ever.

    Args:
        design: shape (points, 2), a column of ones and one that is not constant.
        hits: shape (points,), each 0..n.
        n: shape (points,), each 1 or more.

    Returns:
        Shape (2,), the level and the slope in log odds.

    Raises:
        ValueError: if it does not settle.
    """
    estimate: Floats = np.zeros(2)
    before: Floats = np.zeros(2)
    height, share, information = _penalised(design, hits, n, estimate)
    damping = 1.0
    for _ in range(_TURNS):
        covariance = np.linalg.inv(information)
        weights = n * share * (1 - share)
        leverage = weights * np.einsum("ij,jk,ik->i", design, covariance, design)
        step = covariance @ design.T @ (hits - n * share + leverage * (0.5 - share))
        furthest = float(np.abs(design @ step).max())
        if furthest < _STILL:
            settled: Floats = estimate + step
            return settled
        if before @ information @ step < 0:
            damping = max(damping / 2, _SHORTEST)
        part = damping * min(1.0, _LONGEST / furthest)
        for _ in range(_HALVINGS):
            there = _penalised(design, hits, n, estimate + part * step)
            if there[0] >= height - _NOISE * (1 + abs(height)):
                break
            part /= 2
        estimate, before = estimate + part * step, step
        height, share, information = there
    raise ValueError(f"no curve can be fitted: the fit did not settle in {_TURNS} steps")


def _penalised(
    design: Floats, hits: Floats, n: Floats, estimate: Floats
) -> tuple[float, Floats, Floats]:
    """Return the log likelihood with Jeffreys' prior, the shares, and the information."""
    odds = design @ estimate
    share = shares(odds)
    information: Floats = design.T @ ((n * share * (1 - share))[:, None] * design)
    sign, logged = np.linalg.slogdet(information)
    if sign <= 0:
        return -math.inf, share, information
    failed = hits @ np.logaddexp(0, -odds) + (n - hits) @ np.logaddexp(0, odds)
    return float(logged / 2 - failed), share, information


def shares(odds: Floats) -> Floats:
    """Return the share that belongs to each of the log odds `odds`; never quite 0 or 1."""
    share: Floats = 1 / (1 + np.exp(-np.clip(odds, -30, 30)))
    return share
