"""What many requests at one rate come to."""

import random
from typing import Any

import pytest

from llamaduo.load.sent import Sent, at_rate, later, percentile, times


def sent(due: float, took: float = 1.0, **changes: Any) -> Sent:
    """Return a request of five tokens read and three written, the first after half its time."""
    fields: dict[str, Any] = {
        "due": due,
        "begun": due,
        "first": due + took / 2,
        "last": due + took,
        "ended": due + took,
        "why": "",
        "prompt_tokens": 5,
        "output_tokens": 3,
        "pieces": 2,
    }
    return Sent.model_validate(fields | changes)


def test_a_percentile_is_an_answer_that_was_seen() -> None:
    found = times([float(n) for n in range(100, 0, -1)])
    assert found is not None
    assert (found.n, found.p50, found.p95, found.p99) == (100, 50, 95, 99)
    assert percentile([7.0], 0.5) == percentile([7.0], 0.99) == 7
    assert times([]) is None


def test_tokens_a_second_are_those_of_an_answer_at_the_rate_at_which_requests_came() -> None:
    found = at_rate(1, [sent(0), sent(1), sent(2, took=2)], warm_up=0)
    assert found.seconds == 4
    assert found.arrived == 1
    assert (found.prompt_tokens_per_s, found.output_tokens_per_s) == (5, 3)
    assert found.in_flight == (1 + 1 + 2) / 4
    assert found.counted_by == "server"
    assert found.first is not None and (found.first.p50, found.first.p95) == (500, 1000)
    # From the first token to the third there are two steps.
    assert found.between is not None and (found.between.p50, found.between.p95) == (250, 500)
    assert found.whole is not None and found.whole.p95 == 2000


def one_by_one(rate: float, each: float, *, chance: random.Random, n: int = 40) -> list[Sent]:
    """Return requests at random to a server that answers one after another, `each` seconds long."""
    due = free = 0.0
    rows = []
    for _ in range(n):
        due += chance.expovariate(rate)
        free = max(due, free) + each
        rows.append(sent(due, took=free - due))
    return rows


def test_a_server_that_answers_too_few_falls_behind_and_one_with_time_left_does_not() -> None:
    chance = random.Random(1)
    much = [at_rate(2, one_by_one(2, 1, chance=chance), 0) for _ in range(50)]
    assert all(not one.keeps_pace for one in much)
    # It writes 3 tokens a second, however many are asked for, and did so to the end.
    assert all(one.output_tokens_per_s == pytest.approx(3, rel=0.1) for one in much)
    little = [at_rate(0.5, one_by_one(0.5, 1, chance=chance), 0) for _ in range(50)]
    assert sum(one.keeps_pace for one in little) >= 49


def test_the_wait_grows_by_the_slope_less_what_may_be_chance() -> None:
    assert later([(0, 1), (1, 1.5), (2, 2), (3, 2.5)]) == pytest.approx(0.5)
    assert later([(0, 2), (1, 1), (2, 0)]) == 0
    # Slope 0.9; residuals -0.15, 0.45, -0.45, 0.15, whose squares are 0.45.
    error = (0.45 / 2 / 5) ** 0.5
    assert later([(0, 0), (1, 1.5), (2, 1.5), (3, 3)]) == pytest.approx(0.9 - 2 * error)
    assert later([(0, 0), (9, 9)]) == later([]) == later([(1, 1), (1, 2), (1, 3)]) == 0


def test_requests_of_the_warm_up_are_not_counted() -> None:
    found = at_rate(1, [sent(0, took=9), sent(1, took=9), sent(2), sent(3)], warm_up=2)
    assert (found.sent, found.answered) == (2, 2)
    assert found.whole is not None and found.whole.p99 == 1000
    few = at_rate(1, [sent(0), sent(1)], warm_up=5)
    assert (few.sent, few.arrived) == (1, 1)


def test_an_answer_is_timed_from_when_it_was_due_and_the_clients_lag_is_told() -> None:
    found = at_rate(1, [sent(0, begun=0.4, first=0.9, ended=1.4)], warm_up=0)
    assert found.whole is not None and found.first is not None
    assert (found.whole.p95, found.first.p95, found.lag_p95_ms) == (1400, 900, 400)


def test_what_failed_is_counted_by_kind_and_is_in_no_percentile() -> None:
    lost: dict[str, Any] = dict.fromkeys(("first", "last", "output_tokens", "prompt_tokens"))
    rows = [
        sent(0),
        sent(1, why="HTTP 503", ended=1.01, **lost),
        sent(2, why="timed out", ended=62.0, **lost),
        sent(3, why="HTTP 503", ended=3.01, **lost),
    ]
    found = at_rate(1, rows, warm_up=0)
    assert (found.sent, found.answered) == (4, 1)
    assert found.failed == {"HTTP 503": 2, "timed out": 1}
    assert found.failures == 0.75
    assert found.whole is not None and found.whole.n == 1
    assert found.output_tokens == 3
    assert found.in_flight == pytest.approx((1 + 0.01 + 60 + 0.01) / 62)


def test_where_nothing_is_answered_nothing_is_timed() -> None:
    lost: dict[str, Any] = dict.fromkeys(("begun", "first", "last", "ended"))
    lost["why"] = "not sent"
    found = at_rate(1, [sent(0, **lost)], warm_up=0)
    assert (found.first, found.between, found.whole) == (None, None, None)
    assert (found.output_tokens_per_s, found.in_flight, found.lag_p95_ms) == (0, 0, 0)


def test_a_server_that_counts_nothing_has_its_pieces_counted() -> None:
    rows = [sent(0, output_tokens=None, prompt_tokens=None), sent(1)]
    found = at_rate(1, rows, warm_up=0)
    assert (found.counted_by, found.output_tokens, found.prompt_tokens) == ("pieces", 5, 5)
