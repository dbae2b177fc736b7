"""The memory of paid calls: what is kept, who holds a claim, what a budget lets through."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kept import Kept, answer, claim, failed, ok
from small_world import answered_twice

from llamaduo.ledger import Claim, Ledger
from llamaduo.records import Outcome, Reply, Usage
from llamaduo.service import Heard


@pytest.fixture
def ledger(kept: Kept) -> Iterator[Ledger]:
    made = kept.open()
    yield made
    made.close()


def test_a_reply_is_remembered_when_the_ledger_is_opened_again(kept: Kept) -> None:
    first = kept.open()
    assert claim(first, "k") is Claim.MINE
    answer(first, "k", ok(text="né\u2028\0!"))
    first.close()
    again = kept.open()
    assert again.reply("k") == ok(text="né\u2028\0!")
    assert claim(again, "k") is Claim.ANSWERED
    assert (again.spent("run"), again.spent_now, again.calls_now) == (0.25, 0.0, 0)
    again.close()


def test_a_call_without_reply_has_none(ledger: Ledger) -> None:
    assert ledger.reply("k") is None
    claim(ledger, "k")
    assert ledger.reply("k") is None


def test_what_a_call_can_cost_is_reserved_before_and_settled_after(
    ledger: Ledger, kept: Kept
) -> None:
    claim(ledger, "k", bound=1.0, budget=2.0)
    assert kept.accounts() == {"run": (0.0, 1.0)}
    assert ledger.in_flight("run") == 1
    answer(ledger, "k", ok(usd=0.25))
    assert kept.accounts() == {"run": (0.25, 0.0)}
    assert ledger.in_flight("run") == 0
    assert (ledger.spent_now, ledger.calls_now) == (0.25, 1)


def test_a_call_that_could_cost_more_than_is_left_is_not_claimed(
    ledger: Ledger, kept: Kept
) -> None:
    assert claim(ledger, "a", bound=1.0, budget=1.5) is Claim.MINE
    assert claim(ledger, "b", bound=1.0, budget=1.5) is Claim.TOO_DEAR
    answer(ledger, "a", ok(usd=0.5))
    assert claim(ledger, "b", bound=1.0, budget=1.5) is Claim.MINE
    assert kept.accounts() == {"run": (0.5, 1.0)}


def test_what_is_known_costs_nothing_even_of_a_spent_budget(ledger: Ledger) -> None:
    claim(ledger, "k")
    answer(ledger, "k", ok())
    assert claim(ledger, "k", budget=0.0) is Claim.ANSWERED


def test_each_run_has_a_budget_of_its_own(ledger: Ledger, kept: Kept) -> None:
    claim(ledger, "a", run="one", budget=1.0)
    assert claim(ledger, "b", run="one", budget=1.0) is Claim.TOO_DEAR
    assert claim(ledger, "b", run="two", budget=1.0) is Claim.MINE
    answer(ledger, "b", ok(usd=0.75))
    assert kept.accounts() == {"one": (0.0, 1.0), "two": (0.75, 0.0)}
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
    assert ledger.spent("run") + ledger.unproven("run") <= budget + 1e-6
    ledger.close()


def test_a_claim_that_is_given_up_gives_back_what_was_reserved(ledger: Ledger, kept: Kept) -> None:
    claim(ledger, "k", budget=1.0)
    ledger.wait("k")
    ledger.release("k")
    assert kept.accounts() == {"run": (0.0, 0.0)}
    assert kept.unproven() == 0
    assert claim(ledger, "k", budget=1.0) is Claim.MINE


def test_what_is_given_up_with_its_request_out_may_have_been_billed(
    ledger: Ledger, kept: Kept
) -> None:
    claim(ledger, "k", budget=1.5)
    ledger.release("k")
    assert (kept.accounts(), kept.unproven()) == ({"run": (0.0, 0.0)}, 1.0)
    assert ledger.unproven("run") == 1.0
    assert claim(ledger, "k", budget=1.5) is Claim.TOO_DEAR
    assert claim(ledger, "k", budget=2.0) is Claim.MINE
    answer(ledger, "k", ok(usd=0.5))
    ledger.use("judge/1", ["k"])
    tally = ledger.tally("judge/1")
    assert (tally.calls, tally.outcomes, tally.usage.usd, tally.unproven) == (1, {"ok": 1}, 0.5, 1)


def test_a_try_whose_end_nobody_saw_stays_counted_and_takes_a_new_claim(
    ledger: Ledger, kept: Kept
) -> None:
    claim(ledger, "k", budget=2.0)
    ledger.answer("k", Heard(failed(), again=True, unproven=True), seconds=1.0, last=False)
    assert (kept.account(), kept.unproven(), ledger.in_flight("run")) == ((0.0, 0.0), 1.0, 0)
    assert ledger.history("k") == (0, 0)
    assert claim(ledger, "k", bound=1.5, budget=2.0) is Claim.TOO_DEAR
    assert claim(ledger, "k", budget=2.0) is Claim.MINE
    ledger.answer("k", Heard(failed(), unproven=True), seconds=1.0, last=True)
    assert (kept.account(), kept.unproven()) == ((0.0, 0.0), 2.0)
    assert claim(ledger, "k") is Claim.ANSWERED


def test_a_call_that_waits_between_two_tries_costs_nothing_if_it_is_cut_off(
    ledger: Ledger, kept: Kept
) -> None:
    claim(ledger, "k")
    answer(ledger, "k", failed(), last=False)
    kept.give_to(kept.gone())
    ledger.free_the_dead()
    assert kept.unproven() == 0
    claim(ledger, "k")
    answer(ledger, "k", failed(), last=False)
    ledger.send("k")
    kept.give_to(kept.gone())
    ledger.free_the_dead()
    assert kept.unproven() == 1.0


def test_a_day_has_a_limit_that_all_runs_share(ledger: Ledger, kept: Kept) -> None:
    assert claim(ledger, "a", run="one", cap=1.5) is Claim.MINE
    assert claim(ledger, "b", run="two", cap=1.5) is Claim.CAPPED
    assert claim(ledger, "b", run="two", cap=1.5, payee="another") is Claim.MINE
    assert (ledger.in_flight_of("p"), ledger.today("p")) == (1, 1.0)
    answer(ledger, "a", ok(usd=0.25))
    assert claim(ledger, "c", run="two", cap=1.5) is Claim.MINE
    assert kept.look("select payee, spent, reserved from days order by payee") == [
        ("another", 0.0, 1.0),
        ("p", 0.25, 1.0),
    ]


def test_what_was_paid_on_another_day_leaves_today_free(ledger: Ledger, kept: Kept) -> None:
    claim(ledger, "a", cap=1.0)
    answer(ledger, "a", ok(usd=1.0))
    assert claim(ledger, "b", cap=1.0) is Claim.CAPPED
    kept.look("update days set day = '2026-01-01'")
    assert claim(ledger, "b", cap=1.0) is Claim.MINE


def test_a_price_is_on_record_once_and_a_try_says_which_it_was_counted_at(
    ledger: Ledger, kept: Kept
) -> None:
    for key, said in (("a", "one"), ("b", "one"), ("c", "two"), ("d", "")):
        claim(ledger, key)
        heard = Heard(ok(), price=said, raw="{}", status=200, headers={"x-request-id": f"id-{key}"})
        ledger.answer(key, heard, seconds=1.0, last=True)
    assert sorted(kept.look("select said from prices")) == [("one",), ("two",)]
    sql = "select r.key, said, raw, status, request_id from replies r left join prices p"
    assert kept.look(f"{sql} on p.price = r.price order by r.key") == [
        ("a", "one", "{}", 200, "id-a"),
        ("b", "one", "{}", 200, "id-b"),
        ("c", "two", "{}", 200, "id-c"),
        ("d", None, "{}", 200, "id-d"),
    ]


def test_tokens_of_the_cache_and_of_thoughts_are_kept(ledger: Ledger) -> None:
    usage = Usage(
        prompt_tokens=9,
        completion_tokens=5,
        cached_tokens=4,
        cache_write_tokens=2,
        thinking_tokens=3,
    )
    claim(ledger, "k")
    answer(ledger, "k", Reply(outcome=Outcome.OK, text="!", usage=usage, model="m-1"))
    ledger.use("judge/1", ["k"])
    kept = ledger.reply("k")
    assert kept is not None
    assert (kept.usage, kept.model) == (usage, "m-1")
    assert ledger.tally("judge/1").usage == usage


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


def test_a_claim_of_this_process_is_taken_for_any_other(ledger: Ledger, kept: Kept) -> None:
    other = kept.open()
    claim(ledger, "k")
    assert claim(other, "k") is Claim.TAKEN
    assert other.free_the_dead() == 0
    answer(ledger, "k", ok())
    assert claim(other, "k") is Claim.ANSWERED
    other.close()


def test_a_claim_of_a_process_that_is_gone_is_free(ledger: Ledger, kept: Kept) -> None:
    claim(ledger, "k", budget=2.0)
    kept.give_to(kept.gone())
    assert claim(ledger, "k", budget=2.0) is Claim.MINE
    assert (kept.accounts(), kept.unproven()) == ({"run": (0.0, 1.0)}, 1.0)


def test_all_claims_of_the_dead_are_freed_and_no_other(ledger: Ledger, kept: Kept) -> None:
    claim(ledger, "a", bound=1.0)
    claim(ledger, "b", bound=0.5, run="other")
    kept.give_to(kept.gone())
    claim(ledger, "c", bound=0.25)
    assert ledger.free_the_dead() == 2
    assert kept.accounts() == {"run": (0.0, 0.25), "other": (0.0, 0.0)}
    assert claim(ledger, "a") is Claim.MINE


def test_a_tally_counts_calls_by_last_outcome_and_sums_what_all_tries_used(
    ledger: Ledger,
) -> None:
    for key in ("a", "b", "c", "unused"):
        claim(ledger, key)
    billed = failed().model_copy(update={"usage": Usage(prompt_tokens=4, usd=0.125)})
    answer(ledger, "a", billed, last=False)
    claim(ledger, "a")  # the one before was for a try that was paid
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


def test_what_was_taken_out_is_gone_once_the_tables_are_written_anew(
    ledger: Ledger, kept: Kept, request: pytest.FixtureRequest
) -> None:
    claim(ledger, "k")
    answer(ledger, "k", ok(text="to be forgotten"))
    with ledger.transaction() as db:
        db.execute("update replies set text = '' where key = ?", ("k",))
    ledger._db.rewrite()
    reply = ledger.reply("k")
    assert reply == ok(text="")
    assert ledger.spent("run") == 0.25
    if kept.on_server:
        [(file,)] = kept.look("select pg_relation_filepath('replies')")
        kept.look("checkpoint")
        files = [request.getfixturevalue("postgres").pgdata / str(file)]
    else:
        files = list(kept.private.iterdir())
    assert files
    assert not any(b"to be forgotten" in one.read_bytes() for one in files)
