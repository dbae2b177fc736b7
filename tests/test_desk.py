"""The only way to spend: nothing bought twice, nothing over budget, nothing paid for lost."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from kept import Kept
from small_world import answered_twice

from llamaduo.desk import Desk
from llamaduo.errors import OverBudget, ServiceError
from llamaduo.ledger import Call, Claim, Ledger
from llamaduo.ledger.together import Together
from llamaduo.owner import LEASE
from llamaduo.records import Message, Outcome, Reply, Request, Usage
from llamaduo.retries import LONGEST_WAIT
from llamaduo.service import Heard, Limits, Service, Unusable

COST = 0.3
BOUND = 1.0


def bought(request: Request) -> Reply:
    """A good reply, that tells what it was asked."""
    said = f"{request.messages[0].content} #{request.sample}"
    usage = Usage(prompt_tokens=5, completion_tokens=1, usd=COST)
    return Reply(outcome=Outcome.OK, text=said, usage=usage)


def busy() -> Reply:
    return Reply(outcome=Outcome.FAILED, cause="RateLimitError: slow down")


Says = Callable[[Request, int], tuple[Reply, bool] | Heard]
"""What a service says to a request at its n-th try of it."""


def heard(said: tuple[Reply, bool] | Heard) -> Heard:
    return said if isinstance(said, Heard) else Heard(said[0], again=said[1])


@dataclass
class Scripted:
    """A service that says what it is told to, and remembers what it was asked."""

    says: Says = lambda request, tries: (bought(request), False)
    concurrency: int = 4
    attempts: int = 3
    backoff: float = 0.0
    seconds: float = 0.0
    before: Callable[[], None] = lambda: None
    name: str = "scripted"
    simulated: bool = False
    asked: list[tuple[Request, int]] = field(default_factory=list)
    flying: int = 0
    most: int = 0
    structured: bool = False
    cap: float | None = None

    @property
    def limits(self) -> Limits:
        return Limits(payee=self.name, usd_per_day=self.cap)

    def key(self) -> dict[str, Any]:
        return {"is": self.name}

    def faults(self) -> list[str]:
        return []

    def upper_bound_usd(self, request: Request) -> float:
        return BOUND

    async def attempt(self, request: Request, seed: int, once: str) -> Heard:
        tries = sum(request == before for before, _ in self.asked)
        self.asked.append((request, seed))
        self.flying += 1
        self.most = max(self.most, self.flying)
        self.before()
        try:
            await asyncio.sleep(self.seconds)
            return heard(self.says(request, tries))
        finally:
            self.flying -= 1


def ask_for(*samples: int, text: str = "How?", row: str = "") -> list[Request]:
    message = Message(role="user", content=text)
    return [
        Request(messages=(message,), max_tokens=9, temperature=1.0, sample=sample, row=row)
        for sample in samples
    ]


@pytest.fixture
def ledger(kept: Kept) -> Iterator[Ledger]:
    made = kept.open()
    yield made
    made.close()


def desk(
    ledger: Ledger,
    service: Service,
    *,
    budget: float | None = None,
    recipe: str = "judge/1",
    run: str = "run",
    seed: int = 42,
) -> Desk:
    return Desk(ledger=ledger, service=service, recipe=recipe, run=run, seed=seed, budget=budget)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Fail where the lines below would wait for ever."""

    def late(number: int, frame: FrameType | None) -> None:
        raise AssertionError(f"not done within {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    began = time.monotonic()
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert time.monotonic() - began < seconds, "late, and what was raised then was caught"


def test_replies_come_in_the_order_of_the_requests(ledger: Ledger) -> None:
    class Uneven(Scripted):
        async def attempt(self, request: Request, seed: int, once: str) -> Heard:
            await asyncio.sleep(0.01 * (request.sample % 3))
            return await super().attempt(request, seed, once)

    requests = ask_for(5, 1, 3, 0, 2, 4)
    assert desk(ledger, Uneven()).ask(requests) == [bought(request) for request in requests]


def test_asking_for_nothing_calls_nobody(ledger: Ledger) -> None:
    service = Scripted()
    assert desk(ledger, service).ask([]) == []
    assert service.asked == []


def test_ten_repeats_are_ten_calls_and_one_request_twice_is_one(ledger: Ledger) -> None:
    service = Scripted()
    replies = desk(ledger, service).ask(ask_for(*range(10), *range(10)))
    assert (len(replies), len(service.asked)) == (20, 10)
    assert replies[:10] == replies[10:]
    assert len({seed for _, seed in service.asked}) == 10


def test_a_known_request_is_not_asked_again_also_by_another_process(kept: Kept) -> None:
    service, fresh = Scripted(), Scripted()
    with closing(kept.open()) as ledger:
        first = desk(ledger, service).ask(ask_for(0, 1))
        assert desk(ledger, service).ask(ask_for(1, 0)) == first[::-1]
    with closing(kept.open()) as ledger:
        assert desk(ledger, fresh).ask(ask_for(0, 1)) == first
        assert (ledger.spent_now, ledger.calls_now) == (0.0, 0)
    assert (len(service.asked), len(fresh.asked)) == (2, 0)


def test_another_sample_or_text_or_seed_or_service_is_another_call(ledger: Ledger) -> None:
    service, other = Scripted(), Scripted(name="other")
    desk(ledger, service).ask(ask_for(0))
    desk(ledger, service).ask(ask_for(1))
    desk(ledger, service).ask(ask_for(0, text="Why?"))
    desk(ledger, service, seed=43).ask(ask_for(0))
    desk(ledger, other).ask(ask_for(0))
    assert (len(service.asked), len(other.asked)) == (4, 1)
    assert len({seed for _, seed in service.asked + other.asked}) == 5


def test_the_row_it_is_asked_for_makes_no_other_call(ledger: Ledger) -> None:
    service = Scripted()
    desk(ledger, service).ask(ask_for(0, row="r1") + ask_for(0, row="r2"))
    desk(ledger, service).ask(ask_for(0, row="r3"))
    assert len(service.asked) == 1


def test_the_seed_of_a_call_is_the_same_in_every_run(tmp_path: Path) -> None:
    seeds = []
    for name in ("one", "two"):
        service = Scripted()
        with closing(Ledger(tmp_path / name)) as ledger:
            desk(ledger, service, run=name, recipe=f"judge/{name}").ask(ask_for(0, 1))
        seeds.append(sorted(seed for _, seed in service.asked))
    assert seeds[0] == seeds[1]


def test_no_more_calls_are_in_flight_than_the_service_takes(ledger: Ledger) -> None:
    service = Scripted(concurrency=3, seconds=0.01)
    desk(ledger, service).ask(ask_for(*range(12)))
    assert service.most == 3


def test_a_budget_is_never_exceeded_with_many_calls_in_flight(ledger: Ledger, kept: Kept) -> None:
    budget = 3.5
    seen: list[float] = []
    service = Scripted(
        concurrency=8, seconds=0.005, before=lambda: seen.append(sum(kept.account()))
    )
    with pytest.raises(OverBudget):
        desk(ledger, service, budget=budget).ask(ask_for(*range(30)))
    assert max(seen) <= budget + 1e-6
    assert service.most == 3  # the fourth could have cost more than was left
    # Stopped no sooner than it had to: the next call did not fit, the last one did.
    spent, reserved = kept.account()
    assert reserved == pytest.approx(0)
    assert spent + BOUND > budget >= spent + BOUND - COST


def test_a_try_that_was_paid_and_is_asked_again_is_reserved_anew(
    ledger: Ledger, kept: Kept
) -> None:
    def says(request: Request, tries: int) -> tuple[Reply, bool]:
        paid = bought(request)
        if tries == 0:
            return paid.model_copy(update={"outcome": Outcome.FAILED, "cause": "no choices"}), True
        return paid, False

    service = Scripted(says)
    with pytest.raises(OverBudget):  # 0.3 is paid, and 1.0 more does not fit
        desk(ledger, service, budget=1.2).ask(ask_for(0))
    assert len(service.asked) == 1
    assert kept.account() == pytest.approx((COST, 0))
    [reply] = desk(ledger, service, budget=1.3).ask(ask_for(0))
    assert reply.outcome is Outcome.OK
    assert kept.account() == pytest.approx((2 * COST, 0))


def test_over_budget_keeps_what_was_bought_and_a_larger_budget_goes_on(ledger: Ledger) -> None:
    service = Scripted(concurrency=2)
    requests = ask_for(*range(8))
    with pytest.raises(OverBudget, match=r"\$1\.2000 of \$2\.00 is spent.*cost \$1\.0000"):
        desk(ledger, service, budget=2.0).ask(requests)
    assert len(service.asked) == 4
    replies = desk(ledger, service, budget=4.0).ask(requests)
    assert replies == [bought(request) for request in requests]
    assert len(service.asked) == 8
    assert ledger.spent("run") == pytest.approx(8 * COST)


def test_a_budget_too_small_for_one_call_buys_none(ledger: Ledger) -> None:
    service = Scripted()
    with pytest.raises(OverBudget):
        desk(ledger, service, budget=0.99).ask(ask_for(0))
    assert service.asked == []


def test_known_replies_are_had_with_no_budget_left(ledger: Ledger) -> None:
    service = Scripted()
    desk(ledger, service).ask(ask_for(0, 1))
    assert len(desk(ledger, service, budget=0.0).ask(ask_for(1, 0))) == 2


def test_a_failed_try_that_may_go_better_is_made_again_and_kept_on_record(ledger: Ledger) -> None:
    service = Scripted(lambda request, tries: (bought(request), False) if tries else (busy(), True))
    requests = ask_for(0, 1)
    at = desk(ledger, service)
    assert at.ask(requests) == [bought(request) for request in requests]
    assert (len(service.asked), ledger.calls_now) == (4, 4)
    tally = ledger.tally(at.recipe)
    assert (tally.calls, tally.outcomes) == (2, {"ok": 2})
    assert tally.usage.usd == pytest.approx(2 * COST)
    assert len({seed for _, seed in service.asked}) == 2


def down_for(*samples: int) -> Says:
    """Answer all but `samples`, which find the service busy every time."""
    return lambda request, tries: (
        (busy(), True) if request.sample in samples else (bought(request), False)
    )


def test_a_call_that_keeps_failing_among_good_ones_is_a_reply_and_no_exception(
    ledger: Ledger, kept: Kept
) -> None:
    service = Scripted(down_for(1))
    at = desk(ledger, service)
    replies = at.ask(ask_for(0, 1, 2))
    assert [reply.outcome for reply in replies] == [Outcome.OK, Outcome.FAILED, Outcome.OK]
    assert replies[1].cause == f"given up after 3 tries: {busy().cause}"
    assert len(service.asked) == 2 + service.attempts == 5
    assert at.ask(ask_for(0, 1, 2)) == replies
    assert len(service.asked) == 5
    assert ledger.tally(at.recipe).outcomes == {"failed": 1, "ok": 2}
    assert kept.account() == pytest.approx((2 * COST, 0.0))


def test_a_service_that_is_down_stops_all_and_is_asked_again_for_what_is_missing(
    ledger: Ledger, kept: Kept
) -> None:
    service = Scripted(down_for(1, 2))
    at = desk(ledger, service, budget=5.0)
    said = "2 of 4 calls to scripted failed: given up after 3 tries: RateLimitError: slow down"
    with pytest.raises(ServiceError, match=f"^{said}. What was bought is kept"):
        at.ask(ask_for(0, 1, 2, 3))
    assert kept.account() == pytest.approx((2 * COST, 0.0))
    up = Scripted()
    requests = ask_for(0, 1, 2, 3)
    assert desk(ledger, up).ask(requests) == [bought(request) for request in requests]
    assert sorted(request.sample for request, _ in up.asked) == [1, 2]
    assert ledger.tally(at.recipe).outcomes == {"ok": 4}
    assert answered_twice(ledger) == 0


def test_errors_of_the_requests_themselves_are_no_outage(ledger: Ledger) -> None:
    bad = Reply(outcome=Outcome.FAILED, cause="BadRequestError: no such temperature")
    service = Scripted(lambda request, tries: (bad, False))
    assert desk(ledger, service).ask(ask_for(0, 1)) == [bad, bad]
    assert len(service.asked) == 2


def test_a_provider_that_turns_half_of_all_away_stops_the_stage_with_its_words(
    ledger: Ledger, kept: Kept
) -> None:
    no = Reply(outcome=Outcome.FAILED, cause="HTTP 400: no such thing")
    service = Scripted(
        lambda request, tries: (no if request.sample > 1 else bought(request), False)
    )
    with pytest.raises(ServiceError, match=r"2 of 4 calls to scripted failed: HTTP 400: no such"):
        desk(ledger, service).ask(ask_for(0, 1, 2, 3))
    assert kept.account() == pytest.approx((2 * COST, 0.0))
    up = Scripted()
    assert desk(ledger, up).ask(ask_for(0, 1, 2, 3))
    assert sorted(request.sample for request, _ in up.asked) == [2, 3]


def test_a_few_requests_that_a_provider_turns_away_stay_without_a_reply(ledger: Ledger) -> None:
    no = Reply(outcome=Outcome.FAILED, cause="HTTP 400: too long")
    paid = Reply(outcome=Outcome.FAILED, cause="HTTP 400: odd", usage=Usage(usd=COST))
    says = {0: no, 1: paid}
    service = Scripted(lambda request, tries: (says.get(request.sample, bought(request)), False))
    at = desk(ledger, service)
    assert [reply.outcome for reply in at.ask(ask_for(0, 1, 2))] == ["failed", "failed", "ok"]
    at.ask(ask_for(0, 1, 2))
    assert len(service.asked) == 3


@pytest.mark.parametrize("outcome", [o for o in Outcome if o is not Outcome.OK])
def test_an_outcome_that_would_come_again_is_asked_for_once(
    outcome: Outcome, ledger: Ledger
) -> None:
    said = Reply(outcome=outcome, cause="because", usage=Usage(usd=COST))
    service = Scripted(lambda request, tries: (said, False))
    at = desk(ledger, service)
    assert at.ask(ask_for(0)) == at.ask(ask_for(0)) == [said]
    assert len(service.asked) == 1
    assert ledger.tally(at.recipe).outcomes == {outcome.value: 1}
    assert ledger.spent("run") == COST


def test_each_wait_is_about_twice_the_one_before_and_a_minute_at_most(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []

    async def pause(self: Together, seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr(Together, "pause", pause)
    service = Scripted(lambda request, tries: (busy(), True), attempts=8, backoff=2.0)
    with pytest.raises(ServiceError, match="given up after 8 tries"):
        desk(ledger, service).ask(ask_for(0))
    full = [2.0, 4.0, 8.0, 16.0, 32.0, LONGEST_WAIT, LONGEST_WAIT]
    assert all(most / 2 <= wait <= most for wait, most in zip(waits, full, strict=True))


def test_a_service_that_cannot_be_used_stops_all_and_frees_what_was_claimed(
    ledger: Ledger, kept: Kept
) -> None:
    def says(request: Request, tries: int) -> tuple[Reply, bool]:
        if request.sample == 2:
            raise ServiceError("the key is dead")
        return bought(request), False

    service = Scripted(says, concurrency=2, seconds=0.01)
    requests = ask_for(*range(20))
    with pytest.raises(ServiceError, match="the key is dead"):
        desk(ledger, service, budget=50.0).ask(requests)
    asked = len(service.asked)
    assert asked <= 4
    assert ledger.in_flight("run") == 0
    assert kept.account() == pytest.approx(((asked - 1) * COST, 0))
    mended = Scripted()
    assert desk(ledger, mended).ask(requests) == [bought(request) for request in requests]
    assert len(mended.asked) == 20 - (asked - 1)


def test_no_try_is_made_after_the_service_proved_unusable(ledger: Ledger) -> None:
    def says(request: Request, tries: int) -> tuple[Reply, bool]:
        if request.sample == 1:
            raise ServiceError("the key is dead")
        return busy(), True

    service = Scripted(says, concurrency=2, attempts=5, backoff=30.0)
    with within(10), pytest.raises(ServiceError):
        desk(ledger, service).ask(ask_for(0, 1))
    assert len(service.asked) == 2
    assert ledger.in_flight("run") == 0


def test_a_call_of_another_process_is_not_waited_for_once_all_has_stopped(
    ledger: Ledger, kept: Kept
) -> None:
    def says(request: Request, tries: int) -> tuple[Reply, bool]:
        raise ServiceError("the key is dead")

    service = Scripted(says, concurrency=2, seconds=0.05)
    at = desk(ledger, service)
    hold(ledger, at, ask_for(1), ledger.owner, kept)
    with within(10), pytest.raises(ServiceError):
        at.ask(ask_for(0, 1))
    assert len(service.asked) == 1


def test_ctrl_c_keeps_the_calls_in_flight_and_begins_no_other(ledger: Ledger, kept: Kept) -> None:
    def interrupt() -> None:
        if service.flying == 3:
            signal.raise_signal(signal.SIGINT)

    service = Scripted(concurrency=3, seconds=0.05, before=interrupt)
    # A shell starts what runs in the background with SIGINT ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            desk(ledger, service, budget=50.0).ask(ask_for(*range(9)))
    finally:
        signal.signal(signal.SIGINT, before)
    assert len(service.asked) == 3
    assert kept.account() == pytest.approx((3 * COST, 0))
    after = Scripted()
    desk(ledger, after).ask(ask_for(*range(9)))
    assert len(after.asked) == 6


def no_even(request: Request, text: str) -> str:
    """Read only replies of an odd sample."""
    return "" if int(text[-1]) % 2 else "an even number"


def test_a_reply_that_cannot_be_read_is_marked_and_known_as_such(ledger: Ledger) -> None:
    service = Scripted()
    at = desk(ledger, service)
    first = at.ask(ask_for(0, 1), no_even)
    assert [(reply.outcome, reply.cause) for reply in first] == [
        (Outcome.UNREADABLE, "an even number"),
        (Outcome.OK, ""),
    ]
    assert at.ask(ask_for(0, 1), no_even) == first
    assert len(service.asked) == 2
    tally = ledger.tally(at.recipe)
    assert (tally.outcomes, tally.usage.usd) == ({"ok": 1, "unreadable": 1}, 2 * COST)


def test_a_reply_that_a_kill_left_unread_is_read_when_it_is_asked_for(ledger: Ledger) -> None:
    at = desk(ledger, Scripted())
    at.ask(ask_for(0))  # answered; nothing was read out of it
    [reply] = at.ask(ask_for(0), no_even)
    assert reply.outcome is Outcome.UNREADABLE
    assert ledger.tally(at.recipe).outcomes == {"unreadable": 1}


def test_only_a_good_reply_is_read(ledger: Ledger) -> None:
    cut = Reply(outcome=Outcome.TRUNCATED, cause="max_tokens", text="{")
    service = Scripted(lambda request, tries: (cut, False))
    assert desk(ledger, service).ask(ask_for(0), lambda request, text: "no JSON") == [cut]


def test_a_call_that_two_results_rest_on_is_bought_once_and_counted_for_both(
    ledger: Ledger,
) -> None:
    service = Scripted()
    desk(ledger, service, recipe="judge/1").ask(ask_for(0, 1))
    desk(ledger, service, recipe="judge/2").ask(ask_for(1, 2))
    one, two = ledger.tally("judge/1"), ledger.tally("judge/2")
    assert (one.calls, two.calls, len(service.asked)) == (2, 2, 3)
    assert one.usage == two.usage


def test_spend_is_told_with_its_limit_if_there_is_one(ledger: Ledger) -> None:
    service = Scripted()
    desk(ledger, service).ask(ask_for(0))
    assert desk(ledger, service).spend == "$0.3000"
    assert desk(ledger, service, budget=2.0).spend == "$0.3000 of $2.00"
    assert desk(ledger, service, run="new", budget=12.5).spend == "$0.0000 of $12.50"
    assert desk(ledger, service).name == "scripted"


def hold(ledger: Ledger, at: Desk, requests: Sequence[Request], owner: str, kept: Kept) -> None:
    """Claim `requests` in the name of `owner`."""
    for request in requests:
        claim = ledger.claim(
            Call(
                key=at._key(request),
                request=request,
                service=at.name,
                limits=at.service.limits,
                seed=0,
                stage=at.recipe,
                run=at.run,
                bound=BOUND,
                budget=None,
            )
        )
        assert claim is Claim.MINE
    kept.give_to(owner)


def test_a_claim_of_a_dead_process_is_taken_over(ledger: Ledger, kept: Kept) -> None:
    service = Scripted()
    at = desk(ledger, service, budget=2.0)
    hold(ledger, at, ask_for(0), kept.gone(), kept)
    with within(10):
        assert at.ask(ask_for(0)) == [bought(ask_for(0)[0])]
    assert len(service.asked) == 1


def test_a_claim_of_another_host_is_waited_for_until_its_lease_is_over(tmp_path: Path) -> None:
    kept = Kept(tmp_path, on_server=False)
    ledger, service = kept.open(), Scripted()
    at = desk(ledger, service)
    hold(ledger, at, ask_for(0), "another-host:1:0.00", kept)
    assert ledger.free_the_dead() == 0
    said = f"that a process of another-host makes; {ledger.freed}"
    assert ledger.holder(at._key(ask_for(0)[0])) == said
    kept.look("update calls set claimed_at = claimed_at - ?", (LEASE + 1,))
    with within(10):
        assert at.ask(ask_for(0)) == [bought(ask_for(0)[0])]
    ledger.close()


def test_what_the_dead_had_in_flight_counts_as_the_most_it_can_have_cost(
    ledger: Ledger, kept: Kept
) -> None:
    service = Scripted()
    at = desk(ledger, service, budget=2.5)
    hold(ledger, at, ask_for(7, 8), kept.gone(), kept)
    stopped = r"\$0.0000 \(and \$2.0000 at most, unseen\) of \$2.50 is spent"
    with within(10), pytest.raises(OverBudget, match=stopped):
        at.ask(ask_for(0))
    assert service.asked == []
    with within(10):
        assert len(desk(ledger, service, budget=3.0).ask(ask_for(0))) == 1
    assert kept.account() == pytest.approx((COST, 0))


def test_a_day_that_is_spent_stops_a_run_and_says_until_when(ledger: Ledger) -> None:
    service = Scripted(cap=2.0, concurrency=1)
    stopped = r"\$1.2000 of \$2.00 is spent today \(UTC\) on scripted .* Go on tomorrow"
    with within(10), pytest.raises(OverBudget, match=stopped):
        desk(ledger, service).ask(ask_for(*range(9)))
    assert len(service.asked) == 4
    service.cap = 9.0
    assert len(desk(ledger, service).ask(ask_for(*range(9)))) == 9
    assert len(service.asked) == 9


def test_a_try_whose_end_nobody_saw_is_paid_for_once_more_and_stays_counted(
    ledger: Ledger, kept: Kept
) -> None:
    def says(request: Request, tries: int) -> tuple[Reply, bool] | Heard:
        return (bought(request), False) if tries else Heard(busy(), again=True, unproven=True)

    service = Scripted(says)
    with pytest.raises(OverBudget):
        desk(ledger, service, budget=1.5).ask(ask_for(0))
    assert (len(service.asked), kept.unproven()) == (1, BOUND)
    assert desk(ledger, service, budget=2.0).ask(ask_for(0)) == [bought(ask_for(0)[0])]
    assert kept.account() == pytest.approx((COST, 0))


def test_a_call_that_is_made_again_after_a_paid_reply_has_another_seed(ledger: Ledger) -> None:
    service = Scripted(
        lambda request, tries: (busy(), True) if tries == 0 else (bought(request), False)
    )
    at = desk(ledger, service)
    at.ask(ask_for(0))
    assert len({seed for _, seed in service.asked}) == 1, "a try that failed changes no seed"
    ledger.reopen([at._key(ask_for(0)[0])])
    at.ask(ask_for(0))
    assert len({seed for _, seed in service.asked}) == 2


def test_a_try_is_named_so_that_a_provider_can_tell_it_from_the_next(ledger: Ledger) -> None:
    names: list[str] = []

    class Noting(Scripted):
        async def attempt(self, request: Request, seed: int, once: str) -> Heard:
            names.append(once)
            return await super().attempt(request, seed, once)

    def says(request: Request, tries: int) -> tuple[Reply, bool] | Heard:
        if tries == 0:
            return Heard(busy(), again=True, unproven=True)
        return (busy(), True) if tries == 1 else (bought(request), False)

    desk(ledger, Noting(says)).ask(ask_for(0))
    assert names[0] == names[1] != names[2], "after a try that nobody saw the end of, the same"


def test_a_provider_that_asks_to_be_left_alone_is(ledger: Ledger) -> None:
    at: list[float] = []

    def says(request: Request, tries: int) -> tuple[Reply, bool] | Heard:
        at.append(time.monotonic())
        return (bought(request), False) if tries else Heard(busy(), again=True, wait=0.2)

    desk(ledger, Scripted(says)).ask(ask_for(0))
    assert at[1] - at[0] >= 0.2


def test_a_claim_of_a_live_process_is_waited_for(ledger: Ledger, kept: Kept) -> None:
    child = second_process("slow", kept)
    while not (kept.private / "asked").exists():
        assert child.poll() is None
        time.sleep(0.01)
    service = Scripted()
    with within(30):
        [reply] = desk(ledger, service).ask(ask_for(0))
    assert (reply, service.asked) == (bought(ask_for(0)[0]), [])
    child.communicate(timeout=30)
    assert child.returncode == 0


def test_three_processes_that_ask_the_same_at_once_pay_once(kept: Kept) -> None:
    kept.private.mkdir()
    children = [second_process("same", kept) for _ in range(3)]
    while len(list(kept.private.glob("ready-*"))) < 3:
        assert all(child.poll() is None for child in children)
        time.sleep(0.01)
    (kept.private / "go").touch()
    said = [child.communicate(timeout=60)[0] for child in children]
    assert [child.returncode for child in children] == [0, 0, 0]
    assert set(said) == {"".join(f"How? #{n}\n" for n in range(6))}
    assert len((kept.private / "asked").read_text()) == 6
    with closing(kept.open()) as ledger:
        assert ledger.spent("run") == pytest.approx(6 * COST)
        assert answered_twice(ledger) == 0


def test_a_process_killed_in_a_call_leaves_the_call_to_the_next(ledger: Ledger, kept: Kept) -> None:
    child = second_process("die", kept)
    child.communicate(timeout=60)
    assert child.returncode == -signal.SIGKILL
    assert kept.account() == pytest.approx((2 * COST, BOUND))
    service = Scripted()
    with within(10):
        desk(ledger, service, budget=5 * COST + 2 * BOUND).ask(ask_for(*range(6)))
    assert len(service.asked) == 4
    assert kept.account() == pytest.approx((6 * COST, 0))
    assert kept.unproven() == BOUND, "nobody can tell whether the call in flight was billed"


def second_process(task: str, kept: Kept) -> "subprocess.Popen[str]":
    """Do `task` (below) in a process of its own."""
    command = [sys.executable, __file__, task, str(kept.private), kept.where]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _note(kept: Kept) -> None:
    with (kept.private / "asked").open("a") as file:
        file.write("x")


def _slow(kept: Kept) -> None:
    service = Scripted(seconds=0.4, before=lambda: _note(kept))
    desk(kept.open(), service).ask(ask_for(0))


def _same(kept: Kept) -> None:
    service = Scripted(concurrency=2, seconds=0.05, before=lambda: _note(kept))
    (kept.private / f"ready-{os.getpid()}").touch()
    late = time.monotonic() + 60
    while not (kept.private / "go").exists() and time.monotonic() < late:
        time.sleep(0.001)
    for reply in desk(kept.open(), service).ask(ask_for(*range(6))):
        print(reply.text)


def _die(kept: Kept) -> None:
    def says(request: Request, tries: int) -> tuple[Reply, bool]:
        if request.sample == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return bought(request), False

    desk(kept.open(), Scripted(says, concurrency=1)).ask(ask_for(*range(6)))


if __name__ == "__main__":
    {"slow": _slow, "same": _same, "die": _die}[sys.argv[1]](
        Kept(Path(sys.argv[2]), on_server=sys.argv[3] == "server")
    )


def test_what_a_provider_said_as_it_stopped_all_is_on_record(ledger: Ledger) -> None:
    refused = Heard(Reply(outcome=Outcome.FAILED, cause="HTTP 401: no"), raw="no", status=401)

    def dead(request: Request, tries: int) -> tuple[Reply, bool]:
        raise Unusable("scripted cannot be used: HTTP 401: no", refused)

    service = Scripted(says=dead)
    with pytest.raises(ServiceError, match="cannot be used"):
        desk(ledger, service).ask(ask_for(1))
    with ledger.transaction() as db:
        kept = db.execute("select outcome, status, raw, usd, unproven from replies").fetchall()
    assert kept == [("failed", 401, "no", 0.0, 0.0)]
    assert ledger.in_flight("run") == 0
    assert desk(ledger, Scripted()).ask(ask_for(1)) == [bought(ask_for(1)[0])]
