"""How many prompts settle a question: against the exact power, and against simulation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from llamaduo.intervals import paired_shares, share_interval, wilson
from llamaduo.power import PRACTICAL, out_of_reach, pairs_needed, prompts_needed


def power(n: int, coverage: float, goal: float) -> float:
    """The exact share of tests of `n` prompts whose interval lies on the right side."""
    ends = [wilson(hits, n) for hits in range(n + 1)]
    settles = [low >= goal / 100 if coverage > goal else high < goal / 100 for low, high in ends]
    weights = binom.pmf(np.arange(n + 1), n, coverage / 100)
    return float(weights[settles].sum())


@pytest.mark.parametrize(
    ("coverage", "goal"),
    [(95, 90), (99, 90), (100, 90), (85, 90), (70, 90), (0, 50), (80, 70), (60, 50), (40, 50)],
)
def test_the_advised_number_has_the_power_and_half_of_it_has_not(
    coverage: float, goal: float
) -> None:
    advised = prompts_needed(coverage, goal)
    assert advised is not None
    assert power(advised, coverage, goal) >= 0.8
    assert power(max(advised // 2, 1), coverage, goal) < 0.8
    assert min(power(n, coverage, goal) for n in range(advised, advised + 40)) >= 0.8


@pytest.mark.parametrize(("coverage", "goal"), [(97, 90), (80, 90), (60, 50)])
def test_at_another_level_the_advised_number_has_the_power_too(
    coverage: float, goal: float
) -> None:
    level = 0.99
    advised = prompts_needed(coverage, goal, level)
    assert advised is not None
    ends = [share_interval(hits, advised, level) for hits in range(advised + 1)]
    settles = [low >= goal / 100 if coverage > goal else high < goal / 100 for low, high in ends]
    weights = binom.pmf(np.arange(advised + 1), advised, coverage / 100)
    assert 0.8 <= weights[settles].sum() < 0.95


def test_a_perfect_model_could_show_it_with_just_the_prompts_that_are_named() -> None:
    for level in (0.95, 0.975, 0.99):
        said = out_of_reach(10, 90, level)
        needed = int(said.rpartition("would need ")[2].partition(" ")[0])
        assert out_of_reach(needed, 90, level) == ""
        assert out_of_reach(needed - 1, 90, level) != ""


def test_the_nearer_the_goal_the_more_prompts_it_takes() -> None:
    advised = [prompts_needed(coverage, 90) for coverage in (99, 97, 95, 93, 92, 91)]
    assert None not in advised
    assert advised == sorted(advised, key=lambda n: n or 0)


def test_on_the_goal_or_next_to_it_no_practical_number_settles_it() -> None:
    assert prompts_needed(90, 90) is None
    assert prompts_needed(90.05, 90) is None
    assert prompts_needed(99.9, 100) is None


@settings(max_examples=30, deadline=None)
@given(st.floats(1, 99), st.floats(50, 99))
def test_a_number_is_advised_only_where_a_test_of_it_can_be_had(
    coverage: float, goal: float
) -> None:
    advised = prompts_needed(coverage, goal)
    assert advised is None or 1 <= advised <= PRACTICAL


def test_pairs_advised_settle_a_margin_in_four_of_five_tests() -> None:
    first, second, margin = 0.05, 0.06, -5.0
    advised = pairs_needed(50, 60, 1000, margin)
    assert advised is not None
    draw = np.random.default_rng(1)
    counts = draw.multinomial(advised, [first, second, 1 - first - second], 1500)
    settled = np.mean(
        [100 * paired_shares(int(a), int(b), advised)[0] >= margin for a, b, _ in counts]
    )
    assert settled == pytest.approx(0.8, abs=0.06)


def test_pairs_on_the_margin_itself_are_not_settled_by_more_of_them() -> None:
    assert pairs_needed(0, 5, 100, -5.0) is None
