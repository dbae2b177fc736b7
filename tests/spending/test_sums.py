"""What was paid, summed: every dollar once, whatever it is asked by, in a file or on a server."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kept import Kept, claim
from kept_world import go, made
from small_world import Diary

from llamaduo.ledger import Ledger, accounts
from llamaduo.ledger.tallies import same_model
from llamaduo.records import Outcome, Reply, Usage
from llamaduo.service import Heard
from llamaduo.spending import state, text
from llamaduo.spending.rounds import walked
from llamaduo.spending.sums import BY, Scope, Sum, sums

PRICE = '{"as_of": "2026-11-01", "input": 1.0, "output": 2.0, "source": "a list"}'


@pytest.fixture
def ledger(kept: Kept) -> Iterator[Ledger]:
    made_ = kept.open()
    yield made_
    made_.close()


def heard(outcome: Outcome = Outcome.OK, usd: float = 0.25, **more: Any) -> Heard:
    usage = Usage(
        prompt_tokens=100,
        completion_tokens=20,
        usd=usd,
        cached_tokens=more.pop("cached", 0),
        thinking_tokens=more.pop("thought", 0),
    )
    reply = Reply(outcome=outcome, text="So.", usage=usage, model=more.pop("model", "m-2026-01-01"))
    return Heard(reply, price=PRICE, **more)


def bought(ledger: Ledger, key: str, *tries: Heard, seconds: float = 0.5, **given: Any) -> None:
    """Make a call, in as many tries."""
    for number, one in enumerate(tries):
        if number == 0 or tries[number - 1].unproven:
            claim(ledger, key, **{"payee": "openai/m", **given})
        last = number + 1 == len(tries)
        ledger.answer(key, one, seconds=seconds, last=last)


def of(found: list[Sum]) -> dict[tuple[str, ...], Sum]:
    return {one.of: one for one in found}


def test_calls_tries_and_dollars_are_counted_once_by_whatever_is_asked_for(ledger: Ledger) -> None:
    failed = heard(Outcome.FAILED, 0.0, model="")
    bought(ledger, "a", heard(cached=60, thought=5), seconds=1.0)
    bought(ledger, "b", failed, heard(Outcome.UNREADABLE), seconds=3.0, run="other")
    bought(ledger, "c", heard(Outcome.FAILED, 0.0, unproven=True, model=""), heard(), bound=0.75)
    for by in [(), *((name,) for name in BY), ("stage", "outcome"), ("run", "day", "model")]:
        found = sums(ledger, by)
        assert sum(one.calls for one in found) == 3, by
        assert sum(one.tries for one in found) == 5, by
        assert text.all_sum(found).usage == Usage(
            prompt_tokens=500,
            completion_tokens=100,
            usd=0.75,
            cached_tokens=60,
            thinking_tokens=5,
        )
        assert sum(one.unproven for one in found) == 0.75, by
    by_run = of(sums(ledger, ("run",)))
    assert by_run["run",].outcomes == {"ok": 2}
    assert by_run["other",].outcomes == {"unreadable": 1}
    assert of(sums(ledger, ("stage", "outcome"))).keys() == {
        ("judge", "failed"),
        ("judge", "ok"),
        ("judge", "unreadable"),
    }
    assert of(sums(ledger, ("model",))).keys() == {("asked: openai/m",), ("m-2026-01-01",)}
    [today] = sums(ledger, ("day",))
    (at,) = ledger.tables.execute("select max(at) from replies").fetchone()
    assert today.of == (accounts.day_of(at),)


def test_percentiles_are_of_calls_that_brought_a_reply_each_one_that_was_measured(
    ledger: Ledger,
) -> None:
    for number in range(1, 41):
        bought(ledger, f"k{number}", heard(), seconds=float(number))
    bought(ledger, "down", heard(Outcome.FAILED, 0.0), seconds=900.0)
    [one] = sums(ledger, ("stage",))
    assert (one.p50, one.p95) == (20.0, 38.0)
    bought(ledger, "lonely", heard(Outcome.FAILED, 0.0), run="lonely")
    assert of(sums(ledger, ("run",)))["lonely",].p50 is None


def test_a_call_that_was_opened_again_is_still_known_by_what_rests_on_it(ledger: Ledger) -> None:
    bought(ledger, "a", heard())
    ledger.use("judge/1", ["a"])
    ledger.reopen(["a"])
    [one] = sums(ledger, ("stage", "service"))
    assert (one.of, one.calls, one.usage.usd) == (("judge", ""), 1, 0.25)


def test_of_a_run_is_counted_what_it_paid_and_what_it_rests_on(ledger: Ledger) -> None:
    bought(ledger, "mine", heard())
    bought(ledger, "shared", heard(), run="before")
    bought(ledger, "theirs", heard(), run="before")
    ledger.use("judge/mine", ["shared"])
    [one] = sums(ledger, (), Scope("run", ("judge/mine",)))
    assert (one.calls, one.usage.usd) == (2, 0.5)
    assert sums(ledger, (), Scope("nobody", ())) == []


def test_accounts_days_prices_and_who_answered_are_those_of_the_ledger(ledger: Ledger) -> None:
    bought(ledger, "a", heard())
    bought(ledger, "b", heard(model="m"))
    bought(ledger, "c", heard(model="another"))
    claim(ledger, "d", bound=2.0, payee="openai/m")
    one = state.run(ledger, "run")
    assert (one.spent, one.reserved, one.counted) == (0.75, 2.0, 2.75)
    assert state.run(ledger, "nobody").counted == 0
    (at,) = ledger.tables.execute("select max(at) from replies").fetchone()
    [day] = state.day(ledger, accounts.day_of(at))
    assert (day.of, day.counted) == ("openai/m", 2.75)
    assert state.day(ledger, "2020-01-01") == []
    [price] = state.prices(ledger)
    assert (price.said["as_of"], price.tries) == ("2026-11-01", 3)
    [other] = state.others(ledger)
    assert (other.payee, other.model, other.tries) == ("openai/m", "another", 1)
    ledger.use("judge/1", ["a", "b", "c"])
    assert ledger.tally("judge/1").by_others == {"another": 1}
    assert ledger.tally("judge/1", beside=["judge/1"]).by_others == {}


@pytest.mark.parametrize(
    ("asked", "answered", "same"),
    [
        ("openai/gpt-4o", "gpt-4o", True),
        ("openai/gpt-4o", "gpt-4o-2024-08-06", True),
        ("openai/gpt-4o at https://x.example/v1", "gpt-4o", True),
        ("openrouter/openai/gpt-4o", "openai/gpt-4o", True),
        ("openai/gpt-4o", "gpt-4", False),
        ("openai/gpt-4", "gpt-4o", False),
        ("openai/gpt-4o", "gpt-4o-mini", False),
        ("openai/gpt-4o-latest", "gpt-4o-2024-08-06", True),
        ("its own model at http://127.0.0.1:8080", "anything", True),
        ("azure/our-deployment", "gpt-4o", False),
    ],
)
def test_a_dated_version_of_a_model_is_no_other(asked: str, answered: str, same: bool) -> None:
    assert same_model(asked, answered) is same


def test_batches_that_are_over_are_not_open(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    with ledger.transaction() as db:
        for name, said in [("b1", "sent"), ("b2", "collected"), ("b3", "running")]:
            db.execute(
                "insert into batches values (?, 'p', 's', 'run', 'judge/1', 'openai', ?, 0, '')",
                (name, said),
            )
    assert [one.batch for one in state.batches(ledger)] == ["b1", "b3"]
    [first, _] = text.of_batches(state.batches(ledger))
    assert first == "open batch b1: s, judge/1 of run run, sent, sent 1970-01-01 00:00 UTC"
    ledger.close()


def test_results_of_a_run_are_named_by_round_and_model_in_order(tmp_path: Path) -> None:
    home, diary = tmp_path / "home", Diary()
    exp = made(home, diary)
    ran = go(exp)
    private = home / ".llamaduo"
    ledger = Ledger(private / "ledger.sqlite")
    names = walked(exp, private, ledger)
    assert list(names.values()) == [
        "round 0, dev",
        "after round 0",
        "round 1, dev",
        "round 1, test",
        "untuned, test",
        "untuned, 4 examples, test",
        "coverage rows alone, test",
        "the service itself, test",
        "the service itself, test",
    ]
    scope = Scope(exp.fingerprint(), tuple(names))
    [all_] = sums(ledger, (), scope)
    assert all_.usage.usd == pytest.approx(ran.result.usd)
    lines = text.table(("stage", "round"), sums(ledger, ("stage", "round"), scope), names)
    assert [line.split()[0] for line in lines[:4]] == [
        *("stage", "judgements", "synthetic", "judgements"),
    ]
    assert "after round 0" in lines[2]
    ledger.close()


def test_of_a_run_that_was_stopped_what_is_due_is_named_too(tmp_path: Path) -> None:
    home = tmp_path / "home"
    exp = made(home, Diary(), budget_usd=0.355)
    go(exp)
    ledger = Ledger(home / ".llamaduo" / "ledger.sqlite")
    names = walked(exp, home / ".llamaduo", ledger)
    [last] = list(names.items())[-1:]
    [of_last] = [s for s in sums(ledger, ("round",)) if s.of == last[:1]]
    assert last[1] and of_last.calls > 0
    account = state.run(ledger, exp.fingerprint())
    assert account.spent == pytest.approx(0.35)
    assert text.of_run(account, 0.355).endswith("of budget_usd $0.35, $0.0050 is left")
    ledger.close()


def test_columns_of_which_nothing_is_known_are_left_out_and_rows_are_those_that_cost_most() -> None:
    cheap = [Sum((f"r{n}",), 1, 1, Usage(usd=0.01), 0.0, {"ok": 1}, 0.5, 12.4) for n in range(30)]
    dear = Sum(("dear",), 1, 1, Usage(usd=1.0, cached_tokens=3), 0.5, {"ok": 1}, None, None)
    lines = text.table(("row",), [*cheap, dear])
    assert lines[1].startswith("dear") and "$0.5000" in lines[1]
    assert lines[-1] == "and 11 rows more, for $0.1100"
    assert "of them cached" in lines[0] and "of them thought" not in lines[0]
    assert "unproven" not in text.table(("row",), cheap)[0]
    assert lines[1].split()[-4:] == ["-", "-", "1", "ok"]
    assert lines[2].split()[-4:] == ["0.500", "12", "1", "ok"]


def test_the_day_is_held_against_the_limit_where_there_is_one() -> None:
    one = state.Account("openai/m", 1.0, 0.25, 0.5)
    [said] = text.of_day([one], {"openai/m": 2.0}, "2026-11-24")
    assert said == (
        "today (2026-11-24, UTC) to openai/m: $1.0000 paid, and $0.5000 at most unproven (may have "
        "been billed unseen: kills, time-outs), $0.2500 reserved for calls in flight; of "
        "cap_usd_per_day $2.00, $0.2500 is left"
    )
    [said] = text.of_day([one], {"another": 2.0}, "2026-11-24")
    assert said.endswith("$0.2500 reserved for calls in flight")


def test_what_calls_of_a_killed_process_hold_is_said_to_be_theirs_and_nothing_is_changed(
    ledger: Ledger, kept: Kept
) -> None:
    claim(ledger, "out", bound=0.5, payee="openai/m")
    claim(ledger, "waits", bound=0.25, payee="openai/m")
    answer = Heard(Reply(outcome=Outcome.FAILED, cause="slow down"))
    ledger.answer("waits", answer, seconds=0.1, last=False)
    kept.give_to(kept.gone())
    claim(ledger, "now", bound=0.125, payee="openai/m")
    one = state.run(ledger, "run")
    assert (one.reserved, one.left, one.unused) == (0.875, 0.5, 0.25)
    assert text.of_run(one, None) == (
        "bought by this run: $0.0000 paid, $0.1250 reserved for calls in flight, $0.5000 at most "
        "for calls whose process is gone (they may have been billed unseen: unproven from the next "
        "run on), $0.2500 held for calls never sent (free from the next run on); it has no "
        "budget_usd"
    )
    (at,) = ledger.tables.execute("select max(at) from replies").fetchone()
    [day] = state.day(ledger, accounts.day_of(at))
    assert (day.left, day.unused) == (0.5, 0.25)
    assert kept.accounts() == {"run": (0.0, 0.875)}
    ledger.free_the_dead()
    one = state.run(ledger, "run")
    assert (one.reserved, one.left, one.unproven) == (0.125, 0.0, 0.5)
