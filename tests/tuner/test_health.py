"""When a training is ended, from its losses alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llamaduo.errors import ModelError
from llamaduo.tuner.health import best_step, is_enough, refuse_a_training_that_fails

LOOKS = st.lists(st.floats(0.1, 9), max_size=12).map(
    lambda losses: [(10 * (i + 1), loss) for i, loss in enumerate(losses)]
)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_ends_it_at_its_step(bad: float) -> None:
    with pytest.raises(ModelError, match=r"the loss became (nan|inf) at step 3: lower tuner\.lr"):
        refuse_a_training_that_fails([3.0, 2.0, bad])


def test_a_loss_that_grows_by_a_nat_ends_it_with_both_figures() -> None:
    with pytest.raises(ModelError, match=r"steps 11 to 20 is 4\.10, and of the first 10 it was 3"):
        refuse_a_training_that_fails([3.0] * 10 + [4.1] * 10)


@given(st.floats(0, 5), st.lists(st.floats(-5, 0.9), max_size=60))
def test_a_loss_that_stays_within_a_nat_of_its_beginning_never_ends_it(
    first: float, later: list[float]
) -> None:
    refuse_a_training_that_fails([first] * 10 + [max(first + more, 0) for more in later])


@given(LOOKS)
def test_the_best_look_is_the_first_of_the_lowest(looks: list[tuple[int, float]]) -> None:
    best = best_step(looks)
    assert (best is None) == (not looks)
    if best is not None:
        lowest = min(loss for _, loss in looks)
        assert best == next(step for step, loss in looks if loss == lowest)


def test_a_look_that_is_no_number_is_never_the_best() -> None:
    assert best_step([(1, float("nan")), (2, 9.0), (3, float("nan"))]) == 2


@given(LOOKS, st.integers(1, 5))
def test_it_is_enough_after_so_many_looks_without_a_better_one(
    looks: list[tuple[int, float]], patience: int
) -> None:
    best = best_step(looks)
    since = 0 if best is None else len(looks) - best // 10
    assert is_enough(looks, patience) == (since >= patience)
    assert not is_enough(looks, None)
