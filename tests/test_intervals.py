"""Intervals: known values, bounds that hold, and how often they hold the truth."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.stats import beta, binom

from llamaduo.intervals import (
    bounded_mean,
    bounded_means,
    paired_shares,
    ratio_of_means,
    share_interval,
    wilson,
    z_of,
)


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [
        (16, 16, 0.8064, 1.0),
        (35, 35, 0.9011, 1.0),
        (0, 10, 0.0, 0.2775),
        (8, 10, 0.4902, 0.9433),
        (50, 100, 0.4038, 0.5962),
        (1, 1, 0.2065, 1.0),
    ],
)
def test_the_interval_is_wilsons(hits: int, n: int, low: float, high: float) -> None:
    assert wilson(hits, n) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_holds_the_share_and_stays_within_0_and_1(counts: tuple[int, int]) -> None:
    hits, n = counts
    low, high = wilson(hits, n)
    assert 0 <= low <= hits / n + 1e-12
    assert hits / n - 1e-12 <= high <= 1
    assert low < high
    mirrored = wilson(n - hits, n)
    assert (1 - high, 1 - low) == pytest.approx(mirrored, abs=1e-9)


@given(st.integers(0, 50), st.integers(51, 100))
def test_more_prompts_with_the_same_share_narrow_the_interval(hits: int, n: int) -> None:
    low, high = wilson(hits, n)
    narrower = wilson(4 * hits, 4 * n)
    assert narrower[1] - narrower[0] < high - low


def test_a_higher_level_is_a_wider_interval() -> None:
    assert z_of(0.95) == pytest.approx(1.959964, abs=1e-6)
    low, high = wilson(80, 100, 0.99)
    assert low < wilson(80, 100)[0]
    assert high > wilson(80, 100)[1]


@pytest.mark.parametrize("n", [16, 25, 100, 400])
@pytest.mark.parametrize("share", [0.5, 0.7, 0.9, 0.95])
def test_wilson_holds_the_truth_as_often_as_is_claimed(n: int, share: float) -> None:
    ends = [wilson(hits, n) for hits in range(n + 1)]
    held = sum(
        binom.pmf(hits, n, share) for hits, (low, high) in enumerate(ends) if low <= share <= high
    )
    assert held >= (0.93 if n >= 100 else 0.92)


@pytest.mark.parametrize(("hits", "n"), [(0, 8), (3, 8), (8, 8), (90, 100)])
def test_a_mean_of_zeros_and_hundreds_has_the_interval_of_clopper_and_pearson(
    hits: int, n: int
) -> None:
    values = np.array([100.0] * hits + [0.0] * (n - hits))
    low, high = bounded_mean(values, least=0, most=100)
    exact = (
        100 * beta.ppf(0.025, hits, n - hits + 1) if hits else 0.0,
        100 * beta.ppf(0.975, hits + 1, n - hits) if hits < n else 100.0,
    )
    assert (low, high) == pytest.approx(exact, abs=1.0)


def test_marks_that_are_all_alike_do_not_prove_that_none_is_otherwise() -> None:
    low, high = bounded_mean(np.full(16, 95.0), least=0, most=100)
    assert low == pytest.approx(95 * 0.025 ** (1 / 16), abs=1.5)
    assert 95 < high < 97


def two_humped(runs: int, n: int) -> tuple[np.ndarray, float]:
    """One prompt in twenty is all wrong: a t interval of 16 holds the mean in half of runs."""
    draw = np.random.default_rng(5)
    right = draw.random((n, runs)) < 0.95
    return np.where(right, 95.0, 20.0), 0.95 * 95 + 0.05 * 20


@pytest.mark.parametrize("n", [16, 25, 100])
def test_a_mean_of_two_humped_marks_is_held_where_t_is_not(n: int) -> None:
    values, truth = two_humped(2000, n)
    low, high = bounded_means(values, least=0, most=100)
    assert np.mean((low <= truth) & (truth <= high)) >= 0.93
    spread = 2.13 * values.std(axis=0, ddof=1) / n**0.5
    held_by_t = np.mean(np.abs(values.mean(axis=0) - truth) <= spread)
    assert n > 25 or held_by_t < 0.8


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0, 100), min_size=1, max_size=60))
def test_an_interval_of_a_mean_holds_it_and_stays_in_bounds(marks: list[float]) -> None:
    low, high = bounded_mean(np.array(marks), least=0, most=100)
    assert -1e-3 <= low <= np.mean(marks) + 0.5
    assert np.mean(marks) - 0.5 <= high <= 100 + 1e-3
    assert (low, high) == bounded_mean(np.array(marks[::1]), least=0, most=100)


def test_more_prompts_of_the_same_marks_narrow_the_interval() -> None:
    few = bounded_mean(np.array([60.0, 80, 95] * 10), least=0, most=100)
    many = bounded_mean(np.array([60.0, 80, 95] * 1000), least=0, most=100)
    assert many[1] - many[0] < (few[1] - few[0]) / 5


@pytest.mark.parametrize("marks", [[], [101.0], [-1.0]])
def test_marks_out_of_bounds_and_no_marks_are_refused(marks: list[float]) -> None:
    with pytest.raises(ValueError, match=r"in 0\.\.100"):
        bounded_mean(np.array(marks), least=0, most=100)


@given(
    st.integers(1, 300).flatmap(
        lambda n: st.tuples(st.integers(0, n), st.integers(0, n), st.just(n))
    )
)
def test_a_paired_difference_lies_in_its_interval_and_turns_round_with_the_pair(
    counts: tuple[int, int, int],
) -> None:
    first, second, n = counts[0], min(counts[1], counts[2] - counts[0]), counts[2]
    low, high = paired_shares(first, second, n)
    assert -1 <= low <= (first - second) / n + 1e-9
    assert (first - second) / n - 1e-9 <= high <= 1
    turned = paired_shares(second, first, n)
    assert (-high, -low) == pytest.approx(turned, abs=1e-6)


@pytest.mark.parametrize(
    ("first", "second", "n", "low", "high"),
    [(0, 0, 50, -0.0713, 0.0713), (0, 0, 35, -0.0989, 0.0989)],
)
def test_with_no_pair_that_differs_the_interval_is_that_of_the_score_test(
    first: int, second: int, n: int, low: float, high: float
) -> None:
    assert paired_shares(first, second, n) == pytest.approx((low, high), abs=1e-4)


@pytest.mark.parametrize(("first", "second", "n"), [(12, 2, 50), (9, 4, 100), (3, 20, 60)])
def test_the_ends_are_where_a_score_test_just_refuses(first: int, second: int, n: int) -> None:
    for end, z in zip(paired_shares(first, second, n), (1.959964, -1.959964), strict=True):

        def unlikely(only_second: float, end: float = end) -> float:
            """Minus the log likelihood with the difference held at `end`."""
            rest = 1 - end - 2 * only_second
            cells = (first, only_second + end), (second, only_second), (n - first - second, rest)
            return -float(sum(count * np.log(share) for count, share in cells))

        least, most = max(0.0, -end), (1 - end) / 2
        best = minimize_scalar(unlikely, bounds=(least + 1e-9, most - 1e-9), method="bounded").x
        error = ((2 * best + end - end**2) / n) ** 0.5
        assert ((first - second) / n - end) / error == pytest.approx(z, abs=1e-3)


def test_the_paired_interval_holds_the_truth() -> None:
    draw = np.random.default_rng(2)
    for n, (first, second) in ((30, (0.15, 0.1)), (100, (0.08, 0.02)), (200, (0.3, 0.25))):
        counts = draw.multinomial(n, [first, second, 1 - first - second], 2000)
        ends = [paired_shares(int(a), int(b), n) for a, b, _ in counts]
        held = np.mean([low <= first - second <= high for low, high in ends])
        assert held >= 0.93, n


def test_a_ratio_of_means_is_held_by_its_interval() -> None:
    draw = np.random.default_rng(3)
    held = 0
    for _ in range(300):
        theirs = np.clip(draw.normal(85, 12, 80), 0, 100)
        ours = np.clip(theirs - draw.normal(8, 6, 80), 0, 100)
        low, high = ratio_of_means(ours, theirs, most=100)
        held += low <= 0.9047 <= high
    assert held / 300 >= 0.93


@pytest.mark.parametrize("n", [5, 10, 25, 200])
@pytest.mark.parametrize("share", [0.5, 0.9, 0.95, 0.98])
def test_at_higher_levels_the_interval_of_a_share_is_exact(n: int, share: float) -> None:
    level = 0.995
    ends = [share_interval(hits, n, level) for hits in range(n + 1)]
    held = sum(
        binom.pmf(hits, n, share) for hits, (low, high) in enumerate(ends) if low <= share <= high
    )
    assert held >= level
    assert share_interval(3, 8) == wilson(3, 8)
