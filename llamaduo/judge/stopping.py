"""When more repeats are of no use: a sequential rule over the prompts of one assessment. Pure.

After every turn of repeats each prompt has a chance of ending up covered. Where the verdict
is the same at both ends of what the prompts together may come to, judging ends; where it is
not, only those prompts whose own end is open are judged again.
"""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from llamaduo.judge import Ends, Stop
from llamaduo.records import Score

FEWEST = 2
"""Repeats before anything may be spared: with one there is no telling how far a judge strays."""
SURE = 0.001
"""A prompt whose chance of ending on the other side is below this is settled."""
WIDTH = 3.0
"""Standard deviations of the number of covered prompts that the verdict has to bear."""
LEAST_SPREAD = 1.0
"""Points: repeats that happened to agree do not prove a judge without noise."""
UNKNOWN = 1000.0
"""Points: the spread of a judge of whom no answer has two marks yet."""
WORTH = 4.0
"""Repeats that the spread of all answers counts for beside an answer's own."""

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class Tallies:
    """The marks so far of every answer by every member: how many, their sum, their squares.

    One answer judged by one member is a cell. A prompt's mark is the mean over its cells.
    """

    def __init__(self, prompt_of: Sequence[int], category_of: Sequence[str]) -> None:
        """Start with no marks.

        Args:
            prompt_of: of each cell the number of its prompt, from 0 on.
            category_of: of each prompt its category.
        """
        self.prompt_of: Ints = np.asarray(prompt_of, dtype=np.int64)
        self.prompts = len(category_of)
        names = sorted(set(category_of))
        self.groups = [
            np.flatnonzero([category == name for category in category_of]) for name in names
        ]
        """Of each category its prompts."""
        self.count: Floats = np.zeros(len(self.prompt_of))
        self.total: Floats = np.zeros((len(self.prompt_of), 2))
        self.square: Floats = np.zeros((len(self.prompt_of), 2))

    def add(self, cell: int, score: Score) -> None:
        """Count one more mark."""
        marks = np.array([score.similarity, score.precision])
        self.count[cell] += 1
        self.total[cell] += marks
        self.square[cell] += marks**2


def to_judge_again(seen: Tallies, repeats: int, stop: Stop) -> list[int]:
    """Return the prompts, by number, that have to be judged again; none where all is settled.

    Args:
        seen: marks so far; a prompt without any may end either way.
        repeats: marks that a cell has when none is spared.
    """
    worst, best = _chances(seen, repeats, _variances(seen), stop)
    parts = [np.arange(seen.prompts), *(seen.groups if len(seen.groups) > 1 else [])]
    if stop.same([_ends(worst[part], best[part]) for part in parts]):
        return []
    return [int(i) for i in np.flatnonzero((best > SURE) & (worst < 1 - SURE))]


def _ends(worst: Floats, best: Floats) -> Ends:
    """Return the fewest and the most covered prompts that are to be reckoned with, and all."""
    low = worst.sum() - WIDTH * math.sqrt((worst * (1 - worst)).sum())
    high = best.sum() + WIDTH * math.sqrt((best * (1 - best)).sum())
    return max(math.floor(low), 0), min(math.ceil(high), len(worst)), len(worst)


def _variances(seen: Tallies) -> Floats:
    """Return the variance between repeats of every cell, for both marks: shape (cells, 2).

    It is that of all cells, or the cell's own where that is larger, each by the repeats it
    rests on. Where one cell strays much further than as many normal ones would (the largest
    of N is about sqrt(2 ln N) standard deviations), all are taken to: some that agree so far
    may be of its kind.
    """
    freedom = np.maximum(seen.count - 1, 0)[:, None]
    if not freedom.sum():
        return np.full(seen.total.shape, UNKNOWN**2)
    squares = seen.square - seen.total**2 / np.maximum(seen.count, 1)[:, None]
    squares = np.maximum(squares, 0)
    pooled = squares.sum(axis=0) / freedom.sum()
    largest = (squares / np.maximum(freedom, 1)).max(axis=0)
    common = np.maximum(pooled, largest / (2 * math.log(len(seen.count) + 2)))
    common = np.maximum(common, LEAST_SPREAD**2)
    own = (WORTH * common + squares) / (WORTH + freedom)
    variances: Floats = np.maximum(common, own)
    return variances


def _chances(seen: Tallies, repeats: int, variances: Floats, stop: Stop) -> tuple[Floats, Floats]:
    """Return bounds of each prompt's chance of being covered once all repeats are in."""
    from scipy.special import ndtr

    marked = seen.count > 0
    count = np.maximum(seen.count, 1)
    # What is still to come of a cell moves its mean by a normal with so much of its variance.
    left = np.where(marked, np.maximum(1 / count - 1 / repeats, 0), 0)
    cells = np.bincount(seen.prompt_of, marked, seen.prompts)
    of = np.maximum(cells, 1)
    found = []
    for i, limit in enumerate((stop.similarity, stop.precision)):
        spread = np.where(left > 0, variances[:, i] * left, 0)
        error = np.sqrt(np.bincount(seen.prompt_of, spread, seen.prompts)) / of
        means = np.where(marked, seen.total[:, i] / count, 0)
        gap = np.bincount(seen.prompt_of, means, seen.prompts) / of - limit
        with np.errstate(divide="ignore", invalid="ignore"):
            chance = ndtr(gap / error)
        found.append(np.where(error > 0, chance, gap >= 0))
    # The two marks of a prompt go together, and nobody knows how closely: from not at all
    # to wholly. A prompt without a mark may end either way.
    worst = np.where(cells > 0, found[0] * found[1], 0.0)
    best = np.where(cells > 0, np.minimum(found[0], found[1]), 1.0)
    return worst, best
