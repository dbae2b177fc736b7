"""Half price: the same replies as live, whatever becomes of a batch or of who waits for it."""

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from batch_server import DONE, Batches, echo, serving
from batch_world import PRICE, SECRET, desk, requests, service
from kept import Kept
from small_world import answered_twice

from llamaduo import batch
from llamaduo.batch import book
from llamaduo.batch.following import Cancelled
from llamaduo.batch.lines import bound_usd
from llamaduo.config import from_overrides
from llamaduo.errors import ConfigError, LlamaDuoError, OverBudget, ServiceError, UsageError
from llamaduo.keeping.calls import holding
from llamaduo.keeping.needles import Needles
from llamaduo.ledger import Ledger
from llamaduo.ledger.batches import Batch
from llamaduo.records import Outcome, Reply
from llamaduo.service.chat import ChatService


@pytest.fixture
def server() -> Iterator[Batches]:
    with serving(Batches()) as one:
        yield one


@pytest.fixture
def here(tmp_path: Path) -> Kept:
    return Kept(tmp_path / "private", on_server=False)


@pytest.fixture
def ledger(here: Kept) -> Iterator[Ledger]:
    with closing(here.open()) as one:
        yield one


def words(replies: list[Reply]) -> list[tuple[Outcome, str, int, int]]:
    """What replies say, their dollars aside."""
    return [
        (one.outcome, one.text, one.usage.prompt_tokens, one.usage.completion_tokens)
        for one in replies
    ]


def sent(bodies: list[dict[str, Any]]) -> list[str]:
    """Bodies of requests, in whatever order they came."""
    return sorted(json.dumps(body, sort_keys=True) for body in bodies)


def states(kept: Kept) -> list[tuple[Any, ...]]:
    return kept.look("select state, provider from batches order by at")


def settled(kept: Kept, server: Batches) -> bool:
    """Whether the ledger counts what the server billed, and holds nothing back."""
    return kept.account() == pytest.approx((server.usd, 0.0), abs=1e-12)


def stop_waiting(patch: pytest.MonkeyPatch, after: int = 0) -> None:
    """Press Ctrl-C at a wait between two looks."""
    waits = iter(range(after + 1))

    def sleep(seconds: float) -> None:
        if next(waits) == after:
            raise KeyboardInterrupt

    patch.setattr("time.sleep", sleep)


def left_open(patch: pytest.MonkeyPatch, server: Batches, ledger: Ledger, *samples: int) -> None:
    """Hand in a batch, and leave it at once."""
    with patch.context() as inner, pytest.raises(KeyboardInterrupt):
        stop_waiting(inner)
        desk(ledger, service(server)).ask(requests(*samples))


def test_a_batch_gives_the_replies_that_live_calls_give_at_half_the_price(
    kept: Kept, server: Batches, tmp_path: Path
) -> None:
    asked = requests(*range(12))
    with closing(kept.open()) as ledger:
        batched = desk(ledger, service(server)).ask(asked)
    half = server.usd
    assert (len(server.batched), server.live) == (12, [])
    assert settled(kept, server)
    with closing(Ledger(tmp_path / "live.sqlite")) as ledger:
        live = desk(ledger, service(server, mode="live")).ask(asked)
        spent = ledger.spent("run")
    assert words(batched) == words(live)
    assert {reply.outcome for reply in live} == {Outcome.OK}
    assert 2 * half == pytest.approx(spent) == pytest.approx(server.usd - half)
    assert sent(server.batched) == sent(server.live)


def test_both_ways_are_one_call_and_neither_is_paid_again(server: Batches, ledger: Ledger) -> None:
    one, other = service(server), service(server, mode="live")
    assert (one.key(), at_once(one), at_once(other)) == (other.key(), 50_000, 256)
    desk(ledger, other).ask(requests(0, 1))
    desk(ledger, one).ask(requests(*range(5)))
    desk(ledger, other).ask(requests(*range(5)))
    desk(ledger, one).ask(requests(*range(5)))
    assert (len(server.live), len(server.batched), len(server.made)) == (2, 3, 1)
    assert answered_twice(ledger) == 0


def at_once(by: Any) -> int:
    return batch.at_once(by)


def test_the_reply_is_kept_as_it_came_with_the_price_it_was_counted_at(
    server: Batches, here: Kept, ledger: Ledger
) -> None:
    desk(ledger, service(server)).ask(requests(0, 1))
    rows = here.look("select raw, status, request_id, said from replies join prices using (price)")
    assert len(rows) == 2
    for raw, status, request_id, price in rows:
        assert '"finish_reason": "stop"' in raw
        assert (status, request_id) == (200, "req_x")
        assert '"input":1.25' in price
        assert "in a batch 0.5 of it" in price
    assert here.look("select distinct substr(owner, 1, 6) from calls") == [("batch:",)]


def test_few_calls_are_asked_live(server: Batches, ledger: Ledger) -> None:
    desk(ledger, service(server, batch_least=4)).ask(requests(0, 1, 2))
    assert (len(server.live), server.made) == (3, {})


def test_a_stage_of_more_calls_than_a_batch_may_have_is_several(
    server: Batches, ledger: Ledger
) -> None:
    desk(ledger, service(server, batch_most=4)).ask(requests(*range(10)))
    assert [len(made.lines) for made in server.made.values()] == [4, 4, 2]
    assert server.live == []


def test_what_failed_in_a_batch_is_asked_live_at_the_full_price(
    server: Batches, here: Kept, ledger: Ledger
) -> None:
    server.in_batch = lambda body: 500 if "3?" in body["messages"][0]["content"] else echo(body)
    at = desk(ledger, service(server))
    replies = at.ask(requests(*range(6)))
    assert [reply.outcome for reply in replies] == [Outcome.OK] * 6
    assert (len(server.batched), len(server.live)) == (6, 1)
    assert settled(here, server)
    tally = ledger.tally(at.recipe)
    assert (tally.calls, tally.outcomes) == (6, {"ok": 6})
    [(cause,)] = here.look("select cause from replies where outcome = 'failed'")
    assert "HTTP 500" in cause


def test_what_a_filter_turned_away_in_a_batch_is_its_reply(
    server: Batches, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def reply(body: dict[str, Any], says: Any, share: float) -> tuple[int, dict[str, Any]]:
        return 400, {"error": {"code": "content_filter", "message": "not this"}}

    monkeypatch.setattr(server, "reply", reply)
    replies = desk(ledger, service(server)).ask(requests(0, 1))
    assert [reply.outcome for reply in replies] == [Outcome.FILTERED] * 2
    assert (server.live, ledger.spent("run")) == ([], 0.0)


def test_what_a_batch_did_not_come_to_before_it_expired_is_asked_live(
    server: Batches, here: Kept, ledger: Ledger
) -> None:
    server.states, server.done = ("in_progress", "expired"), lambda place: place % 3 == 0
    replies = desk(ledger, service(server)).ask(requests(*range(9)))
    assert [reply.outcome for reply in replies] == [Outcome.OK] * 9
    assert len(server.live) == 6
    assert settled(here, server)
    assert states(here) == [("collected", "batch_0")]


def test_a_cancelled_batch_stops_the_run_and_the_next_hands_in_the_rest(
    server: Batches, here: Kept, ledger: Ledger
) -> None:
    server.states, server.done = ("in_progress", "cancelled"), lambda place: place < 2
    said = (
        r"batch [0-9a-f]{12} was cancelled \(cancelled, 2/6 answered\); what was answered is kept"
    )
    with pytest.raises(Cancelled, match=said):
        desk(ledger, service(server)).ask(requests(*range(6)))
    assert (server.live, settled(here, server)) == ([], True)
    server.states, server.done = DONE, lambda place: True
    assert len(desk(ledger, service(server)).ask(requests(*range(6)))) == 6
    assert [len(made.lines) for made in server.made.values()] == [6, 4]
    assert [state for state, _ in states(here)] == ["cancelled", "collected"]


def test_ctrl_c_leaves_the_batch_and_says_how_to_go_on_and_how_not_to(
    server: Batches,
    here: Kept,
    ledger: Ledger,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    left_open(monkeypatch, server, ledger, *range(5))
    said = capsys.readouterr().err
    [token] = re.findall(r"batch (\w+) stays with gpt and goes on there", said)
    assert f"`llamaduo ledger --cancel-batch {token}` cancels it" in said
    assert f"batch {token} at gpt: in_progress, 0/5 answered, 0 min since it was made" in said
    bound = bound_usd(service(server), requests(0)[0])
    assert here.account() == pytest.approx((0.0, 5 * bound))
    assert states(here) == [("sent", "batch_0")]
    [(key,)] = here.look("select key from calls limit 1")
    assert f"is in batch {token}, which another process handed in" in ledger.holder(key)
    ledger.free_the_dead()
    assert ledger.in_flight("run") == 0  # nobody waits for it with a call of its own
    assert len(desk(ledger, service(server)).ask(requests(*range(5)))) == 5
    assert (len(server.made), settled(here, server)) == (1, True)
    assert f"batch {token} at gpt: completed, 5/5 answered" in capsys.readouterr().err


@pytest.mark.parametrize("mode", ["batch", "live"])
def test_another_process_collects_what_one_handed_in(
    mode: str, server: Batches, kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(kept.open()) as ledger:
        left_open(monkeypatch, server, ledger, *range(5))
    kept.look("update calls set claimed_at = 0")  # long after any lease
    with closing(kept.open()) as other:
        other.free_the_dead()
        asked = desk(other, service(server, mode=mode), run="another")
        assert len(asked.ask(requests(*range(3)))) == 3
    assert (len(server.made), server.live) == (1, [])
    spent = {run: money[0] for run, money in kept.accounts().items()}
    assert spent == {"run": pytest.approx(server.usd)}


def test_a_batch_of_the_same_run_is_collected_before_anything_is_bought(
    server: Batches, here: Kept, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it holds reserved would otherwise stand in the way of a budget for ever."""
    left_open(monkeypatch, server, ledger, *range(5))
    by = service(server)
    desk(ledger, by, budget=5 * bound_usd(by, requests(0)[0])).ask(requests(5, 6))
    assert [state for state, _ in states(here)] == ["collected", "collected"]


def test_collecting_goes_on_where_a_kill_left_it(
    server: Batches, here: Kept, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(book, "AT_ONCE", 2)
    kept = book.Book._answer
    done: list[int] = []

    def dies(self: book.Book, *given: Any) -> Any:
        if done:
            raise MemoryError
        done.append(1)
        return kept(self, *given)

    with monkeypatch.context() as patch, pytest.raises(MemoryError):
        patch.setattr(book.Book, "_answer", dies)
        desk(ledger, service(server)).ask(requests(*range(5)))
    assert states(here) == [("ended", "batch_0")]
    assert here.look("select count(*) from replies") == [(2,)]
    replies = desk(ledger, service(server)).ask(requests(*range(5)))
    assert {reply.outcome for reply in replies} == {Outcome.OK}
    assert (len(server.made), server.live) == (1, [])
    assert (settled(here, server), answered_twice(ledger)) == (True, 0)


def once(what: Callable[[str, str], Any]) -> Callable[[str, str], Any]:
    """Do something at the first request that a batch be made."""
    left = [1]

    def does(method: str, path: str) -> Any:
        if (method, path) == ("POST", "/batches") and left:
            left.clear()
            return what(method, path)
        return 0

    return does


def test_a_batch_of_which_no_word_came_back_is_found_and_not_made_again(
    server: Batches, here: Kept, ledger: Ledger
) -> None:
    server.loses, server.unlisted = once(lambda *_: True), 2
    desk(ledger, service(server)).ask(requests(*range(4)))
    assert (len(server.made), server.live) == (1, [])
    assert settled(here, server)


def test_a_batch_that_is_not_taken_at_first_is_handed_in_again(
    server: Batches, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("llamaduo.batch.following.UNLISTED", 0.0)
    server.refuses = once(lambda *_: 503)
    desk(ledger, service(server)).ask(requests(*range(4)))
    assert (len(server.made), server.live) == (1, [])


def test_a_provider_that_takes_no_batch_stops_the_run_and_nothing_stays_claimed(
    server: Batches, here: Kept, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.key = "another"
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    by = service(server, key_env="OPENAI_API_KEY")
    with pytest.raises(ServiceError, match=r"gpt takes no batch: .*AuthenticationError") as error:
        desk(ledger, by).ask(requests(*range(4)))
    assert SECRET not in str(error.value)
    assert "service.mode=live" in str(error.value)
    assert here.account() == pytest.approx((0.0, 0.0))
    assert states(here) == []
    assert len(server.asked) == 1  # a dead key is not tried again


def test_a_batch_that_its_provider_refuses_is_said_and_costs_nothing(
    server: Batches, here: Kept, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("batch_server.MOST", 3)
    said = r"did not take a batch of 4 calls: too_many: more than 3 lines.*service.batch_most"
    with pytest.raises(ServiceError, match=said):
        desk(ledger, service(server)).ask(requests(*range(4)))
    assert here.account() == pytest.approx((0.0, 0.0))
    desk(ledger, service(server, batch_most=3)).ask(requests(*range(3)))
    assert server.live == []


def test_a_provider_that_is_away_for_a_while_is_looked_at_again(
    server: Batches, ledger: Ledger
) -> None:
    looks = iter((0, 0, 503, 429, 500))
    server.refuses = lambda method, path: next(looks, 0) if "batch_" in path else 0
    desk(ledger, service(server)).ask(requests(*range(4)))
    assert (len(server.made), server.live) == (1, [])


def test_a_budget_hands_in_what_fits_again_and_again_and_is_not_exceeded(
    server: Batches, here: Kept, ledger: Ledger
) -> None:
    by = service(server)
    asked = requests(*range(60))
    budget = 10 * bound_usd(by, asked[0])
    with pytest.raises(OverBudget, match="stopped by the budget"):
        desk(ledger, by, budget=budget).ask(asked)
    sizes = [len(made.lines) for made in server.made.values()]
    assert sizes[0] == 10
    assert len(sizes) > 2
    assert settled(here, server)
    spent, _ = here.account()
    live_bound = by.upper_bound_usd(asked[0])
    assert budget - live_bound < spent <= budget
    before = len(server.batched) + len(server.live)
    assert len(desk(ledger, by, budget=100.0).ask(asked)) == 60
    assert len(server.batched) + len(server.live) == 60
    assert before < 60


def test_a_limit_of_a_day_holds_for_batches(server: Batches, here: Kept, ledger: Ledger) -> None:
    one = bound_usd(service(server), requests(0)[0])
    by = service(server, cap_usd_per_day=5 * one)
    with pytest.raises(OverBudget, match="stopped by the limit of a day"):
        desk(ledger, by).ask(requests(*range(60)))
    [(spent, reserved)] = here.look("select spent, reserved from days")
    assert len(next(iter(server.made.values())).lines) == 5
    assert spent <= 5 * one
    assert reserved == pytest.approx(0, abs=1e-12)


def test_cancelling_keeps_what_was_answered_and_gives_the_rest_back(
    server: Batches, here: Kept, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    left_open(monkeypatch, server, ledger, *range(6))
    server.done = lambda place: place < 2
    [(token,)] = here.look("select batch from batches")
    [line] = batch.cancel(ledger, [service(server)], token[:4])
    said = "cancelled; 2 of 6 calls had been answered, and are kept"
    assert line == f"batch {token} at gpt: {said}"
    assert (settled(here, server), states(here)) == (True, [("cancelled", "batch_0")])
    assert batch.cancel(ledger, [service(server)], "all") == []
    with pytest.raises(UsageError, match=f"no open batch is called {token}"):
        batch.cancel(ledger, [service(server)], token)


@pytest.mark.parametrize(
    ("which", "why"),
    [("", "give the beginning of a batch's name"), ("aa", r"of 2 open batches \(aa11, aa22\)")],
)
def test_what_may_mean_several_batches_cancels_none(
    which: str, why: str, server: Batches, here: Kept, ledger: Ledger
) -> None:
    for token in ("aa11", "aa22"):
        book.Book(ledger).note(made(token, service(server)))
    with pytest.raises(UsageError, match=why):
        batch.cancel(ledger, [service(server)], which)
    assert states(here) == [("made", ""), ("made", "")]


def made(token: str, by: ChatService) -> Batch:
    """A batch that is written down and not handed in yet."""
    return Batch(
        token=token,
        payee=by.limits.payee,
        service=by.name,
        run="run",
        stage="judge/1",
        provider="",
        state="made",
        at=time.time(),
        said="claimed",
    )


def test_who_waits_for_a_batch_that_another_cancels_stops(
    server: Batches, here: Kept, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or it would hand in at once what somebody wanted to keep from being bought."""
    sleep, by = time.sleep, service(server)

    def cancels(seconds: float) -> None:
        monkeypatch.setattr("time.sleep", sleep)
        with closing(here.open()) as other:
            batch.cancel(other, [by], "all")

    monkeypatch.setattr("time.sleep", cancels)
    server.done = lambda place: place < 2
    with pytest.raises(Cancelled, match="cancelled, 2/6 answered"):
        desk(ledger, by).ask(requests(*range(6)))
    assert (len(server.made), settled(here, server)) == (1, True)


def test_cancelling_what_is_over_collects_it(
    server: Batches, here: Kept, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    left_open(monkeypatch, server, ledger, *range(3))
    server.states = ("completed",)
    [line] = batch.cancel(ledger, [service(server)], "all")
    assert line.endswith("completed; 3 of 3 calls had been answered, and are kept")
    assert ("POST", "/batches/batch_0/cancel") not in server.asked
    assert settled(here, server)


def test_cancelling_takes_the_service_whose_batch_it_is(
    server: Batches, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    left_open(monkeypatch, server, ledger, *range(3))
    other = service(server, model="openai/another")
    with pytest.raises(UsageError, match="which none of the services here is"):
        batch.cancel(ledger, [other], "all")


def test_a_batch_that_its_provider_forgot_is_unproven(
    server: Batches, here: Kept, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    left_open(monkeypatch, server, ledger, *range(3))
    server.made.clear()
    [(token,)] = here.look("select batch from batches")
    said = rf"does not know batch {token}: NotFoundError.*--cancel-batch {token}` frees its calls"
    with pytest.raises(ServiceError, match=said):
        desk(ledger, service(server)).ask(requests(*range(3)))
    [line] = batch.cancel(ledger, [service(server)], "all")
    assert "it is not known there; what 3 calls may have cost is unproven" in line
    bound = 3 * bound_usd(service(server), requests(0)[0])
    assert ledger.unproven("run") == pytest.approx(bound)
    assert here.account() == pytest.approx((0.0, 0.0), abs=1e-12)


def test_no_row_is_forgotten_while_a_reply_about_it_is_yet_to_come(
    server: Batches, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    left_open(monkeypatch, server, ledger, *range(3))
    row = Needles(texts=(), ids=("r1",))
    with pytest.raises(LlamaDuoError, match=r"holds 1 of these calls.*nothing was removed"):
        holding(ledger, lambda run: row)
    batch.cancel(ledger, [service(server)], "all")
    desk(ledger, service(server)).ask(requests(*range(3)))
    assert len(holding(ledger, lambda run: row).keys) == 1


def test_a_line_about_a_batch_comes_when_it_moves(
    server: Batches, ledger: Ledger, capsys: pytest.CaptureFixture[str]
) -> None:
    server.states = (*["in_progress"] * 5, "finalizing", "completed")
    desk(ledger, service(server)).ask(requests(*range(3)))
    lines = [line for line in capsys.readouterr().err.splitlines() if " at gpt: " in line]
    assert [re.findall(r"gpt: (\w+, \d/\d)", line)[0] for line in lines] == [
        "in_progress, 0/3",
        "finalizing, 3/3",
        "completed, 3/3",
    ]
    assert "$0.0000 spent so far" in lines[0]


def test_it_is_looked_at_as_often_as_the_service_says(
    server: Batches, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr("time.sleep", waits.append)
    desk(ledger, service(server, batch_poll_seconds=7.5)).ask(requests(0, 1))
    assert waits == [7.5] * (len(DONE) - 2)  # one state is over at the first look, one is the last


def test_a_run_on_batches_is_the_run_that_asks_live(tmp_path: Path) -> None:
    live, by_batch = (
        from_overrides(["task=summarization", "service=gpt", f"service.mode={mode}"])
        for mode in ("live", "batch")
    )
    assert live.fingerprint() == by_batch.fingerprint()
    assert at_once(by_batch.service) == 50_000
    with pytest.raises(ConfigError, match="teacher has none that are known here"):
        from_overrides(["experiments=demo_tiny", "service.mode=batch"])


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"model": "anthropic/claude-sonnet-5", "api_base": None}, "has none that are known here"),
        ({"price": PRICE.model_copy(update={"batch": None})}, "needs price.batch"),
        ({"batch_most": 50_001}, "less than or equal to 50000"),
    ],
)
def test_a_service_without_batches_is_refused_in_words(
    changes: dict[str, Any], why: str, server: Batches
) -> None:
    with pytest.raises(ValueError, match=why):
        service(server, **changes)


@pytest.mark.parametrize("model", ["openai/gpt-5.4-2026-03-05", "litellm_proxy/gpt", "azure/ours"])
def test_providers_that_speak_openais_files_and_batches_all_do(
    model: str, server: Batches, ledger: Ledger, tmp_path: Path
) -> None:
    there: dict[str, Any] = {"model": model}
    if model.startswith("azure/"):
        there |= {"api_base": server.url.removesuffix("/v1"), "api_version": "2024-10-21"}
    batched = desk(ledger, service(server, **there)).ask(requests(*range(3)))
    assert (len(server.batched), server.live) == (3, [])
    with closing(Ledger(tmp_path / "live.sqlite")) as other:
        live = desk(other, service(server, mode="live", **there)).ask(requests(*range(3)))
    assert words(batched) == words(live)
    assert sent(server.batched) == sent(server.live)


def test_the_direct_transport_sends_in_a_batch_what_it_sends_live(
    server: Batches, ledger: Ledger, tmp_path: Path
) -> None:
    desk(ledger, service(server, transport="direct")).ask(requests(0, 1))
    with closing(Ledger(tmp_path / "live.sqlite")) as other:
        desk(other, service(server, transport="direct", mode="live")).ask(requests(0, 1))
    assert sent(server.batched) == sent(server.live)


def test_time_is_counted_from_when_it_was_handed_in(
    server: Batches, here: Kept, ledger: Ledger
) -> None:
    began = time.time()
    at = desk(ledger, service(server))
    at.ask(requests(0, 1))
    took = time.time() - began
    assert all(0 < seconds <= took for seconds in ledger.seconds(at.recipe))
