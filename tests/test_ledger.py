"""The memory of paid calls: what is kept, who holds a claim, what a budget lets through."""

import os
import platform
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_world import answered_twice

from llamaduo.errors import LlamaDuoError
from llamaduo.ledger import Claim, Ledger
from llamaduo.records import Message, Outcome, Reply, Request, Usage

ASKED = Request(
    messages=(Message(role="user", content="How?"),), max_tokens=9, temperature=1.0, row="r1"
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "private" / "ledger.sqlite"


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    made = Ledger(path)
    yield made
    made.close()


def claim(
    ledger: Ledger,
    key: str,
    *,
    run: str = "run",
    bound: float = 1.0,
    budget: float | None = None,
) -> Claim:
    return ledger.claim(
        key, ASKED, service="s", seed=7, stage="judge/1", run=run, bound=bound, budget=budget
    )


def ok(usd: float = 0.25, text: str = "So.") -> Reply:
    usage = Usage(prompt_tokens=10, completion_tokens=2, usd=usd)
    return Reply(outcome=Outcome.OK, text=text, usage=usage)


def failed() -> Reply:
    return Reply(outcome=Outcome.FAILED, cause="RateLimitError: slow down")


def answer(ledger: Ledger, key: str, reply: Reply, *, last: bool = True) -> None:
    ledger.answer(key, reply, seconds=0.5, last=last)


def accounts(path: Path) -> dict[str, tuple[float, float]]:
    """Spent and reserved of every run, as another process would see them."""
    db = sqlite3.connect(path)
    try:
        rows = db.execute("select run, spent, reserved from runs").fetchall()
    finally:
        db.close()
    return {run: (spent, reserved) for run, spent, reserved in rows}


def give_to(path: Path, owner: str) -> None:
    """Let every claim be held by `owner`."""
    db = sqlite3.connect(path)
    with db:
        db.execute("update calls set owner = ? where state = 'claimed'", (owner,))
    db.close()


def test_a_reply_is_remembered_when_the_file_is_opened_again(path: Path) -> None:
    first = Ledger(path)
    assert claim(first, "k") is Claim.MINE
    answer(first, "k", ok(text="né\u2028\0!"))
    first.close()
    again = Ledger(path)
    assert again.reply("k") == ok(text="né\u2028\0!")
    assert claim(again, "k") is Claim.ANSWERED
    assert (again.spent("run"), again.spent_now, again.calls_now) == (0.25, 0.0, 0)
    again.close()


def test_a_call_without_reply_has_none(ledger: Ledger) -> None:
    assert ledger.reply("k") is None
    claim(ledger, "k")
    assert ledger.reply("k") is None


def test_what_a_call_can_cost_is_reserved_before_and_settled_after(
    ledger: Ledger, path: Path
) -> None:
    claim(ledger, "k", bound=1.0, budget=2.0)
    assert accounts(path) == {"run": (0.0, 1.0)}
    assert ledger.in_flight("run") == 1
    answer(ledger, "k", ok(usd=0.25))
    assert accounts(path) == {"run": (0.25, 0.0)}
    assert ledger.in_flight("run") == 0
    assert (ledger.spent_now, ledger.calls_now) == (0.25, 1)


def test_a_call_that_could_cost_more_than_is_left_is_not_claimed(
    ledger: Ledger, path: Path
) -> None:
    assert claim(ledger, "a", bound=1.0, budget=1.5) is Claim.MINE
    assert claim(ledger, "b", bound=1.0, budget=1.5) is Claim.TOO_DEAR
    answer(ledger, "a", ok(usd=0.5))
    assert claim(ledger, "b", bound=1.0, budget=1.5) is Claim.MINE
    assert accounts(path) == {"run": (0.5, 1.0)}


def test_what_is_known_costs_nothing_even_of_a_spent_budget(ledger: Ledger) -> None:
    claim(ledger, "k")
    answer(ledger, "k", ok())
    assert claim(ledger, "k", budget=0.0) is Claim.ANSWERED


def test_each_run_has_a_budget_of_its_own(ledger: Ledger, path: Path) -> None:
    claim(ledger, "a", run="one", budget=1.0)
    assert claim(ledger, "b", run="one", budget=1.0) is Claim.TOO_DEAR
    assert claim(ledger, "b", run="two", budget=1.0) is Claim.MINE
    answer(ledger, "b", ok(usd=0.75))
    assert accounts(path) == {"one": (0.0, 1.0), "two": (0.75, 0.0)}
    assert (ledger.spent("one"), ledger.spent("two"), ledger.spent("three")) == (0.0, 0.75, 0.0)


costs = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1), st.booleans()), max_size=12)


@settings(deadline=None)
@given(costs, st.floats(0, 3))
def test_no_order_of_calls_spends_more_than_the_budget(
    calls: list[tuple[float, float, bool]], budget: float
) -> None:
    ledger = Ledger(Path(":memory:"))  # SQLite's name for no file at all
    for i, (bound, share, given_up) in enumerate(calls):
        if claim(ledger, str(i), bound=bound, budget=budget) is Claim.MINE:
            if given_up:
                ledger.release(str(i))
            elif i % 3:
                answer(ledger, str(i), ok(usd=bound * share))
    assert ledger.spent("run") <= budget + 1e-6
    ledger.close()


def test_a_claim_that_is_given_up_gives_back_what_was_reserved(ledger: Ledger, path: Path) -> None:
    claim(ledger, "k", budget=1.0)
    ledger.release("k")
    assert accounts(path) == {"run": (0.0, 0.0)}
    assert claim(ledger, "k", budget=1.0) is Claim.MINE


def test_failed_tries_stay_on_record_when_a_claim_is_given_up(ledger: Ledger) -> None:
    claim(ledger, "k")
    answer(ledger, "k", failed(), last=False)
    assert (ledger.reply("k"), ledger.in_flight("run")) == (failed(), 1)
    ledger.release("k")
    claim(ledger, "k")
    answer(ledger, "k", ok())
    ledger.use("judge/1", ["k"])
    assert ledger.reply("k") == ok()
    assert (ledger.calls_now, ledger.tally("judge/1").outcomes) == (2, {"ok": 1})
    assert answered_twice(ledger) == 0


def test_what_reading_showed_replaces_the_outcome_of_the_last_reply_only(ledger: Ledger) -> None:
    claim(ledger, "k")
    answer(ledger, "k", failed(), last=False)
    answer(ledger, "k", ok())
    ledger.mark("k", Outcome.UNREADABLE, "no score")
    ledger.use("judge/1", ["k"])
    marked = ok().model_copy(update={"outcome": Outcome.UNREADABLE, "cause": "no score"})
    assert ledger.reply("k") == marked
    assert ledger.tally("judge/1").outcomes == {"unreadable": 1}


def test_a_claim_of_this_process_is_taken_for_any_other(ledger: Ledger, path: Path) -> None:
    other = Ledger(path)
    claim(ledger, "k")
    assert claim(other, "k") is Claim.TAKEN
    assert other.free_the_dead() == 0
    answer(ledger, "k", ok())
    assert claim(other, "k") is Claim.ANSWERED
    other.close()


def gone() -> str:
    """The owner string of a process that has run and ended."""
    command = "from llamaduo.owner import this_process as p; print(p())"
    return subprocess.run(
        [sys.executable, "-c", command], capture_output=True, text=True, check=True
    ).stdout.strip()


def test_a_claim_of_a_process_that_is_gone_is_free(ledger: Ledger, path: Path) -> None:
    claim(ledger, "k", budget=1.0)
    give_to(path, gone())
    assert claim(ledger, "k", budget=1.0) is Claim.MINE
    assert accounts(path) == {"run": (0.0, 1.0)}


def test_all_claims_of_the_dead_are_freed_and_no_other(ledger: Ledger, path: Path) -> None:
    claim(ledger, "a", bound=1.0)
    claim(ledger, "b", bound=0.5, run="other")
    give_to(path, gone())
    claim(ledger, "c", bound=0.25)
    assert ledger.free_the_dead() == 2
    assert accounts(path) == {"run": (0.0, 0.25), "other": (0.0, 0.0)}
    assert claim(ledger, "a") is Claim.MINE


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


def test_a_tally_counts_calls_by_last_outcome_and_sums_what_all_tries_used(
    ledger: Ledger,
) -> None:
    for key in ("a", "b", "c", "unused"):
        claim(ledger, key)
    billed = failed().model_copy(update={"usage": Usage(prompt_tokens=4, usd=0.125)})
    answer(ledger, "a", billed, last=False)
    answer(ledger, "a", ok(usd=0.25))
    answer(ledger, "b", failed())
    answer(ledger, "unused", ok(usd=8.0))
    cut = Usage(prompt_tokens=1, completion_tokens=3, usd=0.5)
    answer(ledger, "c", Reply(outcome=Outcome.TRUNCATED, cause="max_tokens", usage=cut))
    ledger.use("judge/1", ["a", "b", "c"])
    ledger.use("judge/1", ["a"])
    tally = ledger.tally("judge/1")
    assert (tally.stage, tally.calls) == ("judge", 3)
    assert tally.outcomes == {"failed": 1, "ok": 1, "truncated": 1}
    assert tally.usage == Usage(prompt_tokens=15, completion_tokens=5, usd=0.875)


def test_a_call_that_two_results_rest_on_counts_for_both(ledger: Ledger) -> None:
    claim(ledger, "k")
    answer(ledger, "k", ok())
    ledger.use("judge/1", ["k"])
    ledger.use("judge/2", ["k"])
    one, two = ledger.tally("judge/1"), ledger.tally("judge/2")
    assert one == two
    assert (one.calls, one.usage) == (1, ok().usage)


def test_a_result_without_calls_has_an_empty_tally(ledger: Ledger) -> None:
    tally = ledger.tally("judge/none")
    assert (tally.calls, tally.outcomes, tally.usage) == (0, {}, Usage())


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


def test_a_ledger_of_another_version_is_refused_and_left_as_it_is(path: Path) -> None:
    Ledger(path).close()
    db = sqlite3.connect(path)
    db.execute("pragma user_version = 2")
    db.close()
    with pytest.raises(LlamaDuoError, match="has schema 2, this llamaduo reads 1"):
        Ledger(path)
    db = sqlite3.connect(path)
    assert db.execute("pragma user_version").fetchone() == (2,)
    db.close()


def test_a_file_that_is_no_ledger_is_not_written_to(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"notes of mine, not a database" * 40)
    with pytest.raises(sqlite3.DatabaseError):
        Ledger(path)
    assert path.read_bytes() == b"notes of mine, not a database" * 40
