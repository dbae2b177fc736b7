"""The arithmetic of the gate."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llamaduo.metrics import difference
from llamaduo.parity.figures import Counts, Figures
from llamaduo.parity.rule import (
    BARS,
    CUT,
    ENDLESS,
    LEFT_OUT,
    OTHERWISE,
    TEMPLATE,
    UNREACHABLE,
    WRONG,
    Numbers,
    prompts_to_show,
    verdict,
    within,
)


def seen(**changes: Any) -> Figures:
    """All of 200 answers came and are identical, unless something else is said."""
    plain: dict[str, Any] = {
        "n": 200,
        "unanswered": 0,
        "identical": 200,
        "ended": 200,
        "ended_before": 200,
        "cut": 0,
        "runs_on": 0,
        "tellable": 200,
        "as_base": 0,
        "counts": Counts(n=200, off=0, ours=12, theirs=12, least=0, most=0),
    }
    return Figures.model_validate(plain | changes)


OFF = Counts(n=200, off=200, ours=45, theirs=66, least=21, most=21)


@pytest.mark.parametrize("numbers", BARS)
def test_the_same_answers_pass(numbers: Numbers) -> None:
    assert verdict(seen(), numbers=numbers).passed


@pytest.mark.parametrize(
    ("identical", "numbers", "passes"),
    [
        (198, "exact", True),
        (197, "exact", False),
        (198, "same", True),
        (197, "same", False),
        (190, "other", True),
        (189, "other", False),
    ],
)
def test_the_bar_is_99_percent_for_the_same_numbers_and_95_for_others(
    identical: int, numbers: Numbers, passes: bool
) -> None:
    assert verdict(seen(identical=identical), numbers=numbers).passed == passes


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"unanswered": 3, "identical": 197, "ended": 197, "ended_before": 197}, UNREACHABLE),
        ({"unanswered": 200, "identical": 0, "ended": 0, "ended_before": 0}, UNREACHABLE),
        ({"identical": 0, "counts": OFF}, TEMPLATE),
        ({"identical": 40, "counts": OFF.model_copy(update={"most": 40})}, TEMPLATE),
        ({"identical": 2, "counts": OFF.model_copy(update={"most": 40})}, WRONG),
        ({"identical": 0, "as_base": 180, "ended": 0}, LEFT_OUT),
        ({"identical": 191, "tellable": 9, "as_base": 9}, LEFT_OUT),
        ({"identical": 198, "tellable": 3, "as_base": 2}, LEFT_OUT),
        ({"identical": 199, "tellable": 9, "as_base": 9, "counts": OFF}, LEFT_OUT),
        ({"late": 150}, ENDLESS),
        ({"identical": 0, "cut": 200, "ended": 0}, CUT),
        ({"identical": 10, "runs_on": 190, "ended": 10}, ENDLESS),
        ({"identical": 3}, WRONG),
        ({"identical": 150}, OTHERWISE),
        ({"ended": 197}, OTHERWISE),
    ],
)
def test_what_fails_is_named(changes: dict[str, Any], cause: str) -> None:
    found = verdict(seen(**changes), numbers="exact")
    assert (found.passed, found.cause) == (False, cause)
    assert found.reasons


@pytest.mark.parametrize("numbers", BARS)
def test_an_adapter_left_out_fails_where_model_and_base_mostly_agree(numbers: Numbers) -> None:
    found = verdict(seen(identical=198, tellable=2, as_base=2), numbers=numbers)
    assert found.reasons == ("2 of 2 answers are the base's own, where it says something else",)
    near_tie = seen(identical=199, tellable=1, as_base=1)
    assert verdict(near_tie, numbers=numbers).passed
    mostly_there = seen(identical=198, tellable=4, as_base=2)
    assert verdict(mostly_there, numbers=numbers).passed


def test_no_judgement_lets_an_adapter_that_was_left_out_pass() -> None:
    found = seen(identical=180, tellable=20, as_base=20)
    judged = difference(0, 0, 200)
    assert verdict(found, numbers="other", judged=judged).cause == LEFT_OUT


def test_one_prompt_in_a_hundred_may_stay_without_an_answer() -> None:
    there = {"identical": 198, "ended": 198, "ended_before": 198}
    assert verdict(seen(unanswered=2, **there), numbers="exact").passed


def test_a_server_that_counts_otherwise_and_says_the_same_passes() -> None:
    assert verdict(seen(counts=OFF), numbers="other").passed
    assert not verdict(seen(identical=192, counts=OFF), numbers="other").passed


def test_an_adapter_that_is_not_live_fails_whatever_the_answers() -> None:
    assert verdict(seen(), numbers="other", live="0 of 16 differ").cause == LEFT_OUT


def test_a_judged_difference_counts_only_where_rounding_may_be_to_blame() -> None:
    none = difference(0, 0, 200)
    assert within(none)
    assert verdict(seen(identical=180), numbers="other", judged=none).passed
    assert verdict(seen(identical=180), numbers="same", judged=none).passed
    assert not verdict(seen(identical=180), numbers="exact", judged=none).passed
    lost = difference(0, 8, 200)
    assert not verdict(seen(identical=180), numbers="other", judged=lost).passed


def test_it_takes_189_prompts_to_show_two_points() -> None:
    assert prompts_to_show() == 189
    assert not within(difference(0, 0, 188))


counts = st.integers(1, 400).flatmap(
    lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(0, n), st.integers(0, n))
)


@given(counts, st.sampled_from(list(BARS)))
def test_more_identical_answers_never_turn_a_pass_into_a_failure(
    drawn: tuple[int, int, int, int], numbers: Numbers
) -> None:
    n, identical, ended, before = drawn
    plain = {"n": n, "tellable": 0, "ended": ended, "ended_before": before, "counts": None}
    less = verdict(seen(identical=identical, **plain), numbers=numbers)
    more = verdict(seen(identical=n, **plain), numbers=numbers)
    assert more.passed >= less.passed
    assert less.passed >= verdict(seen(identical=identical, **plain), numbers="exact").passed


@given(counts, st.integers(0, 400), st.sampled_from(list(BARS)))
def test_a_failure_has_a_cause_and_reasons_and_a_pass_has_none(
    drawn: tuple[int, int, int, int], as_base: int, numbers: Numbers
) -> None:
    n, identical, ended, before = drawn
    found = verdict(
        seen(
            n=n,
            identical=identical,
            ended=ended,
            ended_before=before,
            tellable=n,
            as_base=min(as_base, n - identical),
        ),
        numbers=numbers,
    )
    assert found.passed == (not found.cause) == (not found.reasons)
    assert not (found.passed and 100 * identical < 95 * n)
    assert not (found.passed and abs(ended - before) > 0.01 * n)


@given(st.integers(1, 300).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))))
def test_too_many_unanswered_never_pass(drawn: tuple[int, int]) -> None:
    n, gone = drawn
    came = n - gone
    found = verdict(
        seen(n=n, unanswered=gone, identical=came, ended=came, ended_before=came, tellable=0),
        numbers="exact",
    )
    assert found.passed == (gone <= 0.01 * n)
