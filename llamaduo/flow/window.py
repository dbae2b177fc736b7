"""When the next try may go out: limits a minute, over all processes that share a ledger.

A try books its moment ahead, as a row of the table `sends`, and sleeps until then: nobody polls.
Moments of one payee never decrease, and a new one stands so late that no span of `WINDOW`
seconds holds more than the limit. Whoever wakes late books anew, since a try that goes out after
its moment would count in windows that were planned without it.

All of it happens in a transaction of the caller's, so that two processes cannot book the same
room. The clocks of several hosts (`ledger=postgresql`) may differ: what they differ by comes off
the guard, see `Span`; with NTP they differ by some milliseconds. A host whose clock is behind
also holds up the others by as much, since moments never decrease.
"""

import time
from dataclasses import dataclass
from typing import Protocol
from uuid import uuid4

from llamaduo.database import Tables
from llamaduo.errors import ServiceError
from llamaduo.records import Request


@dataclass(frozen=True)
class Span:
    """How long a limit counts.

    A provider counts when a request arrives, which is some time after its moment: the process
    wakes late, a connection is made, the request travels. Only what this *differs* by from one
    try to another matters: two tries booked `seconds + guard` apart arrive `seconds` apart if the
    first does not take `guard` longer than the second.
    """

    seconds: float = 60.0
    guard: float = 1.5
    """Seconds added; they cost 2.4 % of what a limit allows (60 of 61.5). Half is for waking late,
    and who is later books anew. The other half is for the way: a process's first call through
    litellm takes 0.6 s more than the next, a new TLS connection to another continent 0.3 s."""

    @property
    def window(self) -> float:
        """Seconds in which no more than the limit is booked."""
        return self.seconds + self.guard


MINUTE = Span()

BYTES = 2
"""Bytes of a prompt that are counted as a token until the provider has said how many there were.
English has 4 or 5 to a token, code about 3, Chinese 2 to 3."""


HELD = 5.0
"""Seconds that a call is held back before it is told: else it looks like a hang."""


class Limited(Protocol):
    """What a service is not to be sent more than; see `llamaduo.service.Limits`."""

    @property
    def payee(self) -> str:
        """Whose limits they are."""
        ...

    @property
    def requests_per_minute(self) -> int | None:
        """Tries; None: no limit."""
        ...

    @property
    def tokens_per_minute(self) -> int | None:
        """Tokens of prompts and replies; None: no limit."""
        ...

    @property
    def hidden_tokens(self) -> int:
        """Tokens that a reply can take beyond `max_tokens`: reasoning that is not shown."""
        ...


def tokens_of(request: Request, limits: Limited) -> int:
    """Return how many tokens `request` counts as before its usage is known."""
    said = sum(len(message.content.encode()) for message in request.messages)
    return -(-said // BYTES) + request.max_tokens + limits.hidden_tokens


def refuse_too_large(limits: Limited, tokens: int) -> None:
    """Refuse a request that has more tokens than a minute may have.

    Raises:
        ServiceError: with what to do.
    """
    most = limits.tokens_per_minute
    if most is not None and tokens > most:
        raise ServiceError(
            f"a request to {limits.payee} counts as {tokens} tokens, and tokens_per_minute is "
            f"{most}: it could never be sent. Raise tokens_per_minute, or shorten the prompt or "
            "max_tokens"
        )


def held_back(limits: Limited, at: float) -> tuple[str, str]:
    """Say that limits of a minute hold calls back, with when the next goes out, and without.

    Args:
        at: unix time.
    """
    names = ("requests_per_minute", "tokens_per_minute")
    when = time.strftime("%H:%M:%S", time.localtime(at))
    most = [f"{name}={getattr(limits, name)}" for name in names if getattr(limits, name)]
    what = f"{', '.join(most)} holds calls to {limits.payee} back"
    return f"{what}: the next goes out at {when}", what


def book(
    db: Tables, limits: Limited, tokens: int, now: float, slot: str, span: Span = MINUTE
) -> float:
    """Return the moment at which this try may go out, and keep it for it.

    Without limits and without a hold this is one look at an empty table, and `now`. A large
    request waits for its tokens, and smaller ones behind it wait too: else it might wait for ever.

    Args:
        tokens: that the try counts as, see `tokens_of`; `settle` puts in what it came to.
        now: unix time.
        slot: names the call, for `late`, `settle` and `give_back`: they are about its newest
            try, and those before it count on.

    Returns:
        Unix time, `now` or later. Where it is later, sleep, and ask `late` before sending.

    Raises:
        ServiceError: as `refuse_too_large`.
    """
    payee, requests, most = limits.payee, limits.requests_per_minute, limits.tokens_per_minute
    at = max(now, _held(db, payee))
    if requests is None and most is None:
        return at
    refuse_too_large(limits, tokens)
    give_back(db, slot, now)
    db.execute(  # after twice as long as they count: another host's clock may be behind
        "delete from sends where payee = ? and at < ?", (payee, now - 2 * span.window)
    )
    (newest,) = db.execute("select max(at) from sends where payee = ?", (payee,)).fetchone()
    at = at if newest is None else max(at, newest)
    if requests is not None:
        full = db.execute(
            "select at from sends where payee = ? order by at desc limit 1 offset ?",
            (payee, requests - 1),
        ).fetchone()
        at = max(at, full[0] + span.window) if full else at
    if most is not None:
        full = db.execute(
            "select max(at) from (select at, sum(tokens) over (order by at desc) as since"
            " from sends where payee = ?) as sums where since > ?",
            (payee, most - tokens),
        ).fetchone()
        at = max(at, full[0] + span.window) if full[0] is not None else at
    _keep(db, payee, at, tokens, slot)
    return at


def late(
    db: Tables,
    limits: Limited,
    tokens: int,
    at: float,
    now: float,
    slot: str,
    span: Span = MINUTE,
) -> float:
    """Return the moment at which a try may go out that has waited for its moment `at`.

    That is `at`, unless the caller woke too long after it or the payee is held by now: then it
    is booked anew, behind all others.

    Returns:
        Unix time. Send where it is not after `now`; else sleep, and ask again.
    """
    if _held(db, limits.payee) <= max(now, at) and now - at <= span.guard / 2:
        return at
    db.execute("delete from sends where slot = ?", (slot,))
    return book(db, limits, tokens, now, slot, span=span)


def settle(db: Tables, limits: Limited, tokens: int, slot: str) -> None:
    """Put in how many tokens a try came to.

    What it did not use is free at once for tries that are booked from now on.
    """
    if limits.tokens_per_minute is not None:
        db.execute("update sends set tokens = ? where slot = ?", (tokens, slot))


def give_back(db: Tables, slot: str, now: float) -> None:
    """Free the moment that a try has booked and has not come to: it will not be sent.

    One that has passed stays: the try may have gone out.
    """
    db.execute("delete from sends where slot = ? and at > ?", (slot, now))


def hold(db: Tables, payee: str, until: float, why: str) -> None:
    """Let nobody of any process send to `payee` before `until`, unix time.

    A hold that ends later stands. Tries that are in flight, or have been told to go, go on.
    """
    db.execute(
        "insert into holds (payee, until, why) values (?, ?, ?) on conflict (payee) do update"
        " set until = excluded.until, why = excluded.why where excluded.until > holds.until",
        (payee, until, why),
    )


def held(db: Tables, payee: str, now: float) -> tuple[float, str] | None:
    """Return until when nobody may send to `payee`, and why; None where anybody may now."""
    sql = "select until, why from holds where payee = ? and until > ?"
    row = db.execute(sql, (payee, now)).fetchone()
    return (float(row[0]), str(row[1])) if row else None


def _keep(db: Tables, payee: str, at: float, tokens: int, slot: str) -> None:
    """Write a moment down; that of an earlier try of the same call counts on, unnamed."""
    row = (payee, at, tokens, slot)
    sql = "insert into sends (payee, at, tokens, slot) values (?, ?, ?, ?) on conflict do nothing"
    if not db.execute(sql, row).rowcount:
        db.execute("update sends set slot = ? where slot = ?", (f"{slot} {uuid4().hex}", slot))
        db.execute(sql, row)


def _held(db: Tables, payee: str) -> float:
    """Return until when nobody may send; 0 where there never was a hold."""
    row = db.execute("select until from holds where payee = ?", (payee,)).fetchone()
    return float(row[0]) if row else 0.0
