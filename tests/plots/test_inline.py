"""Figures that stand in a page: the same bytes, no title, and one measure on its scale."""

import pytest

from llamaduo.findings import Measure
from llamaduo.plots.inline import svg
from llamaduo.plots.strip import measure_on_scale


def measure(value: float | None, low: float = 0.0, high: float = 0.0) -> Measure:
    ends = (None, None) if value is None else (low, high)
    return Measure(name="coverage %", value=value, low=ends[0], high=ends[1], n=20)


def test_the_same_figure_gives_the_same_bytes_without_a_day_or_a_title() -> None:
    figure = measure_on_scale(measure(70, 60, 80), 65)
    figure.axes[0].set_title("Tuesday")
    again = measure_on_scale(measure(70, 60, 80), 65)
    assert svg(figure) == svg(again)
    assert figure.axes[0].get_title() == ""
    assert b"dc:date" not in svg(again)
    assert svg(measure_on_scale(measure(71, 60, 80), 65)) != svg(again)


def test_a_coverage_stands_on_a_scale_to_100_and_a_difference_on_its_own() -> None:
    coverage = measure_on_scale(measure(70, 60, 80), 65).axes[0]
    assert coverage.get_xlim() == (0, 100)
    low, high = measure_on_scale(measure(-2, -9.6, 5.2), -5).axes[0].get_xlim()
    assert -15 < low < -9.6 and 5.2 < high < 10


def test_what_was_not_measured_is_not_drawn() -> None:
    with pytest.raises(ValueError, match="coverage % was not measured"):
        measure_on_scale(measure(None), 65)
