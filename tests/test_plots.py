"""The figures: what is drawn, where, and that drawing twice gives the same bytes."""

from pathlib import Path

import numpy as np
import pytest
from figures import axes_of, words
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from llamaduo.findings import Assessment, Decision, Measure, Point, Round
from llamaduo.metrics import share
from llamaduo.plots import (
    Panel,
    coverage_by_round,
    density_grid,
    models_on_test,
    reflected_density,
    save,
    score_against_dollars,
    volume_curve,
)
from llamaduo.records import Training
from llamaduo.volume import coverage_at, fit, reach


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
    figure = coverage_by_round([turn(0, 20), turn(1, 64)], goal=60, part="dev")
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
    assert axes.get_ylabel() == "coverage, % of judged dev prompts"
    assert set(drawn(figure, "goal: 60 %")[1]) == {60}


def test_the_label_says_when_rounds_rest_on_different_numbers_of_prompts() -> None:
    figure = coverage_by_round([turn(0, 20, n=25), turn(1, 64, n=23)], goal=60, part="dev")
    assert "n = 23 to 25 prompts" in words(figure)


def test_a_round_without_a_judged_prompt_keeps_its_place_and_breaks_the_line() -> None:
    figure = coverage_by_round([turn(0, 20), turn(1, None, n=0), turn(2, 64)], goal=60, part="dev")
    _, values = points(bars(figure).lines[0])
    assert [bool(np.isnan(value)) for value in values] == [False, True, False]
    assert "none judged" in words(figure)
    assert "n = 25 prompts" in words(figure)


@pytest.mark.parametrize("rounds", [[], [turn(0, None, n=0)]])
def test_rounds_without_any_judged_prompt_can_be_drawn(rounds: list[Round], tmp_path: Path) -> None:
    figure = coverage_by_round(rounds, goal=90, part="dev")
    save(figure, tmp_path / "none.png")
    assert axes_of(figure).get_title() == "No round has a judged prompt"


@settings(max_examples=50)
@given(st.lists(st.integers(0, 100), min_size=2, max_size=60).filter(lambda m: len(set(m)) > 1))
def test_no_share_of_the_answers_leaks_out_of_a_density(marks: list[int]) -> None:
    grid = np.linspace(0, 100, 2001)
    density = reflected_density(np.array(marks, dtype=float), grid)
    assert np.all(density >= 0)
    assert np.trapezoid(density, grid) == pytest.approx(1, abs=0.005)


def spread(marks: dict[str, list[float]], threshold: float = 90) -> Figure:
    """Return the one panel that holds `marks`."""
    panel = Panel("judge", {"similarity": marks})
    return density_grid([panel], title="Scores", thresholds={"similarity": threshold})


def beneath(axes: Axes) -> list[str]:
    found = axes.get_legend()
    return [text.get_text() for text in found.get_texts()] if found else []


def test_each_name_has_its_own_curve_and_says_how_many_prompts_it_holds() -> None:
    figure = spread({"round 0": [40, 50, 60], "round 1": [90, 100]})
    assert beneath(axes_of(figure)) == [
        "round 0 (n = 3, 0 % at or over 90)",
        "round 1 (n = 2, 100 % at or over 90)",
    ]
    marks, shares = drawn(figure, "round 1")
    assert (min(marks), max(marks)) == (0, 100)
    assert np.trapezoid(shares, marks) == pytest.approx(100, abs=0.5)
    styles = {(line.get_color(), line.get_linestyle()) for line in axes_of(figure).lines[:2]}
    assert len(styles) == 2
    assert axes_of(figure).get_xlabel() == "similarity, 0 to 100"


def test_a_long_title_and_many_curves_stay_on_the_page() -> None:
    many = {f"{rows} rows": LOW for rows in range(6)}
    panel = Panel("judge", {"similarity": many, "precision": many})
    figure = density_grid(
        [panel],
        title="some-model-7b: " + "scores " * 14,
        thresholds={"similarity": 9, "precision": 9},
    )
    figure.draw_without_rendering()
    page = figure.bbox
    title = figure.texts[0].get_window_extent()
    assert page.x0 <= title.x0 and title.x1 <= page.x1
    for axes in figure.axes:
        legend = axes.get_legend()
        assert legend is not None
        below = axes.xaxis.label.get_window_extent()
        assert page.y0 <= legend.get_window_extent().y0
        assert legend.get_texts()[0].get_window_extent().y1 < below.y0


def test_a_thin_line_stands_at_the_threshold_and_the_share_is_counted_from_it() -> None:
    figure = spread({"979 rows": [10, 80, 80, 95]}, threshold=80)
    assert beneath(axes_of(figure)) == ["979 rows (n = 4, 75 % at or over 80)"]
    line = axes_of(figure).lines[-1]
    assert points(line) == ([80, 80], [0, 1])
    assert line.get_linewidth() < axes_of(figure).lines[0].get_linewidth()


@pytest.mark.parametrize(
    ("marks", "legend"),
    [
        ([], "(n = 0)"),
        ([70.0], "(n = 1, 0 % at or over 90)"),
        ([100.0] * 9, "(n = 9, all 100, 100 % at or over 90)"),
    ],
)
def test_marks_without_a_spread_are_pinned_where_they_are(
    marks: list[float], legend: str, tmp_path: Path
) -> None:
    figure = spread({"round 0": marks})
    assert set(drawn(figure, "round 0")[0]) == set(marks)
    assert beneath(axes_of(figure)) == [f"round 0 {legend}"]
    save(figure, tmp_path / "pin.png")


@pytest.mark.parametrize("mark", [-1.0, 100.5, float("nan")])
def test_a_mark_outside_the_scale_is_refused(mark: float) -> None:
    with pytest.raises(ValueError, match=r"round 0: a mark is not in 0\.\.100"):
        spread({"round 0": [50.0, mark]})


def test_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    def draw(name: str) -> bytes:
        save(spread({"round 0": [40, 50, 60]}), tmp_path / name)
        return (tmp_path / name).read_bytes()

    first, second = draw("first.png"), draw("second.png")
    assert first == second
    assert b"Software" not in first


LOW, HIGH = [40.0, 45.0, 50.0], [90.0, 92.0, 99.0]


def grid(**panels: dict[str, list[float]]) -> Figure:
    columns = [Panel(name, {"similarity": of, "precision": of}) for name, of in panels.items()]
    return density_grid(columns, title="Scores", thresholds={"similarity": 90, "precision": 95})


def test_a_grid_has_a_column_for_each_judge_and_n_under_each() -> None:
    figure = grid(mild={"24 rows": HIGH, "48 rows": HIGH[:2]}, harsh={"24 rows": LOW})
    assert len(figure.axes) == 4
    assert [axes.get_title() for axes in figure.axes] == ["mild", "harsh", "", ""]
    assert [beneath(axes) for axes in figure.axes] == [
        ["24 rows (n = 3, 100 % at or over 90)", "48 rows (n = 2, 100 % at or over 90)"],
        ["24 rows (n = 3, 0 % at or over 90)"],
        ["24 rows (n = 3, 33 % at or over 95)", "48 rows (n = 2, 0 % at or over 95)"],
        ["24 rows (n = 3, 0 % at or over 95)"],
    ]
    assert [points(axes.lines[-1])[0] for axes in figure.axes] == [
        [90, 90],
        [90, 90],
        [95, 95],
        [95, 95],
    ]
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
        {"one": [turn(1, 20), turn(2, None, n=0), turn(3, 64)], "two": [turn(1, 40, n=20)]},
        60,
        part="dev",
    )
    assert "one (n = 25)" in words(figure) and "two (n = 20)" in words(figure)
    assert "goal: 60 %" in words(figure)
    first, second = axes_of(figure).containers
    assert isinstance(first, ErrorbarContainer) and isinstance(second, ErrorbarContainer)
    assert points(first.lines[0]) == ([0.5, 1.5], [20, 64])
    [ranges] = first.lines[2]
    ends = [[float(y) for _, y in segment] for segment in ranges.get_segments()]
    assert ends == [[5, 30], [49, 74]]


def test_the_axes_say_whose_coverage_it_is_and_what_the_dollars_leave_out() -> None:
    sealed = words(score_against_dollars({"one": [turn(1, 20)]}, 60, part="dev"))
    assert "coverage, % of judged dev prompts" in sealed
    rest = "the baselines and the audit of the judge are not in them"
    assert f"(the sealed test, {rest})" in sealed
    steered = words(score_against_dollars({"one": [turn(1, 20)]}, 60, part="test"))
    assert "coverage, % of judged test prompts" in steered
    assert f"({rest})" in steered


def test_runs_without_one_goal_or_any_judged_round_can_be_drawn(tmp_path: Path) -> None:
    figure = score_against_dollars({"none": [turn(0, None, n=0)]}, None, part="dev")
    save(figure, tmp_path / "none.png")
    assert "goal" not in words(figure)


def measured(*hits: int, n: int = 60) -> list[Point]:
    return [Point(rows=100 * 2**i, hits=hit, n=n, usd=1.0 * i) for i, hit in enumerate(hits)]


def test_the_volume_curve_passes_through_the_fit_and_marks_where_it_meets_the_goal() -> None:
    curve = fit(measured(12, 24, 38))
    reached = reach(curve, 80)
    assert reached.rows is not None
    figure = volume_curve(curve, reached, title="toy", part="dev")
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
    figure = volume_curve(curve, reach(curve, 95), title="toy", part="dev")
    assert not [line for line in axes_of(figure).lines if line.get_marker() == "D"]
    assert axes_of(figure).get_xlim()[1] <= 8 * 400
    flat = fit([*measured(10, 10), Point(rows=150, hits=4, n=30, usd=0)])
    figure = volume_curve(flat, reach(flat, 95), title="toy", part="dev")
    assert "How many rows 95 % would take cannot be told" in axes_of(figure).get_title()
    assert "n = 30 to 60 prompts" in words(figure)
    harmful = fit(measured(55, 30, 8))
    figure = volume_curve(harmful, reach(harmful, 95), title="toy", part="dev")
    assert "No practical number of rows reaches 95 %" in axes_of(figure).get_title()


def test_a_curve_through_two_volumes_is_said_to_be_no_test_of_its_shape() -> None:
    two, three = fit(measured(12, 24)), fit(measured(12, 24, 38))
    said = [
        words(volume_curve(curve, reach(curve, 80), title="toy", part="test"))
        for curve in (two, three)
    ]
    assert "drawn through two volumes: no test of its shape" in said[0]
    assert "two volumes" not in said[1]
    assert all("coverage, % of judged test prompts" in one for one in said)


def model(name: str, hits: int, n: int) -> Assessment:
    return turn(0, 50).assessment.model_copy(
        update={"name": name, "coverage": share("coverage %", hits, n)}
    )


TUNED, PLAIN, UNJUDGED = model("round 1", 150, 200), model("untuned", 8, 190), model("lost", 0, 0)


def decided(measure: Measure, goal: float = 65) -> Decision:
    return Decision(verdict="switch", measure=measure, goal=goal, reasons=())


def test_each_model_has_its_coverage_interval_and_n_in_a_row_the_decided_one_on_top() -> None:
    figure = models_on_test(
        TUNED, [PLAIN, UNJUDGED], 65, decided(TUNED.coverage), title="toy on the sealed test"
    )
    axes = axes_of(figure)
    labels = axes.get_yticklabels()
    assert [t.get_text() for t in labels] == [
        "round 1, decided on\nn = 200",
        "untuned\nn = 190",
        "lost\nn = 0",
    ]
    assert [t.get_fontweight() for t in labels] == ["bold", "normal", "normal"]
    assert axes.get_ylim() == (2.5, -0.5)
    for at, (container, one) in enumerate(zip(axes.containers, (TUNED, PLAIN), strict=True)):
        assert isinstance(container, ErrorbarContainer)
        assert points(container.lines[0]) == ([one.coverage.value], [at])
        [ranges] = container.lines[2]
        [ends] = [[float(x) for x, _ in segment] for segment in ranges.get_segments()]
        assert ends == pytest.approx([one.coverage.low, one.coverage.high])
    markers = [c.lines[0].get_marker() for c in axes.containers if isinstance(c, ErrorbarContainer)]
    assert len(set(markers)) == 2
    goal, _ = drawn(figure, "goal: 65 %")
    assert set(goal) == {65}
    said = words(figure)
    assert "none judged" in said and "toy on the sealed test" in said
    assert "verdict" not in said


def test_an_interval_of_another_level_that_the_verdict_hangs_on_is_drawn_too() -> None:
    strict = share("coverage %", 150, 200, 0.975)
    figure = models_on_test(TUNED, [PLAIN], 65, decided(strict), title="toy")
    assert drawn(figure, "97.5 % interval, which the verdict hangs on")[0] == [
        strict.low,
        strict.high,
    ]


def test_beside_the_service_the_goal_is_said_to_be_the_loops_alone() -> None:
    apart = share("coverage, difference", 150, 200, 0.975)
    figure = models_on_test(TUNED, [PLAIN], 65, decided(apart, goal=-5), title="toy")
    assert "goal of the loop (the verdict hangs on the distance to the service): 65 %" in words(
        figure
    )
    assert "97.5 %" not in words(figure)


def test_a_test_on_which_nothing_was_judged_can_be_drawn(tmp_path: Path) -> None:
    figure = models_on_test(UNJUDGED, [], 65, decided(UNJUDGED.coverage), title="toy")
    save(figure, tmp_path / "none.png")
    assert "none judged" in words(figure)
