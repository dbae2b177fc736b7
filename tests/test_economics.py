"""Whether another round is worth its price."""

from llamaduo.economics import not_worth_it
from llamaduo.metrics import difference


def test_a_gain_whose_upper_end_is_worth_less_than_it_cost_ends_the_loop() -> None:
    gain = difference(12, 10, 400)  # +0.5 points, -1.9 to +2.9
    said = not_worth_it(gain, 40.0, 10.0)
    assert "the last gained +0.5 points" in said
    assert "for $40.0000, and a point is worth $10" in said


def test_a_gain_that_may_be_worth_it_goes_on() -> None:
    gain = difference(12, 10, 400)
    assert not_worth_it(gain, 20.0, 10.0) == ""
    assert not_worth_it(difference(60, 5, 400), 40.0, 10.0) == ""


def test_a_loss_is_worth_no_price_at_all() -> None:
    assert not_worth_it(difference(2, 60, 400), 0.01, 10.0) != ""


def test_without_a_figure_nothing_is_said() -> None:
    assert not_worth_it(difference(0, 0, 0), 40.0, 10.0) == ""
