"""Where a ledger is kept in a test: a file or a server, also as another program sees it."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llamaduo.database import URL
from llamaduo.database.postgresql import Postgresql
from llamaduo.ledger import Call, Claim, Ledger
from llamaduo.records import Message, Outcome, Reply, Request, Usage
from llamaduo.service import Heard, Limits

ASKED = Request(
    messages=(Message(role="user", content="How?"),), max_tokens=9, temperature=1.0, row="r1"
)


@dataclass(frozen=True)
class Kept:
    """A place for a ledger, that any number of processes may open."""

    private: Path
    on_server: bool

    @property
    def where(self) -> str:
        return "server" if self.on_server else "file"

    def open(self) -> Ledger:
        if not self.on_server:
            return Ledger(self.private / "ledger.sqlite")
        self.private.mkdir(parents=True, exist_ok=True)
        return Ledger(Postgresql(self.private))

    def look(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Do one statement, past the ledger."""
        if not self.on_server:
            with closing(sqlite3.connect(self.private / "ledger.sqlite")) as db, db:
                return db.execute(sql, values).fetchall()
        import psycopg2

        with closing(psycopg2.connect(os.environ[URL])) as db, db, db.cursor() as cursor:
            cursor.execute("set search_path = llamaduo")
            cursor.execute(sql.replace("?", "%s"), values)
            return list(cursor.fetchall()) if cursor.description else []

    def unproven(self) -> float:
        """What may have been billed unseen, of all runs, and the same of all days."""
        [(of_runs,)] = self.look("select coalesce(sum(unproven), 0) from runs")
        [(of_days,)] = self.look("select coalesce(sum(unproven), 0) from days")
        assert abs(of_runs - of_days) < 1e-9, "both accounts say the same"
        return float(of_runs)

    def accounts(self) -> dict[str, tuple[float, float]]:
        """Spent and reserved of every run."""
        rows = self.look("select run, spent, reserved from runs")
        return {run: (spent, reserved) for run, spent, reserved in rows}

    def account(self) -> tuple[float, float]:
        """Spent and reserved of the only run."""
        [both] = self.accounts().values()
        return both

    def give_to(self, owner: str) -> None:
        """Let every claim be held by `owner`."""
        self.look("update calls set owner = ? where state = 'claimed'", [owner])

    def gone(self) -> str:
        """The owner string of a process that has used the ledger and ended."""
        if self.on_server:
            with closing(self.open()) as ledger:
                return ledger.owner
        command = "from llamaduo.owner import this_process as p; print(p())"
        return subprocess.run(
            [sys.executable, "-c", command], capture_output=True, text=True, check=True
        ).stdout.strip()


def call(
    key: str,
    *,
    run: str = "run",
    bound: float = 1.0,
    budget: float | None = None,
    cap: float | None = None,
    payee: str = "p",
) -> Call:
    return Call(
        key=key,
        request=ASKED,
        service="s",
        limits=Limits(payee=payee, usd_per_day=cap),
        seed=7,
        stage="judge/1",
        run=run,
        bound=bound,
        budget=budget,
    )


def claim(ledger: Ledger, key: str, **given: Any) -> Claim:
    """Claim a call of `run`, at $1 at most."""
    return ledger.claim(call(key, **given))


def ok(usd: float = 0.25, text: str = "So.") -> Reply:
    usage = Usage(prompt_tokens=10, completion_tokens=2, usd=usd)
    return Reply(outcome=Outcome.OK, text=text, usage=usage)


def failed() -> Reply:
    return Reply(outcome=Outcome.FAILED, cause="RateLimitError: slow down")


def answer(ledger: Ledger, key: str, reply: Reply, *, last: bool = True) -> None:
    ledger.answer(key, Heard(reply), seconds=0.5, last=last)
