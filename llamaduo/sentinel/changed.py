"""Whether somebody has changed: answers now, held against how much it wavered. Pure."""

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
    """Prompts that were answered now and both times at first."""
    wavered: int
    """Of these, with two different answers at first."""
    differ: int
    """Of these, with another answer now than at first."""
    unanswered: int
    p: float
    """How likely so many differ, or more, where nothing has changed: Fisher's exact test."""
    changed: bool
    usd: float = 0.0
    """What the look cost."""

    @property
    def words(self) -> str:
        """What was seen, for people."""
        return "has changed" if self.changed else "unchanged"


def look(side: str, baseline: Baseline, now: Digests, *, asked: int, at: str, usd: float) -> Look:
    """Hold the answers of now against the first ones.

    The share that differs now is compared with the share that differed between the two first
    times, one-sided, at the level `ALPHA` (Fisher 1935).

    Args:
        asked: prompts that were asked now.
    """
    ids = baseline.first.keys() & baseline.second.keys() & now.keys()
    wavered = sum(baseline.first[name] != baseline.second[name] for name in ids)
    differ = sum(baseline.first[name] != now[name] for name in ids)
    p = fisher(differ, wavered, len(ids))
    return Look(
        at=at,
        side=side,
        who=baseline.who,
        n=len(ids),
        wavered=wavered,
        differ=differ,
        unanswered=asked - len(now),
        p=p,
        changed=p <= ALPHA,
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
