"""The cost figures: lines with A, B and C, the band of a break-even, the tornado."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from figures import axes_of, words
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from llamaduo.cost import project
from llamaduo.plots import cost_lines, cost_tornado, save
from llamaduo.workload import Workload


def workload(
    service_usd: float = 5.0, months: tuple[int, ...] = (1, 2, 12), **changes: Any
) -> Workload:
    price = {"input": service_usd, "output": service_usd}
    fields: dict[str, Any] = {
        "name": "small",
        "local_name": "Gemma 2B",
        "service_name": "a service",
        "input_tokens_per_day": 1_000_000,
        "output_tokens_per_day": 1_000_000,
        "months": months,
        "price": price | {"as_of": "2025-01-31", "source": "a list"},
        "tuning_usd": 100,
        "servers": 1,
        "server_usd": 1000,
        "watts_per_server": 100,
        "usd_per_kwh": 0.2,
    }
    return Workload.model_validate(fields | changes)


def drawn(figure: Figure, label: str) -> Line2D:
    [line] = [line for line in axes_of(figure).lines if line.get_label() == label]
    return line


def points(line: Line2D) -> list[tuple[float, float]]:
    xs, ys = np.ravel(line.get_xdata()), np.ravel(line.get_ydata())
    return [(float(x), float(y)) for x, y in zip(xs, ys, strict=True)]


def marked(line: Line2D) -> list[tuple[float, float]]:
    """The points that have a marker."""
    every = line.get_markevery()
    assert isinstance(every, list)
    return [points(line)[i] for i in every]


def circles(figure: Figure) -> list[tuple[float, float]]:
    return [points(line)[0] for line in axes_of(figure).lines if len(points(line)) == 1]


def test_both_cost_lines_begin_at_month_zero_and_are_marked_at_the_tables_months() -> None:
    small = workload()
    projection = project(small)
    figure = cost_lines(projection, small)
    months = (0, *projection.months)
    for name, usd in (
        ("a service", (0, *projection.service_usd)),
        ("Gemma 2B", (1100, *projection.local_usd)),
    ):
        assert marked(drawn(figure, name)) == list(zip(months, usd, strict=True))


def test_a_b_and_c_are_where_they_are_and_say_their_dollars() -> None:
    small = workload()
    figure = cost_lines(project(small), small)
    assert "A  $1,100\nbefore the\nfirst answer" in words(figure)
    assert "B  break-even\n3.85 months, $1,155" in words(figure)
    assert "C  $2,327 saved\nby month 12" in words(figure)
    start, crossing = circles(figure)
    assert start == (0, 1100)
    for name in ("a service", "Gemma 2B"):
        xs, ys = zip(*points(drawn(figure, name)), strict=True)
        assert crossing[1] == pytest.approx(float(np.interp(crossing[0], xs, ys)))


def test_a_new_tuning_is_an_upright_step_on_the_local_line() -> None:
    small = workload(months=tuple(range(1, 13)), retune_every_months=6)
    figure = cost_lines(project(small), small)
    heights = [usd for month, usd in points(drawn(figure, "Gemma 2B")) if month == 6]
    assert len(heights) == 2 and heights[1] - heights[0] == pytest.approx(100)


def test_services_differ_in_dash_and_marker_and_models_are_unbroken() -> None:
    price = {"input": 9, "output": 9, "as_of": "2025-01-31", "source": "a list"}
    several = workload(
        services=[{"name": "another", "price": price}], models=[{"name": "b", "tuning_usd": 1}]
    )
    figure = cost_lines(project(several), several)
    theirs = [drawn(figure, name) for name in ("a service", "another")]
    ours = [drawn(figure, name) for name in ("Gemma 2B", "b")]
    assert len({(line.get_linestyle(), line.get_marker()) for line in theirs}) == 2
    assert {line.get_linestyle() for line in ours} == {"-"}
    assert len({line.get_marker() for line in [*ours, *theirs]}) == 4


def test_as_many_services_and_models_as_there_may_be_all_look_different() -> None:
    price = {"input": 9, "output": 9, "as_of": "2025-01-31", "source": "a list"}
    full = workload(
        services=[{"name": f"service {i}", "price": price} for i in range(8)],
        models=[{"name": f"model {i}", "tuning_usd": i} for i in range(5)],
    )
    lines = [line for line in axes_of(cost_lines(project(full), full)).lines if line.get_marker()]
    named = [line for line in lines if not str(line.get_label()).startswith("_")]
    assert len({line.get_marker() for line in named}) == len(named) == 15


@pytest.mark.parametrize(
    ("small", "finding"),
    [
        (workload(), "Gemma 2B is cheaper than a service after 3.85 months"),
        (workload(months=(1, 2)), "Gemma 2B pays for itself only after 3.9 months"),
        (workload(service_usd=0.1), "Gemma 2B never pays for itself"),
        (
            workload(service_usd=0.1, growth_per_month=0.1),
            "Gemma 2B does not pay for itself within 12 months",
        ),
    ],
)
def test_the_title_of_the_cost_lines_says_what_they_come_to(small: Workload, finding: str) -> None:
    figure = cost_lines(project(small), small)
    assert axes_of(figure).get_title() == f"{finding} (small workload)"
    assert ("break-even" in words(figure)) is ("cheaper" in finding)
    assert ("more spent" in words(figure)) is ("cheaper" not in finding)


@pytest.mark.parametrize(
    ("others", "said"),
    [
        ([9.0], ""),
        ([0.1], ";\nservice 0 stays cheaper to month 12"),
        ([0.1, 9.0, 0.2], ";\nservice 0 and service 2 stay cheaper to month 12"),
        ([0.1, 0.2, 0.3], ";\n3 other services stay cheaper to month 12"),
    ],
)
def test_the_title_names_services_that_are_cheaper_at_the_end(
    others: list[float], said: str
) -> None:
    day = {"as_of": "2025-01-31", "source": "a list"}
    several = workload(
        services=[
            {"name": f"service {i}", "price": day | {"input": usd, "output": usd}}
            for i, usd in enumerate(others)
        ]
    )
    assert axes_of(cost_lines(project(several), several)).get_title() == (
        f"Gemma 2B is cheaper than a service after 3.85 months{said} (small workload)"
    )


def bands(figure: Figure) -> list[Rectangle]:
    return [p for p in axes_of(figure).patches if isinstance(p, Rectangle)]


def test_a_band_shows_where_the_break_even_lies_and_only_where_there_are_ranges() -> None:
    assert bands(cost_lines(project(workload()), workload())) == []
    ranged = workload(server_usd=[500, 1500])
    projection = project(ranged)
    figure = cost_lines(projection, ranged)
    [band] = bands(figure)
    spread = projection.pairs[0].break_even
    assert spread is not None and spread.high is not None
    assert band.get_x() == spread.low
    assert band.get_x() + band.get_width() == pytest.approx(spread.high)
    assert f"B in 90 % of draws: {spread.low:.1f} to {spread.high:.1f} months" in words(figure)


def test_a_band_that_has_no_end_within_the_months_reaches_past_them() -> None:
    ranged = workload(server_usd=[500, 9000])
    figure = cost_lines(project(ranged), ranged)
    [band] = bands(figure)
    assert band.get_x() + band.get_width() > 12
    assert "to later months" in words(figure)


def test_the_bars_of_the_tornado_go_from_the_likely_saving_to_its_ends() -> None:
    ranged = workload(server_usd=[500, 1500], usd_per_kwh=[0.1, 0.3])
    projection = project(ranged)
    figure = cost_tornado(projection, ranged)
    middle = projection.pairs[0].saved_usd
    reached = sorted(round(band.get_x() + band.get_width(), 6) for band in bands(figure))
    ends = [end for s in projection.tornado for end in (s.saved_at_low, s.saved_at_high)]
    assert reached == pytest.approx(sorted(ends))
    assert {band.get_x() for band in bands(figure)} == {middle}
    names = [label.get_text() for label in axes_of(figure).get_yticklabels()]
    assert names == ["usd_per_kwh\n0.1 to 0.3", "server_usd\n500 to 1,500"]  # the top one last


def test_a_tornado_without_a_range_is_refused() -> None:
    with pytest.raises(ValueError, match="no input is a range"):
        cost_tornado(project(workload()), workload())


@pytest.mark.parametrize(
    "drawable",
    [
        workload(service_usd=0, tuning_usd=0, server_usd=0, usd_per_kwh=0),
        workload(months=(1,)),
        workload(months=(240,), retune_every_months=1, server_usd=[0, 1e6]),
        workload(server_usd=[1000, 1000]),
    ],
)
def test_extreme_workloads_can_be_drawn_to_the_same_bytes_twice(
    drawable: Workload, tmp_path: Path
) -> None:
    for name in ("one.png", "other.png"):
        save(cost_lines(project(drawable), drawable), tmp_path / name)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "other.png").read_bytes()
    if project(drawable).tornado:
        save(cost_tornado(project(drawable), drawable), tmp_path / "tornado.png")
