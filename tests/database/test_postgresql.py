"""The ledger on a server: what breaks, and what many processes do, costs nothing twice."""

import importlib.util
import os
import shlex
import signal
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from crowd import BUDGET, ended, start
from kept import Kept, answer, claim, ok
from small_world import answered_twice, coverage_file
from test_desk import BOUND, COST

from llamaduo.config import from_overrides
from llamaduo.database import SCHEMA, URL, Lost, server
from llamaduo.database.postgresql import Found, Postgresql
from llamaduo.errors import LlamaDuoError, UsageError
from llamaduo.hosts import ledger_of
from llamaduo.ledger import Claim, Ledger


@pytest.fixture
def kept(tmp_path: Path, ledger_url: str) -> Kept:
    return Kept(tmp_path / "home" / ".llamaduo", on_server=True)


@pytest.fixture
def ledger(kept: Kept) -> Iterator[Ledger]:
    made = kept.open()
    yield made
    made.close()


def break_off(kept: Kept, ledger: Ledger) -> None:
    """Let the server end the ledger's connection, as a restart does."""
    pid = ledger._db._db.info.backend_pid  # type: ignore[attr-defined]
    kept.look("select pg_terminate_backend(?, 5000)", [pid])


def test_any_text_comes_back_as_it_was(ledger: Ledger) -> None:
    for key, text in enumerate(["\0", "\ufdd0", "\ufdd00\0", "a\0\ufdd01b", "50 % of {} ? %s"]):
        claim(ledger, str(key))
        answer(ledger, str(key), ok(text=text).model_copy(update={"cause": text}))
        reply = ledger.reply(str(key))
        assert reply is not None
        assert (reply.text, reply.cause) == (text, text)


def test_eight_processes_that_ask_the_same_on_an_empty_server_pay_once(kept: Kept) -> None:
    said = ended(start("same", kept, many=8))
    assert [line.split()[0] for line in said] == ["12"] * 8
    assert sum(int(line.split()[1]) for line in said) == 12
    with closing(kept.open()) as ledger:
        assert ledger.spent("run") == pytest.approx(12 * COST)
        assert answered_twice(ledger) == 0
    assert kept.look("select count(*) from about") == [(1,)]


def test_four_processes_do_not_pass_a_budget(kept: Kept) -> None:
    paid = sum(map(int, ended(start("spend", kept, many=4))))
    spent, reserved = kept.account()
    assert spent == pytest.approx(paid * COST)
    assert reserved == pytest.approx(0)
    assert spent <= BUDGET < spent + BOUND, "none stopped sooner than it had to"


def test_two_jobs_of_one_run_make_and_pay_each_thing_once(kept: Kept, tmp_path: Path) -> None:
    kept.private.mkdir(parents=True)
    coverage_file(kept.private.parent)
    one, two = (line.split() for line in ended(start("run", kept, many=2)))
    assert one[2] == two[2], "both have the same result"
    replies, calls = kept.look("select count(*), count(distinct key) from replies")[0]
    assert int(one[0]) + int(two[0]) == replies == calls
    assert int(one[1]) + int(two[1]) == 2, "each of two rounds was tuned once"
    assert not (kept.private / "ledger.sqlite").exists()
    looks = (kept.private / "openings" / "openings.jsonl").read_text().splitlines()
    assert len(looks) == len(set(looks)) > 0


def test_the_claim_and_the_lock_of_a_killed_process_are_free_at_once(
    ledger: Ledger, kept: Kept
) -> None:
    crowd = start("die", kept)
    assert crowd.stdout is not None
    pid = int(crowd.stdout.readline())
    assert claim(ledger, "k", budget=2.0) is Claim.TAKEN
    assert ledger.free_the_dead() == 0
    os.kill(pid, signal.SIGKILL)
    crowd.communicate(timeout=30)
    began = time.monotonic()
    while claim(ledger, "k", budget=2.0) is Claim.TAKEN:
        assert time.monotonic() < began + 5
        time.sleep(0.01)
    assert (kept.account(), kept.unproven()) == ((0.0, 1.0), 1.0)
    with ledger.held(kept.private / "lock"):
        assert time.monotonic() < began + 5


def test_a_connection_that_breaks_between_two_calls_is_no_matter(
    ledger: Ledger, kept: Kept
) -> None:
    claim(ledger, "k", bound=1.0)
    before = ledger.owner
    break_off(kept, ledger)
    assert ledger.spent("run") == 0.0
    assert ledger.owner != before
    with closing(kept.open()) as other:
        assert other.free_the_dead() == 0, "the claim went over to the new connection"
    break_off(kept, ledger)
    answer(ledger, "k", ok(usd=0.25))
    assert kept.account() == (0.25, 0.0)


def breaking(
    kept: Kept, ledger: Ledger, patch: pytest.MonkeyPatch, at: str, *, after: bool
) -> list[str]:
    """Break the connection once, right before or after a statement that begins with `at`."""
    do, broken = Postgresql._do, list[str]()

    def breaks(self: Postgresql, sql: str, params: Sequence[Any] = ()) -> Found:
        if broken or not sql.startswith(at):
            return do(self, sql, params)
        broken.append(sql)
        if after:
            do(self, sql, params)
        break_off(kept, ledger)
        return do(self, sql, params)

    patch.setattr(Postgresql, "_do", breaks)
    return broken


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(
    "at", ["begin", "insert into replies", "insert into runs", "insert into turns"]
)
def test_wherever_a_connection_breaks_a_reply_is_kept_and_counted_once(
    at: str, after: bool, ledger: Ledger, kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim(ledger, "k", bound=1.0)
    broken = breaking(kept, ledger, monkeypatch, at, after=after)
    answer(ledger, "k", ok(usd=0.25))
    assert broken
    assert kept.account() == (0.25, 0.0)
    assert kept.look("select attempt, usd from replies") == [(0, 0.25)]
    assert claim(ledger, "k") is Claim.ANSWERED


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", ["insert into calls", "insert into turns"])
def test_wherever_a_connection_breaks_a_claim_is_made_once(
    at: str, after: bool, ledger: Ledger, kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaking(kept, ledger, monkeypatch, at, after=after)
    assert claim(ledger, "k", bound=1.0, budget=1.5) is Claim.MINE
    assert kept.account() == (0.0, 1.0)
    answer(ledger, "k", ok(usd=0.25))
    assert kept.account() == (0.25, 0.0)


def test_a_connection_that_breaks_again_while_it_is_made_anew_loses_nothing(
    ledger: Ledger, kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim(ledger, "k", bound=1.0)
    broken = breaking(kept, ledger, monkeypatch, "insert into turns", after=True)
    do, again = Postgresql._do, list[str]()

    def breaks(self: Postgresql, sql: str, params: Sequence[Any] = ()) -> Found:
        found = do(self, sql, params)
        if broken and sql == "commit" and not again:  # of the next connection's first turn
            again.append(sql)
            break_off(kept, ledger)
            do(self, "select 1")
        return found

    monkeypatch.setattr(Postgresql, "_do", breaks)
    answer(ledger, "k", ok(usd=0.25))
    assert again
    assert kept.account() == (0.25, 0.0)
    assert kept.look("select attempt, usd from replies") == [(0, 0.25)]


def test_of_a_transaction_in_which_the_connection_breaks_nothing_is_kept(
    ledger: Ledger, kept: Kept
) -> None:
    with (
        pytest.raises(Lost, match=f"the server of {URL} cannot be used"),
        ledger.transaction() as db,
    ):
        db.execute("insert into uses values (?, ?)", ("judge/1", "k"))
        break_off(kept, ledger)
        db.execute("insert into uses values (?, ?)", ("judge/2", "k"))
    assert kept.look("select * from uses") == []


def test_of_a_transaction_that_raises_nothing_is_kept(ledger: Ledger, kept: Kept) -> None:
    with pytest.raises(ZeroDivisionError), ledger.transaction() as db:
        db.executemany("insert into uses values (?, ?)", [("judge/1", "a"), ("judge/1", "b")])
        raise ZeroDivisionError
    assert kept.look("select * from uses") == []
    assert claim(ledger, "k") is Claim.MINE


def cut_off(kept: Kept, ledger: Ledger, other: Ledger) -> None:
    """Break the connection, and have another process see to the claims before it is back."""
    break_off(kept, ledger)
    assert other.free_the_dead() == 1


def test_a_reply_whose_claim_was_taken_for_dead_is_kept_and_counted(
    ledger: Ledger, kept: Kept
) -> None:
    claim(ledger, "k", bound=1.0)
    with closing(kept.open()) as other:
        cut_off(kept, ledger, other)
        answer(ledger, "k", ok(usd=0.25))
        assert (kept.account(), kept.unproven()) == ((0.25, 0.0), 0.0), "it was seen after all"
        assert claim(other, "k") is Claim.ANSWERED
        assert other.reply("k") == ok(usd=0.25)


def test_a_reply_whose_call_another_has_taken_over_is_counted_and_the_others_stands(
    ledger: Ledger, kept: Kept
) -> None:
    claim(ledger, "k", bound=1.0)
    with closing(kept.open()) as other:
        cut_off(kept, ledger, other)
        assert claim(other, "k", bound=1.0) is Claim.MINE
        answer(ledger, "k", ok(usd=0.25, text="late"))
        assert (kept.account(), kept.unproven()) == ((0.25, 1.0), 0.0)
        ledger.release("k")
        assert claim(ledger, "k") is Claim.TAKEN, "what is no longer ours is not let go"
        answer(other, "k", ok(usd=0.5, text="in time"))
        assert kept.account() == (0.75, 0.0)
        reply = ledger.reply("k")
        assert reply is not None
        assert reply.text == "in time"


def test_tables_of_others_in_the_same_database_are_left_alone(
    postgres: Any, kept: Kept, ledger_url: str
) -> None:
    postgres.psql("create table runs (run_uuid text); insert into runs values ('mlflows')")
    try:
        with closing(kept.open()) as ledger:
            claim(ledger, "k")
        assert "mlflows" in postgres.psql("select * from public.runs")
    finally:
        postgres.psql("drop table public.runs")


def test_a_ledger_of_another_version_is_refused(kept: Kept) -> None:
    kept.open().close()
    kept.look("update about set version = ?", [SCHEMA + 1])
    said = f"the server of {URL} has schema {SCHEMA + 1}, this llamaduo reads {SCHEMA}"
    with pytest.raises(LlamaDuoError, match=said):
        kept.open()


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:pa/ss-w0rd@host/ledger",
        "postgresql://me:pa@ss-w0rd@host/ledger",
        "postgresql://me:pa#ss-w0rd@host/ledger",
        "postgresql://me:pa?ss-w0rd@host/ledger",
        "postgresql://me:pa%ss-w0rd@host/ledger",
        "postgresql://me:pass-w0rd@127.0.0.1:1/ledger",
        "postgresql+psycopg2://me:pass-w0rd@127.0.0.1:1/ledger",
        "postgresql://127.0.0.1:1/ledger?password=pass-w0rd",
    ],
)
def test_a_server_that_cannot_be_used_is_said_in_words_without_the_password(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(URL, url)
    with pytest.raises(UsageError) as refused:
        Postgresql(tmp_path)
    said = str(refused.value)
    assert URL in said
    assert "w0rd" not in said
    assert refused.value.__suppress_context__ or refused.value.__context__ is None


def test_a_database_that_is_not_there_is_said(
    ledger_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(URL, ledger_url.replace("/postgres?", "/nowhere?"))
    with pytest.raises(UsageError, match='database "nowhere" does not exist'):
        Postgresql(tmp_path)


def test_a_user_who_may_make_no_tables_is_told(
    postgres: Any, ledger_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    postgres.psql("create role guest login")
    monkeypatch.setenv(URL, ledger_url.replace("postgres:@", "guest:@"))
    try:
        with pytest.raises(LlamaDuoError, match="permission denied for database"):
            Postgresql(tmp_path)
    finally:
        postgres.psql("drop role guest")


def test_a_server_that_stays_away_ends_the_run_in_words(
    ledger: Ledger, kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim(ledger, "k")
    monkeypatch.setattr(server, "PATIENCE", 0.2)
    break_off(kept, ledger)
    monkeypatch.setattr(ledger._db.server, "_url", "postgresql://127.0.0.1:1/x")  # type: ignore[attr-defined]
    with pytest.raises(LlamaDuoError, match="What was bought is kept; the same command goes on"):
        answer(ledger, "k", ok())


def test_what_is_missing_for_a_server_is_said_before_anything_is_spent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(URL, raising=False)
    exp = from_overrides(["experiments=demo_tiny", "ledger=postgresql"])
    said = f"ledger: set {URL} in the environment, such as postgresql://user:password@host/database"
    assert said in exp.faults()
    with pytest.raises(UsageError, match=f"set {URL}"):
        ledger_of(exp)
    monkeypatch.setenv(URL, "postgresql://host/db")
    assert [fault for fault in exp.faults() if fault.startswith("ledger")] == []
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "psycopg2" else find(name)
    )
    [fault] = [fault for fault in exp.faults() if fault.startswith("ledger")]
    assert fault == 'ledger: postgresql takes psycopg2: pip install "llamaduo[postgres]"'


def test_calls_of_many_keys_are_counted_by_outcome(ledger: Ledger) -> None:
    keys = [str(n) for n in range(600)]  # more than go in one message
    ledger.use("judge/1", keys)
    for key in keys[::100]:
        claim(ledger, key)
        answer(ledger, key, ok())
    counted = Counter(ledger.tally("judge/1").outcomes)
    assert counted == {"ok": 6}
    assert ledger.tally("judge/2", beside=["judge/1"]).calls == 0
    assert ledger.seconds("judge/1") == [0.5] * 6


def test_the_ledger_can_be_looked_into_as_the_page_says(ledger: Ledger, postgres: Any) -> None:
    page = Path(__file__).parents[2] / "docs/several-hosts.md"
    [line] = [one for one in page.read_text().splitlines() if one.startswith("psql ")]
    claim(ledger, "k")
    answer(ledger, "k", ok(usd=0.25))
    found = postgres.psql(shlex.split(line)[3])
    assert "0.25" in found
