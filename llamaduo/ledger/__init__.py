"""The memory of paid calls: every reply kept, every dollar counted, no call bought twice.

Its tables stand in a file that the processes of one machine share, or on a server that many
hosts do (`database/`). A call is claimed, with what it can cost at most reserved from the budget of
its run and from the limit of its day, and then answered; both are transactions. A claim whose
process is gone is free again. Its call may have been paid for: a provider can bill a request that
was in flight when the process was killed. Nobody can tell, so the most it can have cost stays
counted, as unproven.
"""

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from uuid import uuid4

from llamaduo.database import Database, Tables, whole
from llamaduo.database.sqlite import Sqlite
from llamaduo.flow import window
from llamaduo.flow.adaptive import Lanes
from llamaduo.ledger import accounts, batches, claims, tallies, tries
from llamaduo.ledger.acts import Act, Held
from llamaduo.ledger.claims import Call, Claim
from llamaduo.ledger.steps import Steps
from llamaduo.records import Reply, Tally

__all__ = ["FORGOTTEN", "Act", "Call", "Claim", "Held", "Ledger"]

FORGOTTEN = "forgotten-"
"""Begins the key of a call of which only figures are left."""


class Ledger(Steps):
    """Paid calls in a database; a path is that of a file, made if it is not there."""

    def __init__(self, where: Path | Database) -> None:
        super().__init__(Sqlite(where) if isinstance(where, Path) else where)
        self._lanes: dict[tuple[str, int], Lanes] = {}

    @property
    def owner(self) -> str:
        """Name of this process, as its claims have it."""
        return self._db.owner

    @property
    def freed(self) -> str:
        """When a claim whose process is gone is taken over, for people."""
        return self._db.freed

    @property
    def private(self) -> Path:
        """The folder `.llamaduo` of the home, where locks are."""
        return self._db.private

    @property
    def tables(self) -> Tables:
        """The tables, to look at while others go on writing."""
        return self._db

    def held(self, path: Path, waiting: str = "") -> AbstractContextManager[None]:
        """Hold the lock called `path`, under `.llamaduo/`, among all who share the ledger."""
        return self._db.held(path, waiting)

    def close(self) -> None:
        """Let go of the tables."""
        self._db.close()

    @whole
    def use(self, recipe: str, keys: Sequence[str]) -> None:
        """Note that the stage result `recipe` rests on `keys`, whoever paid for them."""
        pairs = [(recipe, key) for key in keys]
        with self.transaction() as db:
            db.executemany("insert into uses values (?, ?) on conflict do nothing", pairs)

    def reply(self, key: str) -> Reply | None:
        """Return the last reply to `key`; None where there is none yet."""
        return tries.last(self._db, key)

    def history(self, key: str) -> tuple[int, int]:
        """Return how many tries at `key` have been seen to end, and how many of them were paid."""
        (seen, paid) = self._db.execute(
            "select count(*), coalesce(sum(case when outcome = 'failed' then 0 else 1 end), 0)"
            " from replies where key = ? and unproven = 0",
            (key,),
        ).fetchone()
        return int(seen), int(paid)

    def left_alone(self, payee: str) -> tuple[float, str] | None:
        """Return until when nobody may send to `payee`, and why; None where anybody may now."""
        return window.held(self._db, payee, time.time())

    def lanes(self, payee: str, ceiling: int) -> Lanes:
        """Return how many calls to `payee` may be in flight, as learnt so far."""
        return self._lanes.setdefault((payee, ceiling), Lanes(ceiling))

    @whole
    def release(self, key: str) -> None:
        """Give up the claim on `key`, if it still is this process's.

        What it reserved is free again; if its request is out, it is unproven.
        """
        if key not in self._claims:
            return
        with self.transaction() as db:
            row = db.execute(
                "select 1 from calls where key = ? and state = 'claimed' and owner = ?",
                (key, self._db.owner),
            ).fetchone()
            if row is not None:
                claims.give_up(db, key)
        self._claims.pop(key, None)

    @whole
    def reopen(self, keys: Sequence[str]) -> None:
        """Let answered calls be made again; their replies stay on record."""
        with self.transaction() as db:
            db.executemany(
                "delete from calls where key = ? and state = 'answered'", [(key,) for key in keys]
            )

    @whole
    def free_the_dead(self) -> int:
        """Release every claim of a process that is gone. Returns how many."""
        with self.transaction() as db:
            held = db.execute(
                "select key, owner, claimed_at from calls where state = 'claimed'"
                f" and owner not in ({batches.OWNERS})"
            ).fetchall()
            dead = [key for key, owner, since in held if not self._lives(owner, since)]
            for key in dead:
                claims.give_up(db, key)
        return len(dead)

    def in_flight(self, run: str) -> int:
        """Count the calls claimed for `run` that have no final reply yet, those in batches aside.

        Nobody waits a day for what they may turn out to leave of a budget.
        """
        sql = (
            "select count(*) from calls where state = 'claimed' and run = ?"
            f" and owner not in ({batches.OWNERS})"
        )
        return int(self._db.execute(sql, (run,)).fetchone()[0])

    def in_flight_of(self, payee: str) -> int:
        """Count the same of the calls claimed of `payee`, for any run."""
        sql = (
            "select count(*) from calls where state = 'claimed' and payee = ?"
            f" and owner not in ({batches.OWNERS})"
        )
        return int(self._db.execute(sql, (payee,)).fetchone()[0])

    def holder(self, key: str) -> str:
        """Say for people who holds the claim on `key`, and until when; empty where none does."""
        row = self._db.execute(
            "select owner from calls where key = ? and state = 'claimed'", (key,)
        ).fetchone()
        if row is None:
            return ""
        owner = str(row[0])
        if owner.startswith(batches.OWNER):
            return (
                f"that is in batch {owner.removeprefix(batches.OWNER)}, which another process "
                "handed in meanwhile; if that one has ended, give this command again"
            )
        return f"that a process of {owner.rsplit(':', 2)[0]} makes; {self.freed}"

    def spent(self, run: str) -> float:
        """Return the dollars that calls made for `run` have cost."""
        row = self._db.execute("select spent from runs where run = ?", (run,)).fetchone()
        return float(row[0]) if row else 0.0

    def unproven(self, run: str) -> float:
        """Return the dollars, at most, that calls for `run` may have cost beyond, unseen."""
        row = self._db.execute("select unproven from runs where run = ?", (run,)).fetchone()
        return float(row[0]) if row else 0.0

    def today(self, payee: str) -> float:
        """Return the dollars that count against the limit of `payee` today, reserved ones too."""
        return accounts.of_day(self._db, payee, accounts.day_of(time.time()))

    def tally(self, recipe: str, *, beside: Sequence[str] = ()) -> Tally:
        """Count the calls the stage result `recipe` rests on, by their last outcome.

        Args:
            beside: other results whose calls are counted already, and not here again.
        """
        return tallies.tally(self._db, recipe, beside)

    def seconds(self, recipe: str) -> list[float]:
        """Return how long the calls took that the stage result `recipe` rests on, rising.

        Each is timed from its last try to its end, among as many others as were in flight; one
        that brought no answer took for ever.
        """
        return tallies.seconds(self._db, recipe)

    def scrub(self, keys: Sequence[str]) -> None:
        """Take out of calls what was asked and said; what they cost, and when, stays.

        A scrubbed call has another key, so that it is no answer to anything: asking again is a
        new call. The tables are written anew, without what stood in them before.

        Raises:
            LlamaDuoError: if another process keeps them from being written anew.
        """
        self._scrub(keys)
        self._db.rewrite()

    @whole
    def _scrub(self, keys: Sequence[str]) -> None:
        with self.transaction() as db:
            for key in keys:
                gone = f"{FORGOTTEN}{uuid4().hex}"
                db.execute(
                    "insert into calls select ?, service, '', seed, stage, '', run, state, owner,"
                    " reserved, claimed_at, payee, day, sent_at from calls where key = ?",
                    (gone, key),
                )
                db.execute(
                    "update replies set key = ?, text = '', cause = '', raw = '' where key = ?",
                    (gone, key),
                )
                db.execute("update uses set key = ? where key = ?", (gone, key))
                db.execute("delete from calls where key = ?", (key,))
