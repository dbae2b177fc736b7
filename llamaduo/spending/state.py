"""What stands open in a ledger: days and their limits, runs and their budgets, batches, prices."""

import json
from dataclasses import dataclass, field
from typing import Any, cast

from llamaduo.database import Database
from llamaduo.ledger import Ledger
from llamaduo.ledger.batches import OWNER
from llamaduo.ledger.tallies import same_model
from llamaduo.spending.sums import Scope


@dataclass(frozen=True)
class Account:
    """What a run, or a payee on a day, has to answer for."""

    of: str
    """Fingerprint, or who bills."""
    spent: float
    reserved: float
    """Dollars held for calls that are in flight."""
    unproven: float
    """Dollars, at most, that may have been billed unseen."""
    left: float = field(default=0.0, kw_only=True)
    """Of `reserved`, what calls hold that are out, and whose process is gone: they may have been
    billed unseen too, and count as unproven once the next run has freed them."""
    unused: float = field(default=0.0, kw_only=True)
    """Of `reserved`, what such calls hold that never went out: the next run frees it."""

    @property
    def counted(self) -> float:
        """Dollars that a limit is held against."""
        return self.spent + self.reserved + self.unproven


@dataclass(frozen=True)
class Batch:
    """A batch at a provider that is not over."""

    batch: str
    service: str
    run: str
    stage: str
    state: str
    at: float
    """When it was sent, in seconds of the epoch."""


def run(ledger: Ledger, name: str) -> Account:
    """Return the account of a run; of one that bought nothing, an empty one."""
    found = ledger.tables.execute(
        "select run, spent, reserved, unproven from runs where run = ?", (name,)
    ).fetchone()
    if not found:
        return Account(name, 0.0, 0.0, 0.0)
    left, unused = _of_the_dead(ledger, "run = ?", name)
    return Account(*found, left=left, unused=unused)


def day(ledger: Ledger, name: str) -> list[Account]:
    """Return the accounts of a day, by who bills.

    Args:
        name: as in 2026-11-24, in UTC.
    """
    rows = ledger.tables.execute(
        "select payee, spent, reserved, unproven from days where day = ? order by payee",
        (name,),
    ).fetchall()
    found = []
    for row in rows:
        left, unused = _of_the_dead(ledger, "day = ? and payee = ?", name, row[0])
        found.append(Account(*row, left=left, unused=unused))
    return found


def _of_the_dead(ledger: Ledger, which: str, *values: str) -> tuple[float, float]:
    """Return what calls reserve whose process is gone: those that are out, and the others.

    Nothing is changed, and what is in batches is no process's.

    Args:
        which: the condition on a call, with `values` for its marks.
    """
    base = cast(Database, ledger.tables)
    found = {True: 0.0, False: 0.0}
    with ledger.transaction() as db:
        for owner, since, sent, usd in db.execute(
            "select owner, claimed_at, sent_at, reserved from calls where state = 'claimed'"
            f" and {which}",
            values,
        ).fetchall():
            if not owner.startswith(OWNER) and not base.alive(owner, since):
                found[sent is not None] += usd
    return found[True], found[False]


@dataclass(frozen=True)
class Answered:
    """Replies that say they are by a model of another name than was asked for."""

    payee: str
    """Who was asked: the model, and its address."""
    model: str
    """Who answered."""
    tries: int


def others(ledger: Ledger, scope: Scope | None = None) -> list[Answered]:
    """Return by whom tries were answered that is not whom they were put to, by its name."""
    sql = (
        "select c.payee, r.model, count(*) from replies r join calls c on c.key = r.key"
        f" where r.model <> '' and c.payee <> ''{f' and {scope.sql}' if scope else ''}"
        " group by c.payee, r.model order by c.payee, r.model"
    )
    rows = ledger.tables.execute(sql, scope.values if scope else ()).fetchall()
    return [Answered(*row) for row in rows if not same_model(row[0], row[1])]


OVER = ("collected", "cancelled", "refused")
"""States of a batch after which nothing follows."""


def batches(ledger: Ledger) -> list[Batch]:
    """Return the batches that are not over, oldest first."""
    rows = ledger.tables.execute(
        "select batch, service, run, stage, state, at from batches order by at, batch"
    ).fetchall()
    return [batch for row in rows if (batch := Batch(*row)).state not in OVER]


def simulated(ledger: Ledger) -> bool:
    """Whether a simulated service was asked; each has that word in its name."""
    rows = ledger.tables.execute("select distinct service from calls").fetchall()
    return any("simulated" in service for (service,) in rows)


@dataclass(frozen=True)
class Price:
    """A price that tries were counted at."""

    name: str
    said: dict[str, Any]
    """As it stood in the config, with its date and source."""
    tries: int


def prices(ledger: Ledger, scope: Scope | None = None) -> list[Price]:
    """Return the prices that were used, with how many tries each."""
    sql = (
        "select p.price, p.said, count(*) from replies r join prices p on p.price = r.price"
        f" left join calls c on c.key = r.key{f' where {scope.sql}' if scope else ''}"
        " group by p.price, p.said order by p.price"
    )
    rows = ledger.tables.execute(sql, scope.values if scope else ()).fetchall()
    return [Price(name, json.loads(said), tries) for name, said, tries in rows]
