"""What a forecast says of budgets, days and time, and how it is laid out."""

from pathlib import Path

import pytest
from forecast_world import Billed, billed, expected
from small_world import Diary

from llamaduo.forecast.figures import Line, Range, same
from llamaduo.forecast.held import budget, daily, dollars, span
from llamaduo.forecast.seen import Seen
from llamaduo.forecast.text import count, grouped, table


def line(name: str, low: float, high: float, most: float, round: int | None = None) -> Line:
    return Line(
        stage="judgements",
        name=name,
        service="billed",
        round=round,
        sure=not round,
        calls=same(10),
        prompt_tokens=same(100),
        completion_tokens=same(10),
        usd=Range(least=low / 2, low=low, high=high, most=most),
    )


LINES = [
    line("dev judged", 1, 2, 20, round=0),
    line("dev judged", 1, 2, 20, round=1),
    line("dev judged", 1, 2, 20, round=2),
    line("test judged", 2, 4, 40),
]
"""Likely 3 (one round and the test) to 10 dollars; at most 100."""


@pytest.mark.parametrize(
    ("usd", "said"),
    [
        (100, "cannot be reached"),
        (10, "will likely not be reached; at most, all would cost $100.00"),
        (9, "may stop it, in `test judged` at the earliest"),
        (4.5, "may stop it, between round 2 and `test judged`; it goes on with a larger one"),
        (2.5, "will likely stop it between round 1 and round 2"),
        (0.5, "will likely stop it in round 0"),
    ],
)
def test_a_budget_is_said_to_last_or_where_it_ends(usd: float, said: str) -> None:
    assert said in budget(LINES, usd, spent=0)


def test_a_budget_that_is_spent_is_said_to_be() -> None:
    said = budget(LINES, 5, spent=6)
    assert said == "the budget of $5.00 is less than the $6.00 that this run has paid already"


@pytest.mark.parametrize(
    ("cap", "said"),
    [
        (100, "cannot be reached by this run alone"),
        (10, "will likely not be reached"),
        (4, "stretches its calls over 1 to 3 days"),
        (1, "stretches its calls over 3 to 10 days"),
        (0, "the cap of $0.00 a day lets out no call of it that costs anything"),
    ],
)
def test_a_daily_cap_is_said_to_stretch_a_run_over_days(cap: float, said: str) -> None:
    assert said in daily("billed", LINES, cap)


def test_the_limits_of_a_service_and_of_the_run_are_held_against_the_forecast(
    tmp_path: Path,
) -> None:
    service = Billed(diary=Diary(), cap=0.001, per_minute=6)
    exp = billed(tmp_path / "home", service=service, budget_usd=0.001)
    held = expected(exp).held
    assert any("the budget of $0.001 will likely stop it" in said for said in held)
    assert any("the cap of $0.001 a day stretches" in said for said in held)
    assert any(said.startswith("each round after the first adds ") for said in held)
    [time] = [said for said in held if said.startswith("the calls take")]
    total = expected(exp).total()
    assert f" {span(10 * total.calls.high)} likely" in time, "six a minute, ten seconds each"


def test_time_is_that_of_calls_side_by_side_or_of_the_tokens_of_a_minute(tmp_path: Path) -> None:
    def seconds(**service: int) -> tuple[float, float]:
        seen = Seen(calls=50, bytes_per_token=4, cached=0, reply_tokens=10, seconds=3.0)
        one = Billed.model_validate({"diary": Diary(), **service})
        exp = billed(tmp_path / "home", service=one, rounds=1)
        first = expected(exp, lambda service, stage: seen).lines[0]
        assert first.seconds is not None
        assert first.calls.high == 24
        return first.seconds

    assert seconds(concurrency=2)[1] == 24 * 3 / 2
    assert seconds(concurrency=8)[1] == 24 * 3 / 8
    slow = seconds(tokens=1000)
    assert slow[1] > 24 * 500 * 60 / 1000, "each may have a reply of 500 tokens, and its prompt"


def test_a_call_that_no_minute_has_room_for_is_said_in_the_forecast(tmp_path: Path) -> None:
    def said(tokens: int) -> list[str]:
        one = Billed(diary=Diary(), tokens=tokens)
        found = expected(billed(tmp_path / "home", service=one))
        assert found.lines[0].largest[0] <= found.lines[0].largest[1]
        return [line for line in found.held if "such a call is never sent" in line]

    [line] = said(400)
    assert line.startswith("billed: a call of `dev judged` counts as ")
    assert "tokens, and tokens_per_minute is 400: " in line
    [least, most] = expected(billed(tmp_path / "home")).lines[0].largest
    assert "may count as" in "".join(said(least))
    assert said(10**6) == []
    assert least < most


def test_time_is_not_said_where_nobody_timed_a_call(tmp_path: Path) -> None:
    held = expected(billed(tmp_path / "home")).held
    assert not any("take" in said for said in held)


def test_the_table_has_a_line_for_each_stage_and_says_what_its_columns_assume(
    tmp_path: Path,
) -> None:
    exp = billed(tmp_path / "home", baselines=("service",))
    said = table(expected(exp, spent=1.5, unproven=0.25, bought=7))
    for name in ("dev judged, rounds 0 to 2", "rows written, rounds 0 to 1", "test judged"):
        assert sum(line.startswith(name) for line in said.splitlines()) == 2, name
    for word in ("least  ", "likely  ", "at most  ", "assumed", "as of 2026-11-23"):
        assert word in said
    assert "bought so far by this run: 7 calls for $1.50 (and $0.25 at most, unseen)" in said
    assert all(line.isascii() for line in said.splitlines())


def test_a_simulated_service_is_said_to_be_play_money(tmp_path: Path) -> None:
    plays = Billed(diary=Diary(), name="simulated-one", simulated=True)
    exp = billed(tmp_path / "home", service=plays, allow_simulated=True)
    said = table(expected(exp))
    assert "simulated-one is simulated: play money" in said
    assert "play money" not in table(expected(billed(tmp_path / "home")))


def test_rounds_of_one_stage_are_one_line_of_the_table() -> None:
    names = [one.name for one in grouped(LINES)]
    assert names == ["dev judged, rounds 0 to 2", "test judged"]
    assert grouped(LINES)[0].usd.low == 1


@pytest.mark.parametrize(
    ("number", "said"),
    [(0, "0"), (9_999, "9,999"), (12_345, "12.3k"), (1_234_567, "1.23M"), (2.5e9, "2.5G")],
)
def test_large_numbers_have_three_digits(number: float, said: str) -> None:
    assert count(number) == said


@pytest.mark.parametrize(
    ("usd", "said"),
    [(0, "$0.00"), (1234.5, "$1,234.50"), (0.3, "$0.30"), (0.0123, "$0.0123"), (2e-6, "$2e-06")],
)
def test_small_dollars_keep_their_digits(usd: float, said: str) -> None:
    assert dollars(usd) == said


@pytest.mark.parametrize(("seconds", "said"), [(12, "12 s"), (600, "10 min"), (7200, "2.0 h")])
def test_times_are_written_in_what_they_are_large_in(seconds: float, said: str) -> None:
    assert span(seconds) == said
