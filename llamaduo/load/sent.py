"""One request of a load test, and what many at one rate come to. Pure."""

import math
from collections import Counter
from collections.abc import Sequence

from llamaduo.loads import AtRate, Times
from llamaduo.records import Record


class Sent(Record):
    """When a request was due, sent and answered; all times in seconds since the epoch."""

    due: float
    """When it was to be sent."""
    planned: bool = True
    """Whether that was known before; else it was sent at once, and is due when it was sent."""
    begun: float | None
    """When it was sent. None: never."""
    first: float | None
    """When the first token came."""
    last: float | None
    """When the last one came."""
    ended: float | None
    why: str
    """What kept it from being answered; "" where nothing did."""
    prompt_tokens: int | None
    """As the server counts. None: it does not."""
    output_tokens: int | None
    pieces: int
    """Of the stream, that had text."""

    @property
    def written(self) -> int:
        """Tokens of the answer, or its pieces where the server does not count."""
        return self.pieces if self.output_tokens is None else self.output_tokens


def at_rate(rate: float, rows: Sequence[Sent], warm_up: float) -> AtRate:
    """Return what was seen at one rate.

    An answer is timed from when its request was due, not from when it was sent: what it
    waited in the client is waited by a user too.

    Args:
        rate: requests a second that were meant to arrive.
        rows: all of them, in the order they were due; at least one.
        warm_up: seconds from the first on whose requests are left out, unless none is left.
    """
    begin = rows[0].due + warm_up
    counted = [row for row in rows if row.due >= begin] or list(rows[-1:])
    answered = [row for row in counted if not row.why and row.ended is not None]
    ends = [row.ended for row in counted if row.ended is not None]
    seconds = max([*ends, counted[-1].due]) - counted[0].due
    apart = counted[-1].due - counted[0].due
    whole = [1000 * (row.ended - row.due) for row in answered if row.ended is not None]
    between = [
        1000 * (row.last - row.first) / (row.written - 1)
        for row in answered
        if row.first is not None and row.last is not None and row.written > 1
    ]
    under_way = sum(row.ended - row.due for row in counted if row.ended is not None)
    lags = [1000 * (row.begun - row.due) for row in counted if row.begun is not None]
    return AtRate(
        rate=rate,
        arrived=(len(counted) - 1) / apart if apart else rate,
        seconds=seconds,
        sent=len(counted),
        answered=len(answered),
        failed=dict(sorted(Counter(row.why for row in counted if row.why).items())),
        prompt_tokens=sum(row.prompt_tokens or 0 for row in answered),
        output_tokens=sum(row.written for row in answered),
        counted_by="pieces" if any(r.output_tokens is None for r in answered) else "server",
        in_flight=under_way / seconds if seconds else 0.0,
        first=times([1000 * (r.first - r.due) for r in answered if r.first is not None]),
        between=times(between),
        whole=times(whole),
        lag_p95_ms=percentile(sorted(lags), 0.95) if lags else 0.0,
        later=later([(row.due, row.ended - row.due) for row in answered if row.ended is not None]),
    )


def later(waits: Sequence[tuple[float, float]]) -> float:
    """Return by how many seconds a wait is longer for each second that it begins later, at least.

    It is the slope of the least-squares line less two of its standard errors, and 0 where that is
    below: a server that answers half of what comes gets 1 for certain, one that is busy three
    quarters of its time hardly ever more than 0.1 by chance.

    Args:
        waits: when each began and how long it was, in seconds. Fewer than 3 say nothing: 0.
    """
    n = len(waits)
    if n < 3:
        return 0.0
    begin, mean = sum(at for at, _ in waits) / n, sum(wait for _, wait in waits) / n
    spread: float = sum((at - begin) ** 2 for at, _ in waits)
    if not spread:
        return 0.0
    slope = sum((at - begin) * (wait - mean) for at, wait in waits) / spread
    rest: float = sum((wait - mean - slope * (at - begin)) ** 2 for at, wait in waits)
    return max(slope - 2 * math.sqrt(rest / (n - 2) / spread), 0.0)


def times(found: Sequence[float]) -> Times | None:
    """Return the percentiles of `found`; None if there is nothing."""
    if not found:
        return None
    order = sorted(found)
    p50, p95, p99 = (percentile(order, q) for q in (0.5, 0.95, 0.99))
    return Times(n=len(order), p50=p50, p95=p95, p99=p99)


def percentile(order: Sequence[float], q: float) -> float:
    """Return the ceil(q n)-th smallest; `order` rises and is not empty."""
    return order[max(math.ceil(q * len(order)), 1) - 1]
