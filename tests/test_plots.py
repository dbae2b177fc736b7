"""The figures: what is drawn, where, and that drawing twice gives the same bytes."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from llamaduo.findings import Assessment, Measure, Point, Round
from llamaduo.plots import (
    Panel,
    coverage_by_round,
    density_grid,
    reflected_density,
    save,
    score_against_dollars,
    score_density,
    volume_curve,
)
from llamaduo.records import Training
from llamaduo.volume import coverage_at, fit, reach

MARK = "similarity, 0 to 100"


def turn(number: int, value: float | None, n: int = 25) -> Round:
    low, high = (None, None) if value is None else (max(value - 15, 0), min(value + 10, 100))
    return Round(
        number=number,
        train_rows=96 + 1000 * number,
        synthetic_rows=1000 * number,
        dropped={},
        adapter="",
        train="",
        training=Training(rows=96, too_long=(), steps=10, loss=0.5),
        assessment=Assessment(
            name=f"round {number}",
            prompts=25,
            coverage=Measure(name="coverage", value=value, low=low, high=high, n=n),
            similarity=Measure(name="similarity", value=None, low=None, high=None, n=0),
            precision=Measure(name="precision", value=None, low=None, high=None, n=0),
            unjudged=0,
            answers=100,
            cut=0,
            checks={},
            steps=10,
        ),
        usd=0.5 * number,
    )


def axes_of(figure: Figure) -> Axes:
    [axes] = figure.axes
    return axes


def words(figure: Figure) -> str:
    axes = axes_of(figure)
    legends = [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    notes = [text.get_text() for text in axes.texts]
    return "\n".join([axes.get_title(), axes.get_xlabel(), axes.get_ylabel(), *legends, *notes])


def drawn(figure: Figure, label: str) -> tuple[list[float], list[float]]:
    [line] = [line for line in axes_of(figure).lines if str(line.get_label()).startswith(label)]
    return points(line)


def points(line: Line2D) -> tuple[list[float], list[float]]:
    return [float(x) for x in np.ravel(line.get_xdata())], [
        float(y) for y in np.ravel(line.get_ydata())
    ]


def bars(figure: Figure) -> ErrorbarContainer:
    [container] = axes_of(figure).containers
    assert isinstance(container, ErrorbarContainer)
    return container


def test_each_round_has_its_coverage_interval_and_rows() -> None:
    figure = coverage_by_round([turn(0, 20), turn(1, 64)], goal=60)
    axes = axes_of(figure)
    assert [t.get_text() for t in axes.get_xticklabels()] == [
        "round 0\n96 rows",
        "round 1\n1,096 rows",
    ]
    [ranges] = bars(figure).lines[2]
    ends = [[float(y) for _, y in segment] for segment in ranges.get_segments()]
    assert ends == [[5, 30], [49, 74]]
    assert axes.get_title() == "Coverage is 64.0 % after round 1; the goal is 60 %"
    assert "n = 25 prompts" in words(figure)
    assert set(drawn(figure, "goal: 60 %")[1]) == {60}


def test_the_label_says_when_rounds_rest_on_different_numbers_of_prompts() -> None:
    figure = coverage_by_round([turn(0, 20, n=25), turn(1, 64, n=23)], goal=60)
    assert "n = 23 to 25 prompts" in words(figure)


def test_a_round_without_a_judged_prompt_keeps_its_place_and_breaks_the_line() -> None:
    figure = coverage_by_round([turn(0, 20), turn(1, None, n=0), turn(2, 64)], goal=60)
    _, values = points(bars(figure).lines[0])
    assert [bool(np.isnan(value)) for value in values] == [False, True, False]
    assert "none judged" in words(figure)
    assert "n = 25 prompts" in words(figure)


@pytest.mark.parametrize("rounds", [[], [turn(0, None, n=0)]])
def test_rounds_without_any_judged_prompt_can_be_drawn(rounds: list[Round], tmp_path: Path) -> None:
    figure = coverage_by_round(rounds, goal=90)
    save(figure, tmp_path / "none.png")
    assert axes_of(figure).get_title() == "No round has a judged prompt"


@settings(max_examples=50)
@given(st.lists(st.integers(0, 100), min_size=2, max_size=60).filter(lambda m: len(set(m)) > 1))
def test_no_share_of_the_answers_leaks_out_of_a_density(marks: list[int]) -> None:
    grid = np.linspace(0, 100, 2001)
    density = reflected_density(np.array(marks, dtype=float), grid)
    assert np.all(density >= 0)
    assert np.trapezoid(density, grid) == pytest.approx(1, abs=0.005)


def test_each_name_has_its_own_curve_and_says_how_many_answers_it_holds() -> None:
    figure = score_density(
        {"round 0": [40, 50, 60], "round 1": [90, 100]}, title="By round", label=MARK
    )
    assert "round 0 (n = 3)" in words(figure) and "round 1 (n = 2)" in words(figure)
    marks, shares = drawn(figure, "round 1")
    assert (min(marks), max(marks)) == (0, 100)
    assert np.trapezoid(shares, marks) == pytest.approx(100, abs=0.5)
    styles = {(line.get_color(), line.get_linestyle()) for line in axes_of(figure).lines}
    assert len(styles) == 2
    assert axes_of(figure).get_xlabel() == MARK


@pytest.mark.parametrize(
    ("marks", "legend"),
    [([], "(n = 0)"), ([70.0], "(n = 1)"), ([100.0] * 9, "(n = 9, all 100)")],
)
def test_marks_without_a_spread_are_pinned_where_they_are(
    marks: list[float], legend: str, tmp_path: Path
) -> None:
    figure = score_density({"round 0": marks}, title="Pinned", label=MARK)
    assert set(drawn(figure, "round 0")[0]) == set(marks)
    assert f"round 0 {legend}" in words(figure)
    save(figure, tmp_path / "pin.png")


@pytest.mark.parametrize("mark", [-1.0, 100.5, float("nan")])
def test_a_mark_outside_the_scale_is_refused(mark: float) -> None:
    with pytest.raises(ValueError, match=r"round 0: a mark is not in 0\.\.100"):
        score_density({"round 0": [50.0, mark]}, title="Wrong", label=MARK)


def test_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    def draw(name: str) -> bytes:
        figure = score_density({"round 0": [40, 50, 60]}, title="Same", label=MARK)
        save(figure, tmp_path / name)
        return (tmp_path / name).read_bytes()

    first, second = draw("first.png"), draw("second.png")
    assert first == second
    assert b"Software" not in first


LOW, HIGH = [40.0, 45.0, 50.0], [90.0, 92.0, 99.0]


def grid(**panels: dict[str, list[float]]) -> Figure:
    columns = [Panel(name, {"similarity": of, "precision": of}) for name, of in panels.items()]
    return density_grid(columns, title="Scores")


def test_a_grid_has_a_column_for_each_judge_and_n_under_each() -> None:
    figure = grid(mild={"24 rows": HIGH, "48 rows": HIGH[:2]}, harsh={"24 rows": LOW})
    assert len(figure.axes) == 4
    assert [axes.get_title() for axes in figure.axes] == ["mild", "harsh", "", ""]
    under = [
        [text.get_text() for text in found.get_texts()] if found else []
        for found in (axes.get_legend() for axes in figure.axes)
    ]
    assert under == [[], [], ["24 rows (n = 3)", "48 rows (n = 2)"], ["24 rows (n = 3)"]]
    assert [axes.get_xlabel() for axes in figure.axes[::2]] == [
        "similarity, 0 to 100",
        "precision, 0 to 100",
    ]


def test_the_panels_of_a_grid_share_their_scales_and_none_is_cut() -> None:
    figure = grid(flat={"a": LOW}, high={"a": [99.0, 99.5, 99.0, 98.0]})
    low, high = figure.axes[0].get_ylim(), figure.axes[1].get_ylim()
    assert low == high and low[0] == 0
    tallest = max(max(points(line)[1]) for axes in figure.axes for line in axes.lines)
    assert high[1] > tallest


def test_the_curves_of_a_grid_have_kernels_of_one_width() -> None:
    grid_ = np.linspace(0, 100, 2001)
    for marks in (LOW, HIGH):
        density = reflected_density(np.array(marks), grid_)
        assert np.trapezoid(density, grid_) == pytest.approx(1, abs=0.005)
    figure = grid(one={"a": [50.0, 50.001], "b": [20.0, 20.001]})
    shares = [points(line)[1] for line in figure.axes[0].lines]
    assert max(shares[0]) == pytest.approx(max(shares[1]), rel=1e-3)
    assert max(shares[0]) == pytest.approx(100 / (4 * np.sqrt(2 * np.pi)), rel=1e-3)


def test_each_run_is_a_line_of_coverage_against_its_dollars() -> None:
    figure = score_against_dollars(
        {"one": [turn(1, 20), turn(2, None, n=0), turn(3, 64)], "two": [turn(1, 40, n=20)]}, 60
    )
    assert "one (n = 25)" in words(figure) and "two (n = 20)" in words(figure)
    assert "goal: 60 %" in words(figure)
    first, second = axes_of(figure).containers
    assert isinstance(first, ErrorbarContainer) and isinstance(second, ErrorbarContainer)
    assert points(first.lines[0]) == ([0.5, 1.5], [20, 64])
    [ranges] = first.lines[2]
    ends = [[float(y) for _, y in segment] for segment in ranges.get_segments()]
    assert ends == [[5, 30], [49, 74]]


def test_runs_without_one_goal_or_any_judged_round_can_be_drawn(tmp_path: Path) -> None:
    figure = score_against_dollars({"none": [turn(0, None, n=0)]}, None)
    save(figure, tmp_path / "none.png")
    assert "goal" not in words(figure)


def measured(*hits: int, n: int = 60) -> list[Point]:
    return [Point(rows=100 * 2**i, hits=hit, n=n, usd=1.0 * i) for i, hit in enumerate(hits)]


def test_the_volume_curve_passes_through_the_fit_and_marks_where_it_meets_the_goal() -> None:
    curve = fit(measured(12, 24, 38))
    reached = reach(curve, 80)
    assert reached.rows is not None
    figure = volume_curve(curve, reached, title="toy")
    rows, values = drawn(figure, "fitted curve")
    assert (rows[0], rows[-1]) == pytest.approx((100, 400))
    assert values[0] == pytest.approx(coverage_at(curve, 100)[0])
    beyond, _ = drawn(figure, "beyond what was tried")
    assert beyond[0] == pytest.approx(400) and beyond[-1] >= reached.rows
    assert "measured, n = 60 prompts" in words(figure)
    diamonds = [points(line) for line in axes_of(figure).lines if line.get_marker() == "D"]
    assert diamonds == [([float(reached.rows)], [80.0])]
    assert "80 % would take" in axes_of(figure).get_title()


def test_a_prediction_far_off_is_named_and_not_drawn() -> None:
    curve = fit(measured(10, 13, 16))
    figure = volume_curve(curve, reach(curve, 95), title="toy")
    assert not [line for line in axes_of(figure).lines if line.get_marker() == "D"]
    assert axes_of(figure).get_xlim()[1] <= 8 * 400
    flat = fit([*measured(10, 10), Point(rows=150, hits=4, n=30, usd=0)])
    figure = volume_curve(flat, reach(flat, 95), title="toy")
    assert "No practical number of rows reaches 95 %" in axes_of(figure).get_title()
    assert "n = 30 to 60 prompts" in words(figure)
