"""Two texts judged both ways round, and what is measured in them."""

from collections.abc import Sequence

import numpy as np
import pytest
from judges import marked, text
from scipy.stats import linregress, t

from llamaduo.audit.limits import AUTHOR, FEWEST, SLOPE
from llamaduo.audit.lines import Estimate, line, pooled_sd, words
from llamaduo.audit.repeats import references, spread, tells
from llamaduo.audit.swaps import Pair, as_judged, author, flips, length_of_answers, length_of_wrong
from llamaduo.records import Score


def swapped(row: str, first: Sequence[float], second: Sequence[float], longer: int = 0) -> Pair:
    """Return a pair whose second candidate is so many words longer."""
    short, long = text(f"a{row}", 200), text(f"r{row}", 200 + longer)
    return Pair(
        marked(row, *first, candidate=short, target=long),
        marked(row, *second, candidate=long, target=short),
    )


def test_words_are_runs_of_letters_and_each_sign_of_a_language_without_spaces() -> None:
    assert words('{"category": "two words"}, 3rd; naïve') == 5
    assert words("我们 ok 今天") == 5
    assert words(" \n") == 0


def test_the_line_is_least_squares_and_its_interval_no_narrower_than_the_usual() -> None:
    draw = np.random.default_rng(0)
    x = draw.normal(size=25)
    y = 3 + 2 * x + draw.normal(size=25)
    found, known = line(x, y, 0.99), linregress(x, y)
    assert found.slope is not None
    assert found.slope.value == pytest.approx(known.slope)
    assert found.at_zero.value == pytest.approx(known.intercept)
    half = t.ppf(0.995, 23) * known.stderr
    assert found.slope.high - found.slope.value >= half - 1e-9


def test_the_interval_of_a_slope_holds_where_far_out_points_stray_more() -> None:
    draw = np.random.default_rng(1)
    held = usual = 0
    for _ in range(600):
        x = draw.normal(size=40)
        y = draw.normal(size=40) * (1 + np.abs(x))
        slope, known = line(x, y, 0.9).slope, linregress(x, y)
        assert slope is not None
        held += slope.low <= 0 <= slope.high
        usual += abs(known.slope) <= t.ppf(0.95, 38) * known.stderr
    assert usual / 600 < 0.75
    assert held / 600 > 0.85


def test_a_line_without_length_to_go_by_is_a_mean_and_one_through_zero_has_no_height() -> None:
    flat = line(np.ones(4), np.array([1.0, 2.0, 3.0, 4.0]), 0.99)
    assert flat.at_zero.value == pytest.approx(2.5)
    assert flat.slope is None
    through = line(np.array([1.0, 2.0, 3.0]), np.array([2.0, 4.0, 6.0]), 0.99, through_zero=True)
    assert through.slope is not None
    assert through.slope.value == pytest.approx(2)
    assert through.at_zero == Estimate(0, 0, 0)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (Estimate(4, 1, 7), True),
        (Estimate(-4, -7, -1), True),
        (Estimate(4, -1, 9), False),
        (Estimate(2, 1, 3), False),
        (Estimate(3, 1, 5), True),
    ],
)
def test_an_effect_counts_where_it_is_large_and_surely_not_nothing(
    found: Estimate, expected: bool
) -> None:
    assert found.beyond(3) is expected


def test_the_pooled_spread_holds_the_truth_about_as_often_as_it_says() -> None:
    assert pooled_sd(np.array([2.0] * 5), np.ones(5), 0.99) == Estimate(2**0.5, 2**0.5, 2**0.5)
    assert pooled_sd(np.zeros(5), np.ones(5), 0.99) == Estimate(0, 0, 0)
    draw = np.random.default_rng(2)
    held = 0
    for _ in range(300):
        squares = draw.normal(0, 8, (60, 4)).var(axis=1, ddof=1) * 3
        found = pooled_sd(squares, np.full(60, 3.0), 0.9)
        held += found.low <= 8 <= found.high
    assert 0.85 <= held / 300 <= 0.95


def test_spread_is_within_one_members_marks_of_one_answer() -> None:
    by = ("a", "b")
    rows = [marked(f"t{i}", 40 + i, 90, 40 + i, 90, by=by) for i in range(FEWEST)]
    assert spread(rows, "similarity").value == 0
    rows = [marked(f"t{i}", 40, 90, 44, 90, by=by) for i in range(FEWEST)]
    assert spread(rows, "precision").value == pytest.approx(2)
    assert not spread(rows, "precision").flagged


def test_marks_that_stray_like_drawn_ones_are_flagged_and_one_repeat_is_not_measured() -> None:
    rows = [marked(f"t{i}", 10 + i, 80 + i) for i in range(FEWEST)]
    assert spread(rows, "similarity").flagged
    once = [marked(f"t{i}", 10) for i in range(FEWEST)]
    found = spread(once, "similarity")
    assert (found.value, found.n, found.flagged) == (None, 0, False)


def test_good_is_told_from_bad_by_the_reference_above_a_wrong_answer() -> None:
    rows = [f"t{i}" for i in range(20)]
    high = {row: Score(similarity=90, precision=0) for row in rows}
    low = {row: Score(similarity=89, precision=100) for row in rows}
    assert (tells(high, low).value, tells(high, low).flagged) == (100, False)
    assert (tells(high, high).value, tells(high, high).flagged) == (0, True)
    half = {row: high[row] if i % 2 else low[row] for i, row in enumerate(rows)}
    assert (tells(high, half).value, tells(high, half).flagged) == (50, True)
    assert tells(high, dict(list(low.items())[: FEWEST - 1])).value is None


def test_references_that_pass_are_counted_by_both_thresholds_and_never_flagged() -> None:
    marks = [(90, 80)] * 6 + [(89, 80)] * 2 + [(90, 79)] * 4
    same = {str(i): Score(similarity=s, precision=p) for i, (s, p) in enumerate(marks)}
    found = references(same, 90, 80)
    assert (found.value, found.n, found.flagged) == (50, 12, False)


def test_length_is_told_from_what_texts_are_worth() -> None:
    pairs = [
        swapped(str(i), [30 + 2 * i], [30 + 2 * i + i - 10], longer=10 * (i - 10))
        for i in range(20)
    ]
    found = length_of_answers(pairs)
    assert found.value == pytest.approx(10)
    assert found.flagged
    assert author(pairs).value == pytest.approx(0, abs=1e-9)
    fair = [swapped(str(i), [30 + 2 * i], [30 + 2 * i], longer=10 * (i - 10)) for i in range(20)]
    assert length_of_answers(fair).value == pytest.approx(0, abs=1e-9)
    assert not length_of_answers(fair).flagged


def test_a_slope_under_the_limit_is_no_flag_however_sure() -> None:
    slope = SLOPE - 0.5
    pairs = [swapped(str(i), [50], [50 + slope * i / 10], longer=10 * i) for i in range(20)]
    found = length_of_answers(pairs)
    assert found.value == pytest.approx(slope)
    assert not found.flagged


def test_lengths_that_hardly_differ_are_said_to_and_leave_the_preference_its_mean() -> None:
    pairs = [swapped(str(i), [50], [58 + i % 3], longer=i % 4) for i in range(12)]
    found = length_of_answers(pairs)
    assert found.value is None
    assert "hardly differ in length" in found.says
    assert author(pairs).value == pytest.approx(9)
    assert author(pairs).flagged


@pytest.mark.parametrize("gain", [8, -8])
def test_a_preference_is_the_gap_at_equal_length_either_way(gain: int) -> None:
    pairs = [
        swapped(str(i), [50 + i], [50 + i + gain + (i - 10) / 2], longer=10 * (i - 10) - 30)
        for i in range(20)
    ]
    found = author(pairs)
    assert found.value == pytest.approx(gain + 1.5)
    assert found.flagged
    small = [swapped(str(i), [50], [50 + AUTHOR - 0.1]) for i in range(20)]
    assert not author(small).flagged


def test_pairs_with_no_room_at_the_top_are_left_out_and_said() -> None:
    full = [swapped(f"full{i}", [100], [99]) for i in range(30)]
    roomy = [swapped(str(i), [70], [78]) for i in range(12)]
    found = author([*full, *roomy])
    assert found.value == pytest.approx(8)
    assert found.n == 12
    assert "30 more with both marks at 99 or over left out" in found.says
    assert author(full).value is None


def test_two_wrong_texts_drawn_for_each_other_are_one_observation() -> None:
    def other(row: str, a: int, b: int, gap: float) -> Pair:
        one, two = text(f"x{min(a, b)}", 20 * min(a, b) + 1), text(f"x{max(a, b)}", 20 * max(a, b))
        first, second = (two, one) if a < b else (one, two)
        return Pair(
            marked(row, 10, candidate=first, target=second),
            marked(row, 10 + gap, candidate=second, target=first),
        )

    pairs = []
    for i in range(1, 11):
        pairs += [other(f"a{i}", i, 21 - i, 5), other(f"b{i}", 21 - i, i, 5)]
    found = length_of_wrong(pairs)
    assert found.n == 10
    assert found.value == pytest.approx(0, abs=1e-9)  # what both gain is not length
    assert length_of_wrong(pairs[:-2]).value is None


def test_flips_are_counted_and_those_that_noise_makes_anyway_are_no_flag() -> None:
    noisy = [swapped(str(i), [88, 93], [92, 86]) for i in range(20)]
    found = flips(noisy, 90)
    assert (found.value, found.flagged) == (100, False)
    turned = [swapped(str(i), [95, 95], [70, 70] if i % 2 else [94, 94]) for i in range(20)]
    found = flips(turned, 90)
    assert (found.value, found.flagged) == (50, True)
    assert "10 of 20 prompts" in found.says
    steady = [swapped(str(i), [95, 92], [91, 94]) for i in range(20)]
    assert (flips(steady, 90).value, flips(steady, 90).flagged) == (0, False)


def test_flips_of_single_repeats_are_not_known_to_be_more_than_chance() -> None:
    found = flips([swapped(str(i), [95], [70]) for i in range(20)], 90)
    assert (found.value, found.flagged) == (100, False)
    assert "is not known" in found.says


def test_the_slope_as_judged_is_over_prompts_and_never_flagged() -> None:
    rows = [
        marked(f"t{i}", 30 + 2 * i + off, candidate=text("a", 20 * i + 1), sample=sample)
        for i in range(20)
        for sample, off in enumerate((-1, 1))
    ]
    found = as_judged(rows)
    assert found.value == pytest.approx(10)
    assert found.n == 20
    assert not found.flagged
