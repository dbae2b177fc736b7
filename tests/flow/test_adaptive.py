"""Calls in flight: more while all goes well, half as many when it does not, never none."""

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llamaduo.flow.adaptive import OVERLOADED, START, Lanes


async def flight(lanes: Lanes, bears: int, calls: int, most: list[int]) -> int:
    """Make so many calls to a provider that refuses what is more than it bears; count refusals."""
    stop = asyncio.Event()
    flying = refused = 0

    async def call() -> None:
        nonlocal flying, refused
        async with lanes.one(stop) as number:
            assert number is not None
            flying += 1
            most.append(flying)
            ok = flying <= bears
            refused += not ok
            for _ in range(3):
                await asyncio.sleep(0)
            flying -= 1
            lanes.saw(number, ok)

    await asyncio.gather(*(call() for _ in range(calls)))
    assert flying == 0
    return refused


def test_a_service_that_bears_its_concurrency_soon_has_it_and_no_more() -> None:
    lanes, most = Lanes(64), list[int]()
    assert asyncio.run(flight(lanes, 1000, 8 + 16 + 32 + 64, most)) == 0
    assert most[0] == 1
    assert (max(most), lanes.open) == (64, 64)


@pytest.mark.parametrize("ceiling", [1, 3, START])
def test_a_small_concurrency_is_had_at_once(ceiling: int) -> None:
    most = list[int]()
    asyncio.run(flight(Lanes(ceiling), 1000, 50, most))
    assert most[:ceiling] == list(range(1, ceiling + 1))
    assert max(most) == ceiling


def test_an_overloaded_provider_is_asked_about_what_it_bears_and_refuses_little() -> None:
    lanes, most, opened, refused = Lanes(64), list[int](), list[int](), 0
    for _ in range(60):
        refused += asyncio.run(flight(lanes, 10, 50, most))
        opened.append(lanes.open)
    assert max(most[500:]) == 11
    assert 7 < sum(opened) / 60 < 10
    assert refused < 0.04 * 3000


def test_one_that_bears_a_single_call_is_asked_one_at_a_time() -> None:
    lanes, most = Lanes(16), list[int]()
    asyncio.run(flight(lanes, 0, 40, most))
    assert lanes.open == 1
    assert set(most[-20:]) == {1}


async def taken(lanes: Lanes, many: int) -> Sequence[int]:
    """Numbers of calls that are in flight, and stay so."""
    stop, numbers = asyncio.Event(), []
    for _ in range(many):
        number = await lanes.one(stop).__aenter__()
        assert number is not None
        numbers.append(number)
    return numbers


def test_refusals_of_one_round_halve_once() -> None:
    lanes = Lanes(8)
    numbers = asyncio.run(taken(lanes, 8))
    for number in numbers:
        lanes.saw(number, False)
    assert lanes.open == 4


def test_good_replies_of_a_round_that_was_refused_are_no_reason_for_more() -> None:
    lanes = Lanes(8)
    first, *rest = asyncio.run(taken(lanes, 8))
    lanes.saw(first, False)
    for number in rest:
        lanes.saw(number, True)
    assert lanes.open == 4


def test_what_is_not_used_does_not_grow() -> None:
    lanes, most = Lanes(64), list[int]()
    for _ in range(50):
        asyncio.run(flight(lanes, 1000, 2, most))
    assert lanes.open == START


def test_what_it_has_learnt_is_kept_for_the_next_batch() -> None:
    lanes = Lanes(64)
    asyncio.run(flight(lanes, 1000, 100, []))
    most = list[int]()
    asyncio.run(flight(lanes, 1000, 100, most))
    assert most[:20] == list(range(1, 21))


def test_a_stop_is_heard_by_those_who_wait_and_those_who_come() -> None:
    async def scene() -> list[int | None]:
        lanes, stop, got = Lanes(1), asyncio.Event(), list[int | None]()

        async def call() -> None:
            async with lanes.one(stop) as number:
                got.append(number)
                await stop.wait()

        calls = [asyncio.create_task(call()) for _ in range(3)]
        await asyncio.sleep(0)
        stop.set()
        await asyncio.gather(*calls)
        await call()
        return got

    assert asyncio.run(scene()) == [0, None, None, None]


@given(st.integers(1, 6), st.lists(st.sampled_from(["go", "fail", "cancel", "wait"]), max_size=40))
def test_no_lane_is_lost_or_given_twice_whoever_leaves(ceiling: int, acts: list[str]) -> None:
    async def scene() -> None:
        lanes, stop = Lanes(ceiling), asyncio.Event()
        flying = 0

        async def call(act: str) -> None:
            nonlocal flying
            async with lanes.one(stop) as number:
                assert number is not None
                flying += 1
                assert flying <= ceiling
                try:
                    await asyncio.sleep(0)
                    await asyncio.sleep(0)
                    if act == "fail":
                        raise OSError
                    lanes.saw(number, act == "go")
                finally:
                    flying -= 1

        calls = []
        for act in acts:
            calls.append(asyncio.create_task(call(act)))
            await asyncio.sleep(0)
            if act == "cancel":
                calls[len(calls) // 2].cancel()
        ended = await asyncio.gather(*calls, return_exceptions=True)
        assert all(
            one is None or isinstance(one, OSError | asyncio.CancelledError) for one in ended
        )
        assert 1 <= lanes.open <= ceiling
        most, opened = list[int](), lanes.open
        await flight(lanes, 1000, 3 * ceiling, most)  # all lanes are there still
        assert opened <= max(most) <= ceiling

    asyncio.run(scene())


def test_a_call_that_is_cancelled_as_its_turn_comes_hands_it_on() -> None:
    async def scene() -> bool:
        lanes, stop = Lanes(1), asyncio.Event()
        holds = lanes.one(stop)
        await holds.__aenter__()
        first = asyncio.create_task(lanes.one(stop).__aenter__())
        second = asyncio.create_task(lanes.one(stop).__aenter__())
        await asyncio.sleep(0)
        await holds.__aexit__(None, None, None)  # the first has its turn, and has not heard of it
        first.cancel()
        return await asyncio.wait_for(second, 1) is not None

    assert asyncio.run(scene())


def test_only_what_says_too_much_counts_as_overload() -> None:
    assert {429, 503, 529} == OVERLOADED
