"""When more repeats are of no use: a sequential rule over the prompts of one assessment. Pure.

After every turn of repeats each prompt has a chance of ending up covered. Where the verdict
is the same at both ends of what the prompts together may come to, judging ends; where it is
not, only those prompts whose own end is open are judged again.
"""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

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

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class Tallies:
    """The marks of every answer so far: how many, their sum, the sum of their squares."""

    def __init__(self, prompt_of: Sequence[int]) -> None:
        """Start with no marks.

        Args:
            prompt_of: of each answer the number of its prompt, from 0 on.
        """
        self.prompt_of: Ints = np.asarray(prompt_of, dtype=np.int64)
        self.prompts = int(self.prompt_of.max()) + 1 if len(self.prompt_of) else 0
        self.count: Floats = np.zeros(len(self.prompt_of))
        self.total: Floats = np.zeros((len(self.prompt_of), 2))
        self.square: Floats = np.zeros((len(self.prompt_of), 2))

    def add(self, answer: int, score: Score) -> None:
        """Count one more mark of an answer."""
        marks = np.array([score.similarity, score.precision])
        self.count[answer] += 1
        self.total[answer] += marks
        self.square[answer] += marks**2


def to_judge_again(seen: Tallies, repeats: int, stop: Stop) -> list[int]:
    """Return the prompts, by number, that have to be judged again; none where all is settled.

    Args:
        seen: marks so far; a prompt without any may end either way.
        repeats: marks that an answer has when none is spared.
    """
    worst, best = _chances(seen, repeats, _spreads(seen), stop)
    low = worst.sum() - WIDTH * math.sqrt((worst * (1 - worst)).sum())
    high = best.sum() + WIDTH * math.sqrt((best * (1 - best)).sum())
    ends = max(math.floor(low), 0), min(math.ceil(high), seen.prompts)
    if stop.same(*ends, seen.prompts):
        return []
    return [int(i) for i in np.flatnonzero((best > SURE) & (worst < 1 - SURE))]


def _spreads(seen: Tallies) -> Floats:
    """Return the standard deviations between repeats of one answer, over all answers."""
    freedom = np.maximum(seen.count - 1, 0).sum()
    if not freedom:
        return np.full(2, np.inf)
    within = seen.square - seen.total**2 / np.maximum(seen.count, 1)[:, None]
    spread: Floats = np.maximum(np.sqrt(np.maximum(within.sum(axis=0), 0) / freedom), LEAST_SPREAD)
    return spread


def _chances(seen: Tallies, repeats: int, spreads: Floats, stop: Stop) -> tuple[Floats, Floats]:
    """Return bounds of each prompt's chance of being covered once all repeats are in."""
    from scipy.special import ndtr

    marked = seen.count > 0
    count = np.maximum(seen.count, 1)
    # What is still to come of an answer moves its mean by a normal with this variance.
    left = np.where(marked, np.maximum(1 / count - 1 / repeats, 0), 0)
    answers = np.bincount(seen.prompt_of, marked, seen.prompts)
    of = np.maximum(answers, 1)
    error = np.sqrt(np.bincount(seen.prompt_of, left, seen.prompts)) / of
    found = []
    for i, limit in enumerate((stop.similarity, stop.precision)):
        means = np.where(marked, seen.total[:, i] / count, 0)
        gap = np.bincount(seen.prompt_of, means, seen.prompts) / of - limit
        with np.errstate(divide="ignore", invalid="ignore"):
            chance = ndtr(gap / (spreads[i] * error))
        found.append(np.where(error > 0, chance, gap >= 0))
    # The two marks of a prompt go together, and nobody knows how closely: from not at all
    # to wholly. A prompt without a mark may end either way.
    worst = np.where(answers > 0, found[0] * found[1], 0.0)
    best = np.where(answers > 0, np.minimum(found[0], found[1]), 1.0)
    return worst, best
