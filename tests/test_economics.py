"""Whether another round is worth its price."""

from llamaduo.economics import not_worth_it
from llamaduo.metrics import difference

SMALL = difference(12, 10, 400)
"""+0.5 points, -1.9 to +3.0."""


def test_a_gain_whose_upper_end_is_worth_less_than_it_cost_ends_the_loop() -> None:
    said = not_worth_it(SMALL, next_usd=40.0, usd_per_point=10.0)
    assert "3.0 points of coverage at most" in said
    assert "(+0.5, 95 % interval -1.9 to +3.0, n = 400)" in said
    assert "worth $29.96 at $10 a point, and the next would cost $40.00" in said


def test_a_gain_that_may_be_worth_it_goes_on() -> None:
    assert not_worth_it(SMALL, next_usd=20.0, usd_per_point=10.0) == ""
    assert not_worth_it(difference(60, 5, 400), next_usd=40.0, usd_per_point=10.0) == ""


def test_a_loss_is_worth_no_price_at_all() -> None:
    loss = difference(2, 60, 400)
    assert "added no coverage" in not_worth_it(loss, next_usd=0.0, usd_per_point=10.0)


def test_without_a_figure_nothing_is_said() -> None:
    assert not_worth_it(difference(0, 0, 0), next_usd=40.0, usd_per_point=10.0) == ""
