"""The memory of paid calls: every reply kept, every dollar counted, no call bought twice.

Its tables stand in a file that the processes of one machine share, or on a server that many
hosts do (`database/`). A call is claimed, with what it can cost at most reserved from its run's
budget, and then answered; both are transactions. A claim whose process is gone is free again.
Its call may have been paid for: a provider can bill a request that was in flight when the
process was killed.
"""

import time
from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractContextManager
from enum import Enum
from math import inf
from pathlib import Path
from uuid import uuid4

from llamaduo.database import Database, Tables, whole
from llamaduo.database.sqlite import Sqlite
from llamaduo.records import Outcome, Reply, Request, Tally, Usage

FORGOTTEN = "forgotten-"
"""Begins the key of a call of which only figures are left."""


class Claim(Enum):
    """What came of wanting to make a call."""

    MINE = "this process makes it"
    ANSWERED = "it has been answered"
    TAKEN = "another process is making it"
    TOO_DEAR = "it could cost more than is left"


class Ledger:
    """Paid calls in a database; a path is that of a file, made if it is not there."""

    def __init__(self, where: Path | Database) -> None:
        self._db: Database = Sqlite(where) if isinstance(where, Path) else where
        self.spent_now = 0.0
        """Dollars this process has paid."""
        self.calls_now = 0
        """Tries this process has sent, those that failed too."""
        self._claims: dict[str, tuple[object, ...]] = {}
        """What this process has claimed, as it stands in the table."""

    @property
    def owner(self) -> str:
        """Name of this process, as its claims have it."""
        return self._db.owner

    @property
    def freed(self) -> str:
        """When a claim whose process is gone is taken over, for people."""
        return self._db.freed

    def transaction(self) -> AbstractContextManager[Tables]:
        """Hand out the tables to one process at a time; all is done with them, or nothing."""
        return self._db.transaction()

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
        found = self._db.execute(
            "select outcome, cause, text, prompt_tokens, completion_tokens, usd from replies "
            "where key = ? order by attempt desc limit 1",
            (key,),
        ).fetchone()
        if found is None:
            return None
        outcome, cause, text, prompt, completion, usd = found
        usage = Usage(prompt_tokens=prompt, completion_tokens=completion, usd=usd)
        return Reply(outcome=Outcome(outcome), cause=cause, text=text, usage=usage)

    @whole
    def claim(
        self,
        key: str,
        request: Request,
        *,
        service: str,
        seed: int,
        stage: str,
        run: str,
        bound: float,
        budget: float | None,
    ) -> Claim:
        """Claim `key` and reserve `bound` dollars of the run's budget, or say why not."""
        known = self._db.execute("select state from calls where key = ?", (key,)).fetchone()
        if known == ("answered",):  # most are, when a run goes on: no need to keep others out
            return Claim.ANSWERED
        asked = (key, service, request.model_dump_json(), seed, stage, request.row, run)
        with self.transaction() as db:
            row = db.execute(
                "select state, owner, reserved, run, claimed_at from calls where key = ?", (key,)
            ).fetchone()
            if row is not None:
                state, owner, reserved, claimed_for, since = row
                if state == "answered":
                    return Claim.ANSWERED
                if self._db.alive(owner, since):
                    return Claim.TAKEN
                _free(db, key, claimed_for, reserved)
            spent, reserved = _account(db, run)
            if budget is not None and spent + reserved + bound > budget + 1e-9:
                return Claim.TOO_DEAR
            db.execute(
                "insert into calls values (?, ?, ?, ?, ?, ?, ?, 'claimed', ?, ?, ?)",
                (*asked, self._db.owner, bound, time.time()),
            )
            db.execute("update runs set reserved = reserved + ? where run = ?", (bound, run))
        self._claims[key] = asked
        return Claim.MINE

    @whole
    def answer(self, key: str, reply: Reply, *, seconds: float, last: bool) -> None:
        """Keep a reply. With `last` the call is answered and its reservation settled.

        A claim can be gone: the connection was lost for so long that another process took
        the call over. The reply was paid all the same, so it is kept and counted; where the
        other's claim or answer stands, before the replies that are there.
        """
        usage = reply.usage
        with self.transaction() as db:
            row = db.execute(
                "select state, owner, run, reserved from calls where key = ?", (key,)
            ).fetchone()
            (attempt,) = db.execute("select count(*) from replies where key = ?", (key,)).fetchone()
            if row is not None and row[:2] == ("claimed", self._db.owner):
                run = row[2]
                if last:
                    db.execute(
                        "update calls set state = 'answered', reserved = 0 where key = ?", (key,)
                    )
                    db.execute(
                        "update runs set reserved = reserved - ? where run = ?", (row[3], run)
                    )
            else:
                *_, run = asked = self._claims[key]
                if row is not None:
                    attempt = -1 - attempt
                elif last:
                    db.execute(
                        "insert into calls values (?, ?, ?, ?, ?, ?, ?, 'answered', ?, 0, ?)",
                        (*asked, self._db.owner, time.time()),
                    )
            db.execute(
                "insert into replies values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    key,
                    attempt,
                    reply.outcome.value,
                    reply.cause,
                    reply.text,
                    usage.prompt_tokens,
                    usage.completion_tokens,
                    usage.usd,
                    seconds,
                    time.time(),
                ),
            )
            db.execute("update runs set spent = spent + ? where run = ?", (usage.usd, run))
        if last:
            self._claims.pop(key, None)
        self.spent_now += usage.usd
        self.calls_now += 1

    @whole
    def mark(self, key: str, outcome: Outcome, cause: str) -> None:
        """Say of the last reply to `key` what reading it showed."""
        with self.transaction() as db:
            db.execute(
                "update replies set outcome = ?, cause = ? where key = ? and attempt = "
                "(select max(attempt) from replies where key = ?)",
                (outcome.value, cause, key, key),
            )

    @whole
    def release(self, key: str) -> None:
        """Give up the claim on `key`, if it still is this process's, with what it reserved."""
        with self.transaction() as db:
            row = db.execute(
                "select run, reserved from calls where key = ? and state = 'claimed' and owner = ?",
                (key, self._db.owner),
            ).fetchone()
            if row is not None:
                _free(db, key, *row)

    @whole
    def reopen(self, keys: Sequence[str]) -> None:
        """Let answered calls be made again; their replies stay on record."""
        with self.transaction() as db:
            db.executemany("delete from calls where key = ?", [(key,) for key in keys])

    @whole
    def free_the_dead(self) -> int:
        """Release every claim of a process that is gone. Returns how many."""
        with self.transaction() as db:
            claims = db.execute(
                "select key, run, reserved, owner, claimed_at from calls where state = 'claimed'"
            ).fetchall()
            dead = [claim[:3] for claim in claims if not self._db.alive(*claim[3:])]
            for key, run, bound in dead:
                _free(db, key, run, bound)
        return len(dead)

    def in_flight(self, run: str) -> int:
        """Count the calls claimed for `run` that have no final reply yet."""
        (count,) = self._db.execute(
            "select count(*) from calls where state = 'claimed' and run = ?", (run,)
        ).fetchone()
        return int(count)

    def holder(self, key: str) -> str:
        """Return the host whose process holds the claim on `key`; empty where none does."""
        row = self._db.execute(
            "select owner from calls where key = ? and state = 'claimed'", (key,)
        ).fetchone()
        return str(row[0]).rsplit(":", 2)[0] if row else ""

    def spent(self, run: str) -> float:
        """Return the dollars that calls made for `run` have cost."""
        row = self._db.execute("select spent from runs where run = ?", (run,)).fetchone()
        return float(row[0]) if row else 0.0

    def tally(self, recipe: str, *, beside: Sequence[str] = ()) -> Tally:
        """Count the calls the stage result `recipe` rests on, by their last outcome.

        Args:
            beside: other results whose calls are counted already, and not here again.
        """
        others = ", ".join("?" * len(beside)) or "null"
        rows = self._db.execute(
            "select outcome, prompt_tokens, completion_tokens, usd, attempt = last from ("
            "  select r.*, max(r.attempt) over (partition by r.key) as last"
            "  from uses u join replies r on r.key = u.key where u.recipe = ? and u.key not in"
            f"  (select key from uses where recipe in ({others}))) as tries order by key, attempt",
            (recipe, *beside),
        ).fetchall()
        outcomes = Counter(row[0] for row in rows if row[4])
        usage = sum(
            (Usage(prompt_tokens=r[1], completion_tokens=r[2], usd=r[3]) for r in rows), Usage()
        )
        return Tally(
            stage=recipe.partition("/")[0],
            calls=sum(outcomes.values()),
            outcomes=dict(sorted(outcomes.items())),
            usage=usage,
        )

    def seconds(self, recipe: str) -> list[float]:
        """Return how long the calls took that the stage result `recipe` rests on, rising.

        Each is timed from its last try to its end, among as many others as were in flight; one
        that brought no answer took for ever.
        """
        rows = self._db.execute(
            "select r.seconds, r.outcome in ('ok', 'truncated') from uses u"
            " join replies r on r.key = u.key where u.recipe = ? and r.attempt ="
            " (select max(attempt) from replies where key = r.key)",
            (recipe,),
        )
        return sorted(float(row[0]) if row[1] else inf for row in rows)

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
                    " reserved, claimed_at from calls where key = ?",
                    (gone, key),
                )
                db.execute(
                    "update replies set key = ?, text = '', cause = '' where key = ?", (gone, key)
                )
                db.execute("update uses set key = ? where key = ?", (gone, key))
                db.execute("delete from calls where key = ?", (key,))


def _account(db: Tables, run: str) -> tuple[float, float]:
    """Return what a run has spent and reserved."""
    db.execute("insert into runs values (?, 0, 0) on conflict do nothing", (run,))
    spent, reserved = db.execute(
        "select spent, reserved from runs where run = ?", (run,)
    ).fetchone()
    return spent, reserved


def _free(db: Tables, key: str, run: str, bound: float) -> None:
    """Drop a claim. Its failed tries, if it had any, stay on record."""
    db.execute("delete from calls where key = ?", (key,))
    db.execute("update runs set reserved = reserved - ? where run = ?", (bound, run))
