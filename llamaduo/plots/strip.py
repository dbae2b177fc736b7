"""One figure on its scale: its interval, and the goal it is held against."""

from typing import TYPE_CHECKING

from llamaduo.findings import Measure
from llamaduo.plots.style import BRIGHT, DARK, GREY

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def measure_on_scale(measure: Measure, goal: float) -> "Figure":
    """Draw a measure as a diamond with its interval on one line, and the goal across it.

    The scale is 0 to 100 for a coverage. For a difference in points (a goal or an end below 0)
    it is as wide as what stands on it.

    Raises:
        ValueError: for a measure without a value.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if measure.value is None or measure.low is None or measure.high is None:
        raise ValueError(f"{measure.name} was not measured: there is nothing to draw")
    figure = Figure(figsize=(7.0, 0.95), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(GREY)
    axes.tick_params(colors="#444444", labelsize=9)
    axes.set_yticks([])
    axes.set_ylim(-1, 1)
    least, most = 0.0, 100.0
    if min(goal, measure.low) < 0:
        room = 0.15 * max(abs(goal), abs(measure.low), abs(measure.high), 1.0)
        least = min(goal, measure.low, 0.0) - room
        most = max(goal, measure.high, 0.0) + room
    axes.set_xlim(least, most)
    axes.plot([measure.low, measure.high], [0, 0], color=DARK, linewidth=7, alpha=0.35)
    axes.plot(measure.value, 0, marker="D", color=DARK, markersize=10, clip_on=False, zorder=3)
    axes.axvline(goal, color=BRIGHT, linewidth=2, linestyle="--")
    right = goal < (least + most) / 2
    axes.annotate(
        f"goal {goal:g}",
        (goal, 0.95),
        xytext=(5 if right else -5, 0),
        textcoords="offset points",
        ha="left" if right else "right",
        va="top",
        fontsize=9,
        color="#333333",
    )
    return figure
