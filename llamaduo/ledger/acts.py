"""What a process does with its calls, step by step: each within a transaction that may hold others.

Several at once, in one transaction, cost one wait for the disk.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from llamaduo.database import Tables
from llamaduo.flow import headers, window
from llamaduo.ledger import accounts, claims, tries
from llamaduo.ledger.claims import Call, Claim
from llamaduo.service import Heard

T = TypeVar("T")


@dataclass(frozen=True)
class Act(Generic[T]):
    """A step, which may be made again where nothing of it was kept."""

    do: Callable[[Tables], T]
    after: Callable[[T], None] = lambda found: None
    """What is to be remembered here once it is kept."""


@dataclass(frozen=True)
class Held:
    """A call that this process has claimed."""

    call: Call
    day: str
    """That it is counted on."""
    at: float | None = None
    """Moment that its next try has booked, unix time; None: none yet."""
    out: bool = False
    """Whether its request goes out now, or has."""


def claim(
    db: Tables, owner: str, alive: Callable[[str, float], bool], call: Call
) -> tuple[Claim, Held | None]:
    """Claim a call, reserve what it can cost, and book when it may be sent; or say why not.

    Args:
        alive: whether who made a claim then may still answer it.
    """
    row = db.execute(
        "select state, owner, claimed_at from calls where key = ?", (call.key,)
    ).fetchone()
    if row is not None:
        state, by, since = row
        if state == "answered":
            return Claim.ANSWERED, None
        if alive(by, since):
            return Claim.TAKEN, None
        claims.give_up(db, call.key)
    now = time.time()
    day = accounts.day_of(now)
    if why := claims.over(db, call, day):
        return why, None
    at = window.book(db, call.limits, call.tokens, now, call.key)
    out = at <= now
    claims.insert(db, call, day, "claimed", owner, call.bound, now, out=out)
    accounts.book(db, call.run, call.limits.payee, day, reserved=call.bound)
    return Claim.MINE, Held(call, day, at, out)


def send(db: Tables, owner: str, held: Held) -> Held | None:
    """Let a claimed call go out, if its moment has come; else say when that is.

    It counts on the day on which it goes out, and its claim counts as made now.

    None where it has to be claimed anew, and reserves nothing any more: the claim was taken over
    meanwhile, or the day on which it would go out has no room for it.
    """
    call, now = held.call, time.time()
    if not _stands(db, owner, call.key):
        return None
    if held.at is None:
        at = window.book(db, call.limits, call.tokens, now, call.key)
    else:
        at = window.late(db, call.limits, call.tokens, held.at, now, call.key)
    out, today = at <= now, accounts.day_of(now)
    day = today if out else held.day
    if day != held.day:
        if claims.capped(db, call, today):
            claims.give_up(db, call.key)
            return None
        accounts.move(db, call.limits.payee, held.day, today, call.bound)
    db.execute(
        "update calls set claimed_at = ?, day = ?, sent_at = coalesce(?, sent_at) where key = ?",
        (now, day, now if out else None, call.key),
    )
    return Held(call, day, at, out)


def answer(
    db: Tables, owner: str, held: Held | None, key: str, heard: Heard, seconds: float, last: bool
) -> None:
    """Keep a try, settle what it cost, and hold the payee where it asks for that."""
    attempt = tries.number_of(db, key)
    found = db.execute(
        "select state, owner, run, payee, day, reserved from calls where key = ?", (key,)
    ).fetchone()
    if found is not None and found[:2] == ("claimed", owner):
        *_, run, payee, day, bound = found
        over = last or spent(heard)
        if last:
            sql = "update calls set state = 'answered', reserved = 0 where key = ?"
        elif over:
            sql = "delete from calls where key = ?"
        else:
            sql = "update calls set sent_at = null where key = ?"
        db.execute(sql, (key,))
        reserved = bound if over else 0.0
    else:
        assert held is not None, "a call that is answered was claimed"
        call, day, reserved = held.call, held.day, 0.0
        run, payee, bound = call.run, call.limits.payee, call.bound
        claims.seen_after_all(db, key, run, payee, day, bound)
        if found is not None:
            attempt = -1 - attempt
        elif last:
            claims.insert(db, call, day, "answered", owner, 0.0, time.time())
    usage = heard.reply.usage
    unproven = bound if heard.unproven else 0.0
    tries.keep(db, key, attempt, heard, seconds=seconds, unproven=unproven)
    accounts.book(db, run, payee, day, spent=usage.usd, reserved=-reserved, unproven=unproven)
    if held is not None and usage.prompt_tokens:
        tokens = usage.prompt_tokens + usage.completion_tokens
        window.settle(db, held.call.limits, tokens, key)
    _hold(db, payee, heard)


def _hold(db: Tables, payee: str, heard: Heard) -> None:
    """Let nobody send for as long as the provider asks, or until a limit that is used up resets."""
    now = time.time()
    if heard.again and heard.wait:
        window.hold(db, payee, now + min(heard.wait, headers.LONGEST), heard.reply.cause)
    elif (empty := headers.room_of(heard.headers, now)) is not None:
        window.hold(db, payee, now + empty.wait, f"the provider says: no {empty.what} left")


def wait(db: Tables, owner: str, held: Held) -> Held:
    """Note that nothing of a claimed call is in flight."""
    if _stands(db, owner, held.call.key):
        db.execute("update calls set sent_at = null where key = ?", (held.call.key,))
    return Held(held.call, held.day)


def spent(heard: Heard) -> bool:
    """Whether a try has or may have cost what was reserved: another has to be claimed anew."""
    return heard.unproven or heard.reply.usage.usd > 0


def _stands(db: Tables, owner: str, key: str) -> bool:
    """Whether a claim is still `owner`'s."""
    sql = "select 1 from calls where key = ? and state = 'claimed' and owner = ?"
    return db.execute(sql, (key, owner)).fetchone() is not None
