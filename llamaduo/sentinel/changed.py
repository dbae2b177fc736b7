"""Whether somebody has changed: answers now, held against how much it wavered. Pure."""

from collections.abc import Iterable

from llamaduo.records import Record
from llamaduo.sentinel.pinned import Baseline, Digests

ALPHA = 0.01
"""Share of looks at somebody who has not changed that say it has, at most."""


class Look(Record):
    """One look at one who is asked."""

    at: str
    side: str
    """`service` or `served`."""
    who: str
    n: int
    """Prompts that were answered both times at first, and asked now."""
    wavered: int
    """Of these, with two different answers at first."""
    differ: int
    """Of these, with another answer now than at first, or with none."""
    unanswered: int
    """Of these, with none; where there is no baseline, of all that were asked."""
    p: float
    """How likely so many differ, or more, where nothing has changed: Fisher's exact test."""
    changed: bool
    baseline: bool = True
    """False: too few were answered to keep one, so nothing is known of a change."""
    usd: float = 0.0
    """What the look cost."""

    @property
    def words(self) -> str:
        """What was seen, for people."""
        if not self.baseline:
            return f"no baseline: {self.unanswered} of {self.n} not answered both times"
        silent = f"; {self.unanswered} not answered" if self.unanswered else ""
        return ("has changed" if self.changed else "unchanged") + silent


def look(
    side: str, baseline: Baseline, now: Digests, *, asked: Iterable[str], at: str, usd: float
) -> Look:
    """Hold the answers of now against the first ones.

    The share that differs now is compared with the share that differed between the two first
    times, one-sided, at the level `ALPHA` (Fisher 1935). One who was answered and is not any more
    counts as differing: who refuses or filters what it did not is another.

    Args:
        asked: ids of the prompts that were asked now.
    """
    ids = baseline.both & set(asked)
    wavered = sum(baseline.first[name] != baseline.second[name] for name in ids)
    differ = sum(baseline.first[name] != now.get(name) for name in ids)
    p = fisher(differ, wavered, len(ids))
    return Look(
        at=at,
        side=side,
        who=baseline.who,
        n=len(ids),
        wavered=wavered,
        differ=differ,
        unanswered=len(ids - now.keys()),
        p=p,
        changed=p <= ALPHA,
        usd=usd,
    )


def no_baseline(side: str, tried: Baseline, *, asked: int, at: str, usd: float) -> Look:
    """Return the look at one who left too many prompts without an answer the first time."""
    return Look(
        at=at,
        side=side,
        who=tried.who,
        n=asked,
        wavered=0,
        differ=0,
        unanswered=asked - len(tried.both),
        p=1.0,
        changed=False,
        baseline=False,
        usd=usd,
    )


def fisher(more: int, less: int, n: int) -> float:
    """Return how likely it is that `more` or more of n differ, if as many do as `less` of n."""
    if n == 0:
        return 1.0
    from scipy.stats import fisher_exact

    table = [[more, n - more], [less, n - less]]
    return float(fisher_exact(table, alternative="greater").pvalue)


def needed(n: int, wavered: int = 0) -> int | None:
    """Return how many of n have to differ to be a change; None: not even all would do."""
    return next((k for k in range(n + 1) if fisher(k, wavered, n) <= ALPHA), None)
