"""How many calls a desk sends, and when: limits a minute, waits that a provider asks for, lanes."""

import asyncio
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from kept import ASKED, Kept, failed, ok
from test_desk import Scripted, ask_for, bought, busy, desk, within

from llamaduo import desk as desk_module
from llamaduo.database import Tables
from llamaduo.errors import LlamaDuoError, OverBudget, ServiceError
from llamaduo.flow import window
from llamaduo.flow.adaptive import START, Lanes
from llamaduo.ledger import Act, Call, Claim, Ledger
from llamaduo.ledger.together import Together
from llamaduo.records import Request, Usage
from llamaduo.service import Heard, Limits

SHORT = window.Span(seconds=0.2, guard=0.6)


@dataclass
class Limited(Scripted):
    """A service with limits, that remembers when it was asked."""

    requests: int | None = None
    tokens: int | None = None
    came: list[float] = field(default_factory=list)
    warmed: int = 0

    @property
    def limits(self) -> Limits:
        return Limits(
            payee=self.name, requests_per_minute=self.requests, tokens_per_minute=self.tokens
        )

    def warm(self) -> None:
        self.warmed += 1

    async def attempt(self, request: Request, seed: int, once: str) -> Heard:
        self.came.append(time.time())
        return await super().attempt(request, seed, once)


@pytest.fixture
def ledger(kept: Kept) -> Iterator[Ledger]:
    with closing(kept.open()) as made:
        yield made


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Ledger]:
    """A ledger in a file: for what does not hang on where it is."""
    with closing(Kept(tmp_path / "private", on_server=False).open()) as made:
        yield made


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a minute be as long as SHORT."""
    monkeypatch.setattr(window, "book", partial(window.book, span=SHORT))
    monkeypatch.setattr(window, "late", partial(window.late, span=SHORT))


def call(key: str = "k", **limits: Any) -> Call:
    return Call(
        key=key,
        request=ASKED,
        service="s",
        limits=Limits(payee="p", **limits),
        seed=7,
        stage="judge/1",
        run="run",
        bound=1.0,
        budget=None,
    )


@pytest.mark.usefixtures("short")
def test_a_limit_of_requests_spreads_calls_over_windows(ledger: Ledger) -> None:
    service = Limited(requests=4, concurrency=8)
    with within(10):
        replies = desk(ledger, service).ask(ask_for(*range(10)))
    assert replies == [bought(request) for request in ask_for(*range(10))]
    came = sorted(service.came)
    assert all(b - a >= SHORT.seconds for a, b in zip(came, came[4:], strict=False))
    assert came[-1] - came[0] < 2 * SHORT.window + 1


@pytest.mark.usefixtures("short")
def test_tokens_that_a_reply_did_not_use_are_free_for_the_next_calls(ledger: Ledger) -> None:
    [request] = ask_for(0)
    asked, used = window.tokens_of(request, Limits(payee="p")), bought(request).usage
    assert asked > used.prompt_tokens + used.completion_tokens == 6
    service = Limited(tokens=asked + 6, concurrency=1)
    with within(10):
        desk(ledger, service).ask(ask_for(0, 1, 2))
    assert service.came[1] - service.came[0] < SHORT.seconds
    assert service.came[2] - service.came[0] >= SHORT.seconds


@pytest.mark.usefixtures("short")
def test_a_limit_that_holds_calls_back_is_told_once(
    file: Ledger, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(desk_module, "HELD", 0.1)
    with within(10):
        desk(file, Limited(requests=2, concurrency=4)).ask(ask_for(*range(5)))
    [line] = capsys.readouterr().err.splitlines()
    said = "llamaduo: requests_per_minute=2 holds calls to .* back: the next goes out at "
    assert re.fullmatch(said + r"\d\d:\d\d:\d\d", line)


def test_a_request_that_no_minute_has_room_for_is_refused_before_any_is_sent(
    ledger: Ledger, kept: Kept
) -> None:
    service = Limited(tokens=20)
    with pytest.raises(ServiceError, match="counts as 59 tokens, and tokens_per_minute is 20"):
        desk(ledger, service).ask([*ask_for(0), *ask_for(1, text="How? " * 20)])
    assert service.asked == []
    assert kept.look("select count(*) from calls") == [(0,)]


def test_a_wait_that_a_provider_asks_for_is_kept_by_every_call_and_process(
    ledger: Ledger, kept: Kept
) -> None:
    def says(request: Request, tries: int) -> Heard:
        if len(first.asked) == 1:
            return Heard(busy(), again=True, wait=0.3, status=429)
        return Heard(bought(request))

    first, second = Limited(says, concurrency=1), Limited()
    held = threading.Event()
    first.before = lambda: held.set() if len(first.asked) > 1 else None
    with within(10):
        asking = threading.Thread(target=lambda: ask_elsewhere(kept, first))
        asking.start()
        while not kept.look("select 1 from holds"):
            time.sleep(0.005)
        desk(ledger, second).ask(ask_for(7))
        asking.join()
    assert held.is_set()
    assert first.came[1] - first.came[0] >= 0.29
    assert second.came[0] - first.came[0] >= 0.29


def test_a_long_wait_that_a_provider_asks_for_is_told_once(
    file: Ledger, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk_module, "LONG", 0.1)
    with file.transaction() as db:
        until = time.time() + 0.4
        window.hold(db, "scripted", until, "RateLimitError: slow down")
    with within(10):
        desk(file, Limited()).ask(ask_for(*range(4)))
    when = time.strftime("%H:%M:%S", time.localtime(until))
    said = f"llamaduo: scripted is left alone until {when}: RateLimitError: slow down\n"
    assert capsys.readouterr().err == said


def ask_elsewhere(kept: Kept, service: Limited) -> None:
    """Ask through a ledger of its own, as another process has it."""
    with closing(kept.open()) as other:
        desk(other, service).ask(ask_for(0))


def test_the_last_reply_that_a_limit_had_room_for_holds_the_next_call(file: Ledger) -> None:
    headers = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "250ms"}
    service = Limited(lambda request, tries: Heard(bought(request), headers=headers), concurrency=1)
    with within(10):
        desk(file, service).ask(ask_for(0, 1))
    assert service.came[1] - service.came[0] >= 0.24


def test_an_overloaded_service_gets_fewer_calls_at_once(file: Ledger) -> None:
    def says(request: Request, tries: int) -> Heard:
        over = service.flying > 4
        return Heard(busy(), again=True, status=429) if over else Heard(bought(request))

    service = Limited(says, concurrency=8, attempts=9, seconds=0.002, backoff=0.001)
    with within(20):
        desk(file, service).ask(ask_for(*range(60)))
    refused = len(service.asked) - 60
    assert 0 < refused < 20
    assert file.lanes(service.limits.payee, 8).open < 8


def test_a_call_that_tries_again_gets_a_lane_while_all_others_wait_for_what_it_holds(
    file: Ledger,
) -> None:
    def says(request: Request, tries: int) -> Heard:
        return Heard(busy(), again=True, status=429) if tries == 0 else Heard(bought(request))

    service = Limited(says, concurrency=4)
    with within(10), pytest.raises(OverBudget):
        desk(file, service, budget=1.2).ask(ask_for(*range(8)))
    assert [request.sample for request, _ in service.asked] == [0, 0]


def test_a_service_that_bears_more_soon_has_all_its_lanes_and_keeps_them(file: Ledger) -> None:
    service = Limited(concurrency=4 * START, seconds=0.1)
    at = desk(file, service)
    at.ask(ask_for(*range(8 * START)))
    assert service.most == 4 * START
    fresh = Limited(concurrency=4 * START, seconds=0.1)
    desk(file, fresh).ask(ask_for(*range(4 * START), text="And?"))
    assert fresh.most == 4 * START


def test_ctrl_c_gives_back_the_moments_that_calls_wait_for(ledger: Ledger, kept: Kept) -> None:
    service = Limited(requests=1, concurrency=4)
    # A shell starts what runs in the background with SIGINT ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    main = threading.main_thread().ident
    assert main is not None
    timer = threading.Timer(0.3, signal.pthread_kill, [main, signal.SIGINT])
    try:
        timer.start()
        with within(10), pytest.raises(KeyboardInterrupt):
            desk(ledger, service).ask(ask_for(*range(8)))
    finally:
        signal.signal(signal.SIGINT, before)
    assert len(service.asked) == 1
    assert kept.look("select count(*) from sends") == [(1,)]
    assert (kept.unproven(), kept.account()[1]) == (0, 0)


def test_a_call_that_was_killed_while_it_waited_was_not_billed_and_frees_its_moment(
    ledger: Ledger, kept: Kept
) -> None:
    limits = {"requests_per_minute": 1}
    for key in "ab":
        assert ledger.claim(call(key, **limits)) is Claim.MINE
    first, second = ledger.mine("a"), ledger.mine("b")
    assert first is not None
    assert second is not None
    assert (first.out, second.out) == (True, False)
    assert second.at == pytest.approx(time.time() + 61.5, abs=1)
    kept.give_to(kept.gone())
    assert ledger.free_the_dead() == 2
    assert kept.unproven() == 1.0
    assert kept.look("select slot from sends") == [("a",)]


def test_a_second_try_takes_a_moment_of_its_own(ledger: Ledger, kept: Kept) -> None:
    ledger.claim(call(requests_per_minute=1))
    ledger.answer("k", Heard(failed(), again=True), seconds=0.1, last=False)
    held = ledger.mine("k")
    assert held is not None
    assert held.at is None
    held = ledger.send("k")
    assert held is not None
    assert not held.out
    assert held.at == pytest.approx(time.time() + 61.5, abs=1)
    assert kept.look("select sent_at from calls") == [(None,)]
    assert kept.look("select count(*) from sends") == [(2,)]


def test_what_is_to_be_loaded_is_loaded_before_a_moment_is_booked_and_only_for_a_call(
    file: Ledger,
) -> None:
    service = Limited()
    desk(file, service).ask(ask_for(0))
    assert service.warmed == 1
    known = Limited()
    desk(file, known).ask(ask_for(0))
    assert known.warmed == 0


def test_steps_of_one_turn_are_one_transaction(
    file: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = list[int]()
    do: Callable[..., list[Any]] = file.do

    def counted(steps: list[Act[Any]], lasting: bool) -> list[Any]:
        many.append(len(steps))
        return do(steps, lasting=lasting)

    monkeypatch.setattr(file, "do", counted)
    service = Scripted(concurrency=6, seconds=0.01)
    desk(file, service).ask(ask_for(*range(6)))
    assert many[0] == 6
    assert sum(many) == 12


@pytest.mark.parametrize("error", [ValueError("odd"), LlamaDuoError("the server is away")])
def test_a_step_that_fails_fails_alone_unless_nothing_can_be_written(
    error: Exception, ledger: Ledger, kept: Kept
) -> None:
    def fails(db: Tables) -> None:
        raise error

    async def turn() -> list[Any]:
        together = Together(ledger, Lanes(1))
        steps = (together.do(Act(fails)), together.do(ledger.claiming(call())))
        return list(await asyncio.gather(*steps, return_exceptions=True))

    [first, second] = asyncio.run(turn())
    assert first is error
    alone = isinstance(error, ValueError)
    assert second[0] is Claim.MINE if alone else second is error
    assert kept.look("select count(*) from calls") == [(int(alone),)]


def test_a_step_of_a_call_that_is_cancelled_is_done_all_the_same(
    ledger: Ledger, kept: Kept
) -> None:
    async def turn() -> None:
        together = Together(ledger, Lanes(1))
        ledger.claim(call())
        paid = asyncio.create_task(
            together.do(ledger.answering("k", Heard(ok()), seconds=1.0, last=True))
        )
        other = asyncio.create_task(together.do(ledger.claiming(call("other"))))
        await asyncio.sleep(0)
        paid.cancel()
        await other

    asyncio.run(turn())
    assert ledger.reply("k") == ok()
    assert kept.look("select key, state from calls order by key") == [
        ("k", "answered"),
        ("other", "claimed"),
    ]


def test_a_failed_try_counts_what_it_was_booked_for(ledger: Ledger, kept: Kept) -> None:
    ledger.claim(call(tokens_per_minute=100))
    ledger.answer("k", Heard(failed(), again=True), seconds=0.1, last=False)
    assert kept.look("select tokens from sends") == [(window.tokens_of(ASKED, Limits(payee="p")),)]
    ledger.send("k")
    said = ok().model_copy(update={"usage": Usage(prompt_tokens=3, completion_tokens=2)})
    ledger.answer("k", Heard(said), seconds=0.1, last=True)
    assert kept.look("select tokens from sends order by tokens") == [
        (5,),
        (window.tokens_of(ASKED, Limits(payee="p")),),
    ]


def test_no_step_is_said_to_be_kept_before_the_disk_has_it_and_others_gather_meanwhile(
    file: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk, settled = threading.Event(), list[int]()
    settle = file.settle

    def slow() -> None:
        assert disk.wait(10)
        settled.append(1)
        settle()

    monkeypatch.setattr(file, "settle", slow)

    async def scene() -> list[bool]:
        together = Together(file, Lanes(1))
        first = together.begin(file.claiming(call("a")))
        await asyncio.sleep(0.02)
        others = [together.begin(file.claiming(call(key))) for key in "bcd"]
        await asyncio.sleep(0.02)
        seen = [first.done(), others[0].done()]
        disk.set()
        await together.kept()
        return [*seen, first.done(), *(one.done() for one in others)]

    assert asyncio.run(scene()) == [False, False, True, True, True, True]
    assert settled == [1, 1]
    assert not file.unsettled


def test_ctrl_c_waits_for_a_slow_disk_to_take_every_reply(
    file: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle = file.settle

    def slow() -> None:
        time.sleep(0.2)
        settle()

    class Uneven(Scripted):
        async def attempt(self, request: Request, seed: int, once: str) -> Heard:
            if len(self.asked) == 2:
                signal.raise_signal(signal.SIGINT)
            heard = await super().attempt(request, seed, once)
            await asyncio.sleep(0.02 * request.sample)
            return heard

    monkeypatch.setattr(file, "settle", slow)
    service = Uneven(concurrency=3, seconds=0.02)
    # A shell starts what runs in the background with SIGINT ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with within(10), pytest.raises(KeyboardInterrupt):
            desk(file, service).ask(ask_for(*range(9)))
    finally:
        signal.signal(signal.SIGINT, before)
    assert len(service.asked) == file.calls_now == 3
    assert file.in_flight("run") == 0


def test_a_reply_that_cannot_be_kept_stops_all(
    file: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle = file.settle

    def fails() -> None:
        if service.asked:
            raise OSError("the disk is full")
        settle()

    monkeypatch.setattr(file, "settle", fails)
    service = Scripted(concurrency=1)
    with within(10), pytest.raises(OSError, match="the disk is full"):
        desk(file, service).ask(ask_for(*range(5)))
    assert len(service.asked) == 1


def test_what_is_not_settled_yet_is_seen_by_others_and_outlasts_the_process(
    tmp_path: Path,
) -> None:
    kept = Kept(tmp_path / "private", on_server=False)
    with closing(kept.open()) as ledger:
        ledger.do([ledger.claiming(call())], lasting=False)
        assert ledger.unsettled
        assert kept.look("select state from calls") == [("claimed",)]
        ledger.settle()
        assert not ledger.unsettled
