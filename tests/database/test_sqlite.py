"""The ledger in a file: whose claims are of the dead, and files that are none of ours."""

import os
import platform
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import psutil
import pytest
from kept import Kept, claim

from llamaduo.database import SCHEMA
from llamaduo.database import sqlite as sqlite_module
from llamaduo.errors import LlamaDuoError
from llamaduo.ledger import Claim, Ledger
from llamaduo.records import Outcome, Reply, Usage


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "private" / "ledger.sqlite"


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    made = Ledger(path)
    yield made
    made.close()


def give_to(path: Path, owner: str) -> None:
    Kept(path.parent, on_server=False).give_to(owner)


def test_another_process_under_the_number_of_a_dead_one_holds_no_claim(
    ledger: Ledger, path: Path
) -> None:
    claim(ledger, "k")
    host, pid, started = ledger.owner.rsplit(":", 2)
    give_to(path, f"{host}:{pid}:{float(started) - 60:.2f}")
    assert claim(ledger, "k") is Claim.MINE


def test_a_killed_process_that_nobody_has_waited_for_holds_no_claim(
    ledger: Ledger, path: Path
) -> None:
    command = "import llamaduo.owner as l; print(l.this_process(), flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        owner = child.stdout.readline().strip()
        claim(ledger, "k")
        give_to(path, owner)
        assert claim(ledger, "k") is Claim.TAKEN
        os.kill(child.pid, signal.SIGKILL)
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert psutil.Process(child.pid).status() == psutil.STATUS_ZOMBIE
        assert claim(ledger, "k") is Claim.MINE


def test_a_claim_of_another_machine_cannot_be_judged_and_is_left(
    ledger: Ledger, path: Path
) -> None:
    claim(ledger, "k")
    give_to(path, f"not-{platform.node()}:1:0.00")
    assert claim(ledger, "k") is Claim.TAKEN


@pytest.mark.skipif(sys.platform != "linux", reason="replaces what Linux says")
def test_a_step_of_the_clock_kills_no_process(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    from psutil import _pslinux

    claim(ledger, "k")
    stepped = psutil.boot_time() + 3600
    monkeypatch.setattr(_pslinux, "boot_time", lambda: stepped)
    assert claim(ledger, "k") is Claim.TAKEN


def fail_to_switch(patch: pytest.MonkeyPatch, code: int, times: int) -> None:
    """Let SQLite fail so often to switch a file to WAL, as it does to two at once."""
    left = iter(range(times))

    class Failing(sqlite3.Connection):
        def execute(self, sql: str, *given: Any) -> sqlite3.Cursor:
            if "journal_mode" in sql and next(left, None) is not None:
                error = sqlite3.OperationalError("it failed")
                error.sqlite_errorcode = code
                raise error
            return super().execute(sql, *given)

    connect = sqlite3.connect
    patch.setattr(sqlite3, "connect", lambda *a, **given: connect(*a, factory=Failing, **given))


def test_a_file_that_others_open_for_the_first_time_too_is_waited_for(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_to_switch(monkeypatch, sqlite3.SQLITE_BUSY, times=3)
    ledger = Ledger(path)
    assert claim(ledger, "k") is Claim.MINE
    ledger.close()


def test_a_file_that_cannot_be_opened_is_not_waited_for(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_to_switch(monkeypatch, sqlite3.SQLITE_IOERR, times=1)
    with pytest.raises(sqlite3.OperationalError, match="it failed"):
        Ledger(path)


def test_a_file_that_another_process_does_not_let_go_of_is_said_in_words(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_module, "PATIENCE", 0.05)
    first, second = Ledger(path), Ledger(path)
    with first.transaction(), pytest.raises(LlamaDuoError, match="the same command goes on"):
        claim(second, "k")
    assert claim(second, "k") is Claim.MINE
    first.close()
    second.close()


def test_a_ledger_of_an_older_version_is_brought_up_and_loses_nothing(path: Path) -> None:
    path.parent.mkdir()
    db = sqlite3.connect(path)
    schema = files("llamaduo.database").joinpath("schema")
    db.executescript(schema.joinpath("1.sql").read_text(encoding="utf-8"))
    db.execute(
        "insert into calls values ('a', 's', '{}', 7, 'j/1', 'r1', 'run', 'answered', 'o', 0, 9)"
    )
    db.execute(
        "insert into calls values ('b', 's', '{}', 7, 'j/1', 'r1', 'run', 'claimed', 'h:1:2', 1, 9)"
    )
    db.execute("insert into replies values ('a', 0, 'ok', '', 'So.', 10, 2, 0.25, 0.5, 9)")
    db.execute("insert into runs values ('run', 0.25, 1)")
    db.execute("pragma user_version = 1")
    db.commit()
    db.close()
    ledger = Ledger(path)
    usage = Usage(prompt_tokens=10, completion_tokens=2, usd=0.25)
    assert ledger.reply("a") == Reply(outcome=Outcome.OK, text="So.", usage=usage)
    assert claim(ledger, "a") is Claim.ANSWERED
    assert ledger.free_the_dead() == 1
    assert (ledger.spent("run"), ledger.unproven("run")) == (0.25, 1.0), "it may have been billed"
    ledger.close()
    fresh = path.with_name("fresh.sqlite")
    Ledger(fresh).close()
    shapes = []
    for one in (path, fresh):
        db = sqlite3.connect(one)
        shapes.append(sorted(db.execute("select name, trim(sql, char(10)) from sqlite_master")))
        assert db.execute("pragma user_version").fetchone() == (SCHEMA,)
        db.close()
    assert shapes[0] == shapes[1]


def test_a_ledger_of_another_version_is_refused_and_left_as_it_is(path: Path) -> None:
    Ledger(path).close()
    db = sqlite3.connect(path)
    db.execute("pragma user_version = 3")
    db.close()
    with pytest.raises(LlamaDuoError, match="has schema 3, this llamaduo reads 2"):
        Ledger(path)
    db = sqlite3.connect(path)
    assert db.execute("pragma user_version").fetchone() == (3,)
    db.close()


def test_a_file_that_is_no_ledger_is_not_written_to(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"notes of mine, not a database" * 40)
    with pytest.raises(sqlite3.DatabaseError):
        Ledger(path)
    assert path.read_bytes() == b"notes of mine, not a database" * 40
