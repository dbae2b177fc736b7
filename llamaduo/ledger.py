"""The memory of paid calls: every reply kept, every dollar counted, no call bought twice.

One SQLite file (WAL) shared by all processes of a home. A call is claimed, with what it
can cost at most reserved from its run's budget, and then answered; both are transactions.
A claim whose process is gone is free again. Its call may have been paid for: a provider
can bill a request that was in flight when the process was killed.
"""

import sqlite3
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import Enum
from importlib.resources import files
from math import inf
from pathlib import Path
from uuid import uuid4

from llamaduo.errors import LlamaDuoError
from llamaduo.owner import alive, this_process
from llamaduo.records import Outcome, Reply, Request, Tally, Usage

SCHEMA = 1
"""Number of the tables' shape, kept in SQLite's `user_version`."""

FORGOTTEN = "forgotten-"
"""Begins the key of a call of which only figures are left."""

PATIENCE = 60.0
"""Seconds to wait for another process that holds the file."""

TABLES = files("llamaduo").joinpath("ledger.sql").read_text(encoding="utf-8")


class Claim(Enum):
    """What came of wanting to make a call."""

    MINE = "this process makes it"
    ANSWERED = "it has been answered"
    TAKEN = "another process is making it"
    TOO_DEAR = "it could cost more than is left"


class Ledger:
    """Paid calls in the file `path`, made if it is not there."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.owner = this_process()
        self.spent_now = 0.0
        """Dollars this process has paid."""
        self.calls_now = 0
        """Tries this process has sent, those that failed too."""
        self._db = sqlite3.connect(path, isolation_level=None, timeout=PATIENCE)
        self._to_wal()
        self._db.execute("pragma synchronous = full")
        with self.transaction():
            (version,) = self._db.execute("pragma user_version").fetchone()
            if version == 0:
                for statement in TABLES.split(";"):
                    self._db.execute(statement)
                self._db.execute(f"pragma user_version = {SCHEMA}")
        if version not in (0, SCHEMA):
            self.close()
            raise LlamaDuoError(
                f"{path} has schema {version}, this llamaduo reads {SCHEMA}: it was written by "
                "another version; use that one, or another home"
            )

    def _to_wal(self) -> None:
        """Switch the file to WAL; SQLite has no wait for processes that do so at once."""
        late = time.monotonic() + PATIENCE
        while True:
            try:
                self._db.execute("pragma journal_mode = wal")
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > late:
                    raise
                time.sleep(0.01)

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def use(self, recipe: str, keys: Sequence[str]) -> None:
        """Note that the stage result `recipe` rests on `keys`, whoever paid for them."""
        with self.transaction():
            self._db.executemany(
                "insert or ignore into uses values (?, ?)", [(recipe, key) for key in keys]
            )

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
        with self.transaction():
            row = self._db.execute(
                "select state, owner, reserved, run, claimed_at from calls where key = ?", (key,)
            ).fetchone()
            if row is not None:
                state, owner, reserved, claimed_for, since = row
                if state == "answered":
                    return Claim.ANSWERED
                if alive(owner, since):
                    return Claim.TAKEN
                self._free(key, claimed_for, reserved)
            spent, reserved = self._account(run)
            if budget is not None and spent + reserved + bound > budget + 1e-9:
                return Claim.TOO_DEAR
            self._db.execute(
                "insert into calls values (?, ?, ?, ?, ?, ?, ?, 'claimed', ?, ?, ?)",
                (
                    key,
                    service,
                    request.model_dump_json(),
                    seed,
                    stage,
                    request.row,
                    run,
                    self.owner,
                    bound,
                    time.time(),
                ),
            )
            self._db.execute("update runs set reserved = reserved + ? where run = ?", (bound, run))
            return Claim.MINE

    def answer(self, key: str, reply: Reply, *, seconds: float, last: bool) -> None:
        """Keep a reply. With `last` the call is answered and its reservation settled."""
        usage = reply.usage
        with self.transaction():
            run, bound = self._db.execute(
                "select run, reserved from calls where key = ?", (key,)
            ).fetchone()
            (attempt,) = self._db.execute(
                "select count(*) from replies where key = ?", (key,)
            ).fetchone()
            self._db.execute(
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
            self._db.execute("update runs set spent = spent + ? where run = ?", (usage.usd, run))
            if last:
                self._db.execute(
                    "update calls set state = 'answered', reserved = 0 where key = ?", (key,)
                )
                self._db.execute(
                    "update runs set reserved = reserved - ? where run = ?", (bound, run)
                )
        self.spent_now += usage.usd
        self.calls_now += 1

    def mark(self, key: str, outcome: Outcome, cause: str) -> None:
        """Say of the last reply to `key` what reading it showed."""
        with self.transaction():
            self._db.execute(
                "update replies set outcome = ?, cause = ? where key = ? and attempt = "
                "(select max(attempt) from replies where key = ?)",
                (outcome.value, cause, key, key),
            )

    def release(self, key: str) -> None:
        """Give up the claim on `key`, with what was reserved for it."""
        with self.transaction():
            run, bound = self._db.execute(
                "select run, reserved from calls where key = ? and state = 'claimed'", (key,)
            ).fetchone()
            self._free(key, run, bound)

    def reopen(self, keys: Sequence[str]) -> None:
        """Let answered calls be made again; their replies stay on record."""
        with self.transaction():
            self._db.executemany("delete from calls where key = ?", [(key,) for key in keys])

    def free_the_dead(self) -> int:
        """Release every claim of a process that is gone. Returns how many."""
        with self.transaction():
            claims = self._db.execute(
                "select key, run, reserved, owner, claimed_at from calls where state = 'claimed'"
            ).fetchall()
            dead = [claim[:3] for claim in claims if not alive(*claim[3:])]
            for key, run, bound in dead:
                self._free(key, run, bound)
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
        others = ", ".join("?" * len(beside))
        rows = self._db.execute(
            "select outcome, prompt_tokens, completion_tokens, usd, attempt = last from ("
            "  select r.*, max(r.attempt) over (partition by r.key) as last"
            "  from uses u join replies r on r.key = u.key where u.recipe = ? and u.key not in"
            f"  (select key from uses where recipe in ({others}))) order by key",
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
            "select r.seconds, r.outcome in ('ok', 'truncated'), max(r.attempt)"
            " from uses u join replies r on r.key = u.key where u.recipe = ? group by r.key",
            (recipe,),
        )
        return sorted(float(row[0]) if row[1] else inf for row in rows)

    def _account(self, run: str) -> tuple[float, float]:
        self._db.execute("insert or ignore into runs values (?, 0, 0)", (run,))
        spent, reserved = self._db.execute(
            "select spent, reserved from runs where run = ?", (run,)
        ).fetchone()
        return spent, reserved

    def _free(self, key: str, run: str, bound: float) -> None:
        """Drop a claim. Its failed tries, if it had any, stay on record."""
        self._db.execute("delete from calls where key = ?", (key,))
        self._db.execute("update runs set reserved = reserved - ? where run = ?", (bound, run))

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Hand out the tables; all that is done with them is done, or nothing."""
        self._db.execute("begin immediate")
        try:
            yield self._db
        except BaseException:
            self._db.execute("rollback")
            raise
        self._db.execute("commit")

    def scrub(self, keys: Sequence[str]) -> None:
        """Take out of calls what was asked and said; what they cost, and when, stays.

        A scrubbed call has another key, so that it is no answer to anything: asking again is a
        new call. The file is written anew, without what stood in it before.

        Raises:
            LlamaDuoError: if another process keeps the file from being written anew.
        """
        self._db.execute("pragma secure_delete = on")
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
        try:
            self._db.execute("vacuum")
            (busy, *_) = self._db.execute("pragma wal_checkpoint(truncate)").fetchone()
        except sqlite3.OperationalError as error:
            raise LlamaDuoError(f"the ledger cannot be written anew ({error})") from None
        if busy:
            raise LlamaDuoError(
                "another process has the ledger open, whose log may still hold what was taken "
                "out: end it, and give the same command again"
            )
