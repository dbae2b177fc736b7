"""Batches that a provider has, and the calls in them, as rows of the ledger.

A batch is written down before anything of it is sent, under a token of our own that the provider
is told too. Its calls are claimed in its name and not in a process's, so that they stay claimed
whatever becomes of the process that sent it, until whoever comes next has collected what came.
"""

from collections.abc import Sequence
from typing import Literal

from llamaduo.database import Tables
from llamaduo.ledger import accounts, acts, claims, tries
from llamaduo.ledger.claims import Call, Claim
from llamaduo.records import Outcome, Record, Request
from llamaduo.service import Heard

Ended = Literal["collected", "cancelled"]
State = Literal["made", "sent", "ended"] | Ended
"""`made`: written down; the provider may have it, if a kill came before its answer. `sent`: it has.
`ended`: nothing more will come, and what came is yet to be collected. The last two are over."""

OPEN: tuple[State, ...] = ("made", "sent", "ended")
_OPEN = ", ".join(f"'{state}'" for state in OPEN)

OWNER = "batch:"
"""Begins the owner of a claim that a batch holds."""

OWNERS = f"select '{OWNER}' || batch from batches where state in ({_OPEN})"
"""Finds the owners of claims that open batches hold."""

MANY = 500
"""Keys named in one statement, at most."""

COLUMNS = "batch, payee, service, run, stage, provider, state, at, said"


class Batch(Record):
    """A batch of calls."""

    token: str
    """What we call it."""
    payee: str
    service: str
    """The service's label."""
    run: str
    """Fingerprint of the run that pays."""
    stage: str
    """`<stage>/<digest>` of the result that its calls are for."""
    provider: str
    """What its provider calls it; empty until it said so."""
    state: State
    at: float
    """When it was handed in, or else claimed, in seconds since 1970."""
    said: str
    """What was last said of it, for people."""

    @property
    def open(self) -> bool:
        """Whether its calls wait for it."""
        return self.state in OPEN


def owner_of(token: str) -> str:
    """Return who holds the claims of a batch."""
    return f"{OWNER}{token}"


def note(db: Tables, batch: Batch) -> None:
    """Write a new batch down."""
    db.execute(
        f"insert into batches ({COLUMNS}) values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(batch.token, batch.payee, batch.service, batch.run, batch.stage),
            *(batch.provider, batch.state, batch.at, batch.said),
        ),
    )


def change(
    db: Tables,
    token: str,
    state: State,
    *,
    said: str,
    provider: str | None = None,
    at: float | None = None,
) -> None:
    """Write down how a batch goes on, and from when it is counted where that is new."""
    db.execute("update batches set state = ?, said = ? where batch = ?", (state, said, token))
    if at is not None:
        db.execute("update batches set at = ? where batch = ?", (at, token))
    if provider is not None:
        db.execute("update batches set provider = ? where batch = ?", (provider, token))


def drop(db: Tables, token: str) -> None:
    """Forget a batch of which nothing was sent."""
    db.execute("delete from batches where batch = ?", (token,))


def find(db: Tables, token: str) -> Batch | None:
    """Return the batch called `token`; None where there is none."""
    rows = db.execute(f"select {COLUMNS} from batches where batch = ?", (token,)).fetchall()
    return _batch(rows[0]) if rows else None


def all_open(db: Tables) -> list[Batch]:
    """Return the batches that are not over, the oldest first."""
    rows = db.execute(f"select {COLUMNS} from batches where state in ({_OPEN}) order by at, batch")
    return [_batch(row) for row in rows.fetchall()]


def holders(db: Tables) -> dict[str, str]:
    """Return of each call that an open batch holds, by its key, the batch's token."""
    rows = db.execute(
        "select c.key, b.batch from batches b join calls c"
        f" on c.owner = '{OWNER}' || b.batch and c.state = 'claimed' where b.state in ({_OPEN})"
    )
    return dict(rows.fetchall())


def held(db: Tables, token: str) -> dict[str, Request]:
    """Return the calls that a batch holds and nothing was collected for, by their keys."""
    rows = db.execute(
        "select key, request from calls where owner = ? and state = 'claimed'", (owner_of(token),)
    )
    return {key: Request.model_validate_json(request) for key, request in rows.fetchall()}


def claim(db: Tables, token: str, call: Call, at: float) -> Claim:
    """Claim a call in the name of a batch, and reserve what it can cost; or say why not.

    A claim of another is left to it, also where its process is gone.
    """
    row = db.execute("select state from calls where key = ?", (call.key,)).fetchone()
    if row is not None:
        return Claim.ANSWERED if row[0] == "answered" else Claim.TAKEN
    day = accounts.day_of(at)
    if why := claims.over(db, call, day):
        return why
    owner = owner_of(token)
    claims.insert(db, call, day, "claimed", owner, call.bound, at, out=False)
    accounts.book(db, call.run, call.limits.payee, day, reserved=call.bound)
    return Claim.MINE


def answer(db: Tables, token: str, key: str, heard: Heard, seconds: float) -> bool:
    """Keep what came of a call in a batch; False where the batch does not hold it any more.

    A reply settles the call. One that failed is a try on record, and the call is free again, unless
    it was billed, or may have been, and asking again would go no better. One that cannot be read
    may have cost all that was reserved.
    """
    found = db.execute(
        "select run, payee, day, reserved from calls where key = ? and owner = ?"
        " and state = 'claimed'",
        (key, owner_of(token)),
    ).fetchone()
    if found is None:
        return False
    run, payee, day, bound = found
    number = tries.number_of(db, key)
    unproven = bound if heard.unproven else 0.0
    tries.keep(db, key, number, heard, seconds=seconds, unproven=unproven)
    if heard.reply.outcome is Outcome.FAILED and (heard.again or not acts.spent(heard)):
        db.execute("delete from calls where key = ?", (key,))
    else:
        db.execute("update calls set state = 'answered', reserved = 0 where key = ?", (key,))
    spent = heard.reply.usage.usd
    accounts.book(db, run, payee, day, spent=spent, reserved=-bound, unproven=unproven)
    return True


def release(db: Tables, token: str, *, unproven: bool) -> int:
    """Give up the claims that a batch still has; returns how many.

    Args:
        unproven: whether its calls may have been billed, and nobody can tell.
    """
    owner = owner_of(token)
    if unproven:
        sql = "update calls set sent_at = claimed_at where owner = ? and state = 'claimed'"
        db.execute(sql, (owner,))
    keys = db.execute("select key from calls where owner = ? and state = 'claimed'", (owner,))
    found = [key for (key,) in keys.fetchall()]
    for key in found:
        claims.give_up(db, key)
    return len(found)


def lives(db: Tables, owner: str) -> bool:
    """Whether the batch that holds a claim is open."""
    batch = find(db, owner.removeprefix(OWNER))
    return batch is not None and batch.open


def answered(db: Tables, keys: Sequence[str]) -> set[str]:
    """Return which of `keys` have a final reply."""
    found: set[str] = set()
    for start in range(0, len(keys), MANY):
        some = keys[start : start + MANY]
        marks = ", ".join("?" * len(some))
        rows = db.execute(
            f"select key from calls where state = 'answered' and key in ({marks})", some
        )
        found.update(key for (key,) in rows.fetchall())
    return found


def _batch(row: tuple[str, str, str, str, str, str, State, float, str]) -> Batch:
    token, payee, service, run, stage, provider, state, at, said = row
    return Batch(
        token=token,
        payee=payee,
        service=service,
        run=run,
        stage=stage,
        provider=provider,
        state=state,
        at=at,
        said=said,
    )
