"""When a try may go out: never more than a limit in any minute, and nearly all of it."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kept import Kept

from llamaduo.database import Tables
from llamaduo.errors import ServiceError
from llamaduo.flow.window import (
    MINUTE,
    Span,
    book,
    give_back,
    held,
    hold,
    late,
    settle,
    tokens_of,
)
from llamaduo.ledger import Ledger
from llamaduo.records import Message, Request

NOW = 1_795_500_000.0


@dataclass(frozen=True)
class Limits:
    payee: str = "openai/gpt"
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    hidden_tokens: int = 0


@contextmanager
def tables() -> Iterator[Tables]:
    """Empty tables of a ledger, in memory."""
    with closing(Ledger(Path(":memory:"))) as ledger, ledger.transaction() as db:
        yield db


@pytest.fixture
def db() -> Iterator[Tables]:
    with tables() as made:
        yield made


def most_in(moments: list[tuple[float, int]], seconds: float) -> int:
    """The largest sum in any half-open span of so many seconds."""
    return max(
        (
            sum(many for at, many in moments if start <= at < start + seconds)
            for start, _ in moments
        ),
        default=0,
    )


def test_without_limits_a_try_goes_at_once_and_leaves_nothing_behind(db: Tables) -> None:
    assert book(db, Limits(), 50, NOW, "a") == NOW
    assert db.execute("select count(*) from sends").fetchone() == (0,)


def test_a_limit_of_requests_is_used_up_and_the_next_waits_a_minute_and_the_guard(
    db: Tables,
) -> None:
    limits = Limits(requests_per_minute=3)
    booked = [book(db, limits, 50, NOW + n, str(n)) - NOW for n in range(7)]
    assert booked == [0, 1, 2, 61.5, 62.5, 63.5, 123]


def test_limits_are_those_of_a_payee(db: Tables) -> None:
    one, other = (Limits(payee=name, requests_per_minute=1) for name in ("one", "other"))
    assert [book(db, one, 1, NOW, "a"), book(db, other, 1, NOW, "b")] == [NOW, NOW]
    assert [book(db, one, 1, NOW, "c"), book(db, other, 1, NOW + 100, "d")] == [
        NOW + 61.5,
        NOW + 100,
    ]


def test_a_limit_of_tokens_is_used_up_and_the_next_waits_for_room(db: Tables) -> None:
    limits = Limits(tokens_per_minute=100)
    asked = [(0, 40), (5, 40), (6, 20), (7, 40), (7, 30), (8, 31)]
    booked = [book(db, limits, many, NOW + at, f"{at} {many}") - NOW for at, many in asked]
    assert booked == [0, 5, 6, 61.5, 66.5, 123]


def test_a_request_larger_than_a_minute_is_refused_with_what_to_do(db: Tables) -> None:
    said = (
        "^a request to openai/gpt counts as 101 tokens, and tokens_per_minute is 100: it could "
        "never be sent. Raise tokens_per_minute, or shorten the prompt or max_tokens$"
    )
    with pytest.raises(ServiceError, match=said):
        book(db, Limits(tokens_per_minute=100), 101, NOW, "a")
    assert book(db, Limits(tokens_per_minute=100), 100, NOW, "a") == NOW


def test_a_settled_try_leaves_room_for_what_it_did_not_use(db: Tables) -> None:
    limits = Limits(tokens_per_minute=100)
    book(db, limits, 90, NOW, "a")
    settle(db, limits, 30, "a")
    assert book(db, limits, 70, NOW + 1, "b") == NOW + 1
    assert book(db, limits, 1, NOW + 1, "c") == NOW + 61.5


def test_a_slot_that_is_given_back_is_had_by_the_next(db: Tables) -> None:
    limits = Limits(requests_per_minute=1)
    book(db, limits, 1, NOW, "a")
    ahead = [book(db, limits, 1, NOW, name) - NOW for name in "bc"]
    assert ahead == [61.5, 123]
    give_back(db, "c", NOW + 5)
    assert book(db, limits, 1, NOW + 6, "d") == NOW + 123


def test_the_try_of_a_killed_process_counts_if_its_moment_came_and_else_it_does_not(
    db: Tables,
) -> None:
    limits = Limits(requests_per_minute=1)
    booked = [book(db, limits, 1, NOW, name) - NOW for name in "ab"]
    assert booked == [0, 61.5]
    assert book(db, limits, 1, NOW + 10, "b") == NOW + 61.5
    assert book(db, limits, 1, NOW + 70, "b") == NOW + 123
    assert db.execute("select count(*) from sends").fetchone() == (3,)


def test_a_slot_whose_time_has_come_may_have_been_sent_and_is_not_given_back(db: Tables) -> None:
    limits = Limits(requests_per_minute=1)
    book(db, limits, 1, NOW, "a")
    give_back(db, "a", NOW + 1)
    assert book(db, limits, 1, NOW + 1, "b") == NOW + 61.5


def test_nobody_sends_while_a_payee_is_held_and_the_longest_hold_stands(db: Tables) -> None:
    free, limited, other = Limits(), Limits(requests_per_minute=9), Limits(payee="other")
    hold(db, "openai/gpt", NOW + 20, "Retry-After")
    hold(db, "openai/gpt", NOW + 10, "another")
    assert book(db, free, 1, NOW, "a") == book(db, limited, 1, NOW, "b") == NOW + 20
    assert book(db, other, 1, NOW, "c") == NOW
    assert held(db, "openai/gpt", NOW + 19) == (NOW + 20, "Retry-After")
    assert held(db, "openai/gpt", NOW + 20) is held(db, "other", NOW) is None
    assert book(db, free, 1, NOW + 20, "d") == NOW + 20
    hold(db, "openai/gpt", NOW + 50, "again")
    assert book(db, free, 1, NOW + 21, "e") == NOW + 50


def test_who_wakes_in_time_sends_and_who_wakes_late_books_anew_behind_the_others(
    db: Tables,
) -> None:
    limits = Limits(requests_per_minute=2)
    book(db, limits, 1, NOW, "a")
    book(db, limits, 1, NOW, "b")
    slot = book(db, limits, 1, NOW, "c")
    assert slot == NOW + 61.5
    assert late(db, limits, 1, slot, slot - 0.001, "c") == slot
    assert late(db, limits, 1, slot, slot + MINUTE.guard / 2, "c") == slot
    assert book(db, limits, 1, NOW + 1, "d") == slot
    assert book(db, limits, 1, NOW + 1, "e") == NOW + 123
    assert late(db, limits, 1, slot, slot + 0.76, "c") == NOW + 123
    rows = db.execute("select slot from sends where at >= ? order by at, slot", (slot,)).fetchall()
    assert rows == [("d",), ("c",), ("e",)]


def test_who_wakes_while_the_payee_is_held_waits_on(db: Tables) -> None:
    for limits in (Limits("free"), Limits("limited", requests_per_minute=1)):
        book(db, limits, 1, NOW, "a")
        slot = book(db, limits, 1, NOW, "b")
        hold(db, limits.payee, NOW + 90, "Retry-After")
        assert late(db, limits, 1, slot, max(slot, NOW + 1), "b") == NOW + 90
        assert late(db, limits, 1, NOW + 90, NOW + 90, "b") == NOW + 90


def test_old_slots_do_not_pile_up(db: Tables) -> None:
    limits = Limits(requests_per_minute=5)
    for minute in range(20):
        for n in range(5):
            book(db, limits, 1, NOW + 61.5 * minute + n, f"{minute} {n}")
    (count,) = db.execute("select count(*) from sends").fetchone()
    assert count <= 15


def test_a_host_whose_clock_is_behind_breaks_no_limit(db: Tables) -> None:
    limits = Limits(requests_per_minute=2)
    booked = [book(db, limits, 1, NOW - 7 * (n % 2), str(n)) - NOW for n in range(4)]
    assert booked == [0, 0, 61.5, 61.5]


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 6) | st.none(),
    st.integers(20, 60) | st.none(),
    st.lists(
        st.tuples(
            st.floats(0, 20),
            st.integers(1, 20),
            st.sampled_from(["send", "send", "late", "back", "hold", "half"]),
        ),
        max_size=60,
    ),
)
def test_whatever_happens_no_span_has_more_than_the_limits(
    requests: int | None, tokens: int | None, acts: list[tuple[float, int, str]]
) -> None:
    limits = Limits(requests_per_minute=requests, tokens_per_minute=tokens)
    sent: list[tuple[float, int]] = []
    now, free = NOW, 0.0
    with tables() as db:
        for n, (pause, many, act) in enumerate(acts):
            now += pause
            at = book(db, limits, many, now, str(n))
            assert at >= max(now, free)
            if act == "back" and at > now:
                give_back(db, str(n), now)
                continue
            if act == "late":
                woke = at + 3 * pause / 2
                at = late(db, limits, many, at, woke, str(n))
                assert woke - at <= MINUTE.guard / 2
            if act == "hold":
                free = now + pause
                hold(db, limits.payee, free, "so")
            if act == "half":
                settle(db, limits, many // 2, str(n))
                many //= 2
            sent.append((at, many))
    assert requests is None or most_in([(at, 1) for at, _ in sent], 60) <= requests
    assert tokens is None or most_in(sent, 60) <= tokens


def test_a_limit_is_used_to_97_percent_over_an_hour(db: Tables) -> None:
    limits, now, sent = Limits(requests_per_minute=10), NOW, 0
    while now < NOW + 3600:
        now = book(db, limits, 1, now, str(sent))
        sent += now < NOW + 3600
    assert 0.97 * 600 <= sent <= 600


def test_a_look_without_limits_costs_microseconds(tmp_path: Path) -> None:
    with closing(Ledger(tmp_path / "ledger.sqlite")) as ledger, ledger.transaction() as db:
        began = time.process_time()
        for _ in range(1000):
            book(db, Limits(), 50, NOW, "a")
        assert time.process_time() - began < 0.05


def test_tokens_are_guessed_from_bytes_and_what_the_reply_may_have() -> None:
    request = Request(
        messages=(Message(role="user", content="a" * 7), Message(role="user", content="é")),
        max_tokens=10,
        temperature=0.0,
    )
    assert tokens_of(request, Limits()) == 5 + 10
    assert tokens_of(request, Limits(hidden_tokens=100)) == 115


def test_four_processes_share_a_limit_and_use_it(kept: Kept) -> None:
    span, limit, each = Span(seconds=0.3, guard=0.3), 10, 10
    kept.open().close()
    place: list[Any] = [str(kept.private), kept.where, limit, each, span.seconds, span.guard]
    said = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("sender.py")), *map(str, place)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout
    sent = sorted(float(at) for line in said.splitlines() for at in json.loads(line))
    assert len(sent) == 4 * each
    assert most_in([(at, 1) for at in sent], span.seconds) <= limit
    full = (4 * each / limit - 1) * span.window
    assert full - span.guard <= sent[-1] - sent[0] <= full + 1
