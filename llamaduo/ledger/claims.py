"""A call that is wanted, what comes of wanting it, and how a claim begins and is given up."""

import time
from dataclasses import dataclass
from enum import Enum

from llamaduo.database import Tables
from llamaduo.flow import window
from llamaduo.ledger import accounts, tries
from llamaduo.records import Outcome, Reply, Request
from llamaduo.service import Heard, Limits


class Claim(Enum):
    """What came of wanting to make a call."""

    MINE = "this process makes it"
    ANSWERED = "it has been answered"
    TAKEN = "another process is making it"
    TOO_DEAR = "it could cost more than is left of the run's budget"
    CAPPED = "it could cost more than is left of the day's limit"


@dataclass(frozen=True)
class Call:
    """A call to be made, and who pays."""

    key: str
    request: Request
    service: str
    """Its label."""
    limits: Limits
    seed: int
    stage: str
    """`<stage>/<digest>` of the result that it is for."""
    run: str
    """Fingerprint of the run that pays."""
    bound: float
    """Dollars that it can cost at most."""
    budget: float | None
    """Dollars that the run may spend in all; None: no limit."""

    @property
    def tokens(self) -> int:
        """What it counts as in a limit of tokens, until its usage is known."""
        limited = self.limits.tokens_per_minute is not None
        return window.tokens_of(self.request, self.limits) if limited else 0


def over(db: Tables, call: Call, day: str) -> Claim | None:
    """Return which limit a call could go beyond; None where there is room."""
    room = call.bound - accounts.SLACK
    if call.budget is not None and accounts.of_run(db, call.run) + room > call.budget:
        return Claim.TOO_DEAR
    return Claim.CAPPED if capped(db, call, day) else None


def capped(db: Tables, call: Call, day: str) -> bool:
    """Whether a call that does not count on `day` yet could go beyond its limit."""
    limits, room = call.limits, call.bound - accounts.SLACK
    if limits.usd_per_day is None:
        return False
    return accounts.of_day(db, limits.payee, day) + room > limits.usd_per_day


def insert(
    db: Tables,
    call: Call,
    day: str,
    state: str,
    owner: str,
    reserved: float,
    at: float,
    *,
    out: bool = True,
) -> None:
    """Put a call on record, its request out at `at`.

    Args:
        out: False where it is not out yet, and in a batch, whose provider says of every call what
            became of it.
    """
    asked = (call.key, call.service, call.request.model_dump_json(exclude_none=True), call.seed)
    db.execute(
        "insert into calls values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(*asked, call.stage, call.request.row, call.run, state, owner, reserved, at),
            *(call.limits.payee, day, at if out else None),
        ),
    )


def seen_after_all(db: Tables, key: str, run: str, payee: str, day: str, bound: float) -> None:
    """Take back that a call was given up as unseen: its reply came, and its price is known.

    Where several were, for several runs, this one's is the first at what it had reserved.
    """
    found = db.execute(
        "select attempt, unproven from replies where key = ? and cause = ? and unproven > 0"
        " order by abs(unproven - ?), attempt limit 1",
        (key, tries.UNSEEN, bound),
    ).fetchone()
    if found is not None:
        attempt, unproven = found
        db.execute("update replies set unproven = 0 where key = ? and attempt = ?", (key, attempt))
        accounts.book(db, run, payee, day, unproven=-unproven)


def give_up(db: Tables, key: str) -> None:
    """Drop a claim. Its failed tries, if it had any, stay on record.

    One whose request is out may have been billed: that is a try too, of which nobody saw the end.
    """
    run, payee, day, bound, sent = db.execute(
        "select run, payee, day, reserved, sent_at from calls where key = ?", (key,)
    ).fetchone()
    unproven = bound if sent is not None else 0.0
    if sent is not None:
        heard = Heard(Reply(outcome=Outcome.FAILED, cause=tries.UNSEEN), unproven=True)
        seconds = max(time.time() - sent, 0.0)
        number = tries.number_of(db, key)
        tries.keep(db, key, number, heard, seconds=seconds, unproven=unproven)
    db.execute("delete from calls where key = ?", (key,))
    window.give_back(db, key, time.time())
    accounts.book(db, run, payee, day, reserved=-bound, unproven=unproven)
