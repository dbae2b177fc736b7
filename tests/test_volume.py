"""The curve of coverage over rows: what it finds in curves that are known, and what it says."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from llamaduo.economics import not_worth_it
from llamaduo.findings import Point
from llamaduo.metrics import difference
from llamaduo.volume import FAR, coverage_at, fit, reach

UNFIT = [
    Point(rows=rows, hits=hits, n=n, usd=0)
    for rows, hits, n in (
        (756_818, 239, 239),
        (13_863, 301, 301),
        (566_612, 144, 144),
        (762_186, 0, 221),
    )
]
"""All or nothing within a hundredth of a doubling: the slope would be in the thousands."""
COUNTS = st.lists(st.integers(0, 60), min_size=2, max_size=6)


def points(hits: Sequence[int], n: int = 60, first: int = 100, usd: float = 0.01) -> list[Point]:
    """Return a point for each of `hits`, at `first` rows, twice as many, and so on."""
    rows = [first * 2**i for i in range(len(hits))]
    return [Point(rows=r, hits=h, n=n, usd=usd * r) for r, h in zip(rows, hits, strict=True)]


def drawn(random: np.random.Generator, level: float, slope: float, noise: float = 0.0) -> list[int]:
    """Return hits of 150 prompts at 100, 200, ... 1600 rows; `noise` is of each tuning's own."""
    odds = level + slope * np.arange(5) + noise * random.standard_normal(5)
    return [int(hits) for hits in random.binomial(150, 1 / (1 + np.exp(-odds)))]


@pytest.mark.parametrize(("slope", "goal"), [(0.7, 90.0), (0.4, 80.0), (0.5, 50.0)])
def test_the_intervals_hold_the_truth_in_nine_of_ten_known_curves_or_more(
    slope: float, goal: float
) -> None:
    random = np.random.default_rng(7)
    level = -1.0
    truth = 100 * 2 ** ((math.log(goal / (100 - goal)) - level) / slope)
    there = 100 / (1 + math.exp(-(level + 2 * slope)))
    slopes = needs = bands = 0
    for _ in range(300):
        curve = fit(points(drawn(random, level, slope), n=150))
        found = reach(curve, goal)
        slopes += curve.slope_low <= slope <= curve.slope_high
        assert found.rows_low is not None
        needs += found.rows_low <= truth + 1 and (
            found.rows_high is None or truth <= found.rows_high
        )
        _, low, high = coverage_at(curve, 400)
        bands += low <= there <= high
    print(
        f"slope {slope}: slopes {slopes / 3:.1f} %, rows {needs / 3:.1f} %, band {bands / 3:.1f} %"
    )
    assert min(slopes, needs, bands) >= 270


def test_models_that_vary_from_tuning_to_tuning_widen_the_intervals() -> None:
    random = np.random.default_rng(8)
    held = naive = 0
    for _ in range(300):
        curve = fit(points(drawn(random, -1.0, 0.7, noise=0.35), n=150))
        half = (curve.slope_high - curve.slope_low) / 2
        held += abs(curve.slope - 0.7) <= half
        naive += abs(curve.slope - 0.7) <= half / math.sqrt(curve.dispersion)
    print(f"noise of tuning: held {held / 3:.1f} %, without dispersion {naive / 3:.1f} %")
    assert held >= naive + 30
    assert held >= 240


def test_with_many_prompts_the_fit_is_maximum_likelihood() -> None:
    odds = np.array([-1.0, -0.2, 0.6])
    hits = [round(10**7 * share) for share in 1 / (1 + np.exp(-odds))]
    curve = fit(points(hits, n=10**7))
    assert curve.slope == pytest.approx(0.8, abs=1e-5)
    assert coverage_at(curve, 200)[0] == pytest.approx(100 / (1 + math.exp(0.2)), abs=1e-4)


def test_the_fit_solves_the_likelihoods_own_equations_by_another_way() -> None:
    hits, n = [6, 19, 30, 47], 60
    curve = fit(points(hits, n=n))

    def penalised(level: float, slope: float) -> float:
        x = np.log2([100, 200, 400, 800]) - curve.centre
        p = 1 / (1 + np.exp(-(level + slope * x)))
        design = np.column_stack([np.ones(4), x])
        information = design.T @ ((n * p * (1 - p))[:, None] * design)
        own = np.array(hits) @ np.log(p) + (n - np.array(hits)) @ np.log(1 - p)
        return float(own + 0.5 * np.log(np.linalg.det(information)))

    best = penalised(curve.level, curve.slope)
    for step in (1e-3, -1e-3):
        assert penalised(curve.level + step, curve.slope) < best
        assert penalised(curve.level, curve.slope + step) < best


@settings(max_examples=100, deadline=None)
@given(COUNTS)
def test_any_counts_can_be_fitted_and_the_band_holds_the_curve(hits: list[int]) -> None:
    curve = fit(points(hits))
    assert curve.slope_low < curve.slope < curve.slope_high
    for rows in (1, 100, 12_345):
        value, low, high = coverage_at(curve, rows)
        assert 0 <= low <= value <= high <= 100


@settings(max_examples=100, deadline=None)
@given(COUNTS, st.integers(1, 98))
def test_a_higher_goal_never_takes_fewer_rows(hits: list[int], goal: int) -> None:
    curve = fit(points(hits))
    lower, higher = reach(curve, goal), reach(curve, goal + 1)
    for less, more in ((lower.rows, higher.rows), (lower.rows_low, higher.rows_low)):
        assert more is None or (less is not None and less <= more)


@settings(max_examples=100, deadline=None)
@given(COUNTS, st.integers(1, 99))
def test_the_interval_holds_the_prediction(hits: list[int], goal: int) -> None:
    found = reach(fit(points(hits)), goal)
    if found.rows is not None:
        assert found.rows_low is not None and found.rows_low <= found.rows
        assert found.rows_high is None or found.rows <= found.rows_high


@settings(max_examples=50, deadline=None)
@given(COUNTS, st.randoms(use_true_random=False))
def test_the_order_of_points_does_not_matter(hits: list[int], random: object) -> None:
    there = points(hits)
    mixed = list(there)
    random.shuffle(mixed)  # type: ignore[attr-defined]
    first, second = fit(there), fit(mixed)
    assert (first.slope, first.level) == pytest.approx((second.slope, second.level), abs=1e-6)


@settings(max_examples=50, deadline=None)
@given(COUNTS)
def test_failures_counted_in_place_of_hits_turn_the_slope_round(hits: list[int]) -> None:
    up, down = fit(points(hits)), fit(points([60 - hit for hit in hits]))
    assert up.slope == pytest.approx(-down.slope, abs=1e-6)


def test_ten_times_the_rows_everywhere_are_ten_times_the_rows_needed() -> None:
    few, many = fit(points([10, 22, 37])), fit(points([10, 22, 37], first=1000))
    assert many.slope == pytest.approx(few.slope)
    a, b = reach(few, 90).rows, reach(many, 90).rows
    assert a and b and b == pytest.approx(10 * a, rel=0.01)


def test_the_dollars_are_the_rows_over_the_largest_volume_at_what_a_row_cost() -> None:
    curve = fit(points([10, 22, 37], usd=0.02))
    found = reach(curve, 90)
    assert curve.usd_per_row == pytest.approx(0.02)
    assert found.rows and found.rows > 400
    assert found.usd == pytest.approx((found.rows - 400) * 0.02)
    assert reach(curve, 30).usd == 0


def test_the_largest_volume_has_it_only_where_the_whole_interval_lies_within() -> None:
    sure = reach(fit(points([10, 22, 37, 50])), 30)
    assert sure.rows_high is not None and sure.rows_high <= 800
    assert "the largest volume has it already" in sure.says[0]
    unsure = reach(fit(points([10, 22, 37])), 55)
    assert unsure.rows is not None and unsure.rows <= 400
    assert unsure.rows_high is None or unsure.rows_high > 400
    assert "inside what was tried, and the upper end beyond" in unsure.says[0]


@pytest.mark.parametrize(("hits", "n"), [(0, 9), (9, 9), (4, 9)])
def test_two_volumes_of_one_coverage_do_not_tell_what_a_goal_takes(hits: int, n: int) -> None:
    found = reach(fit(points([hits, hits], n=n)), 99 if hits == n else 90)
    said = " ".join(found.says)
    assert "cannot be told from these points" in said
    assert "no practical number" not in said


def test_two_volumes_are_said_to_be_no_test_of_the_curve() -> None:
    assert "no test of its shape" in reach(fit(points([10, 22])), 90).says[-1]
    assert "no test of its shape" in reach(fit(points([10, 22]) + points([12, 20])), 90).says[-1]
    assert "no test of its shape" not in " ".join(reach(fit(points([10, 22, 37])), 90).says)


def test_a_goal_no_volume_reaches_is_said_to_be_so_only_where_rows_are_seen_to_help() -> None:
    found = reach(fit(points([1000, 1060, 1120], n=10_000)), 99.9999)
    assert found.rows is None
    assert "by this curve no practical number of rows reaches" in found.says[0]


TABLES = st.lists(
    st.integers(1, 600).flatmap(
        lambda n: st.builds(
            Point,
            rows=st.integers(1, 2000),
            n=st.just(n),
            hits=st.one_of(st.just(0), st.just(n), st.integers(0, n)),
            usd=st.floats(0, 10),
        )
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=300, deadline=None)
@given(TABLES)
def test_any_table_is_fitted_or_refused_in_words(table: list[Point]) -> None:
    try:
        curve = fit(table)
    except ValueError as error:
        assert "a curve" in str(error) or "no curve can be fitted" in str(error)
        return
    assert all(map(math.isfinite, (curve.level, curve.slope, curve.slope_low, curve.slope_high)))
    assert reach(curve, 90).says


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 2000), st.integers(0, 1)), min_size=2, max_size=6))
def test_one_prompt_a_volume_is_enough_for_a_fit(table: list[tuple[int, int]]) -> None:
    assume(len({rows for rows, _ in table}) > 1)
    curve = fit([Point(rows=rows, hits=hits, n=1, usd=0) for rows, hits in table])
    assert curve.slope_low < curve.slope < curve.slope_high


def test_a_jagged_table_is_fitted() -> None:
    jagged = [(2, 500), (482, 500), (536, 0)]
    curve = fit([Point(rows=rows, hits=hits, n=500, usd=0) for rows, hits in jagged])
    for rows, hits in jagged:
        assert coverage_at(curve, rows)[0] == pytest.approx(100 * hits / 500, abs=0.5)


def test_what_cannot_be_fitted_is_refused_in_words() -> None:
    with pytest.raises(ValueError, match="no curve can be fitted: the fit did not settle"):
        fit(UNFIT)


def test_rows_that_cost_nothing_give_no_price() -> None:
    found = reach(fit(points([10, 22, 37], usd=0.0)), 90)
    assert (found.usd, found.usd_low, found.usd_high) == (None, None, None)
    assert "cannot be told" in found.says[0]


def test_a_flat_curve_is_said_not_to_show_that_rows_help_and_has_no_upper_end() -> None:
    found = reach(fit(points([29, 31, 30, 31])), 90)
    assert found.rows_high is None
    assert found.says[0].startswith("more rows are not seen to help")


def test_a_falling_curve_is_said_to_harm() -> None:
    found = reach(fit(points([50, 35, 20, 8])), 90)
    assert (found.rows, found.rows_low, found.rows_high) == (None, None, None)
    assert "no number of them reaches 90 %" in found.says[0]


def test_far_beyond_what_was_tried_is_said_to_be_an_extrapolation() -> None:
    curve = fit(points([10, 13, 18, 22], n=200))
    found = reach(curve, 60)
    assert found.rows is not None and found.rows > FAR * 800
    assert any("an extrapolation" in line for line in found.says)
    near = reach(curve, 12)
    assert not any("extrapolation" in line for line in near.says)


def test_none_and_all_of_the_prompts_give_a_finite_curve() -> None:
    curve = fit(points([0, 60]))
    assert 0 < curve.slope < 20
    assert coverage_at(curve, 100)[0] < 10 < 90 < coverage_at(curve, 200)[0]


@pytest.mark.parametrize("goal", [0, 100])
def test_a_goal_the_curve_only_comes_near_to_is_refused(goal: float) -> None:
    with pytest.raises(ValueError, match="never there"):
        reach(fit(points([10, 20])), goal)


def test_one_volume_is_no_curve() -> None:
    with pytest.raises(ValueError, match="needs two volumes, and there is 1"):
        fit(points([3]) * 2)
    with pytest.raises(ValueError, match="a row and a judged prompt"):
        fit([Point(rows=10, hits=0, n=0, usd=0), Point(rows=20, hits=1, n=2, usd=0)])


def test_a_round_is_given_up_only_where_even_the_most_it_may_gain_is_too_dear() -> None:
    gain = difference(6, 4, 100)  # +2 points, at most 9.2
    assert gain.high is not None and 9 < gain.high < 10
    assert not_worth_it(gain, next_usd=9, usd_per_point=1) == ""
    said = not_worth_it(gain, next_usd=10, usd_per_point=1)
    assert "9.2 points of coverage at most" in said and "n = 100" in said
    assert "worth $9.17" in said and "would cost $10.00" in said


def test_a_round_that_added_nothing_for_sure_is_given_up_even_if_the_next_is_free() -> None:
    assert "added no coverage" in not_worth_it(
        difference(0, 30, 100), next_usd=0, usd_per_point=100
    )


def test_a_gain_that_is_not_known_stops_nothing() -> None:
    assert not_worth_it(difference(0, 0, 0), next_usd=100, usd_per_point=1) == ""


@settings(deadline=None)
@given(
    st.integers(1, 20).flatmap(lambda a: st.tuples(st.just(a), st.integers(0, 20))),
    st.floats(0, 1000),
    st.floats(0, 1000),
)
def test_a_dearer_point_or_a_cheaper_round_never_stops_what_went_on(
    gained: tuple[int, int], usd: float, point: float
) -> None:
    gain = difference(gained[0], gained[1], 60)
    if not not_worth_it(gain, next_usd=usd, usd_per_point=point):
        assert not not_worth_it(gain, next_usd=usd / 2, usd_per_point=point)
        assert not not_worth_it(gain, next_usd=usd, usd_per_point=point * 2)
