"""Coverage over the rows tuned on, with the curve through it and where it meets the goal."""

from typing import TYPE_CHECKING

import numpy as np

from llamaduo.findings import Curve, Reach
from llamaduo.intervals import wilson
from llamaduo.plots.style import BRIGHT, DARK, GREY, blank, legend
from llamaduo.volume import FAR, coverage_at, in_words, two_volumes, untold

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def volume_curve(curve: Curve, reached: Reach, *, title: str, part: str) -> "Figure":
    """Draw the points with their intervals, the fitted curve with its band, and the goal.

    Beyond the largest volume the curve is dashed. The predicted rows are marked where they
    lie within eight times the largest volume; the title names them in any case.

    Args:
        title: what the points are of.
        part: of the split, whose prompts they rest on, e.g. `dev`.
    """
    from matplotlib.ticker import FuncFormatter, NullFormatter

    figure, axes = blank()
    rows = np.array([p.rows for p in curve.points], dtype=float)
    value = np.array([100 * p.hits / p.n for p in curve.points])
    ends = 100 * np.array([wilson(p.hits, p.n) for p in curve.points])
    counts = sorted({p.n for p in curve.points})
    n = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    largest = rows.max()
    edge = largest * FAR
    right = largest * 1.25 if reached.rows is None else min(max(reached.rows * 1.4, largest), edge)
    right = max(right, min(reached.rows_high or 0, edge), largest * 1.25)
    seen, beyond = np.geomspace(rows.min(), largest, 120), np.geomspace(largest, right, 120)
    whole = np.concatenate([seen, beyond])
    _, low, high = np.array([coverage_at(curve, at) for at in whole]).T
    axes.fill_between(whole, low, high, color=DARK, alpha=0.14, linewidth=0, label="95 % band")
    for stretch, dashes, label in (
        (seen, "-", "fitted curve"),
        (beyond, "--", "beyond what was tried"),
    ):
        axes.plot(
            stretch,
            [coverage_at(curve, at)[0] for at in stretch],
            color=DARK,
            linestyle=dashes,
            linewidth=2,
            label=label,
        )
    axes.errorbar(
        rows,
        value,
        yerr=np.clip([value - ends[:, 0], ends[:, 1] - value], 0, None),
        color="black",
        linestyle="none",
        marker="o",
        capsize=4,
        label=f"measured, n = {n} prompts",
    )
    axes.axhline(reached.goal, color=BRIGHT, linestyle="-.", label=f"goal: {reached.goal:g} %")
    if reached.rows is not None and reached.rows <= right:
        axes.plot(reached.rows, reached.goal, "D", markersize=9, color=BRIGHT, zorder=5)
        axes.axvline(reached.rows, color=GREY, linewidth=1, linestyle=":")
    axes.set_xscale("log", base=2)
    axes.set_xticks(_ticks(rows.min(), right))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda at, _: f"{at:,.0f}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlim(rows.min() / 1.15, right)
    axes.set_ylim(-2, 102)
    shape = "\n(the curve is drawn through two volumes: no test of its shape)"
    axes.set_xlabel("rows tuned on" + (shape if two_volumes(curve) else ""))
    axes.set_ylabel(f"coverage, % of judged {part} prompts")
    axes.set_title(f"{title}\n{_finding(curve, reached)}", fontsize=11)
    legend(figure)
    return figure


def _ticks(least: float, most: float) -> list[float]:
    """Return the smallest volume and its doublings, every second or third if there are many."""
    doublings = int(np.log2(most / least))
    return [least * 2.0**i for i in range(0, doublings + 1, doublings // 9 + 1)]


def _finding(curve: Curve, reached: Reach) -> str:
    """Say what the goal would take."""
    if reached.rows is None and untold(curve):
        return f"How many rows {reached.goal:g} % would take cannot be told from these points"
    if reached.rows is None:
        return f"No practical number of rows reaches {reached.goal:g} % by this curve"
    low, high = in_words(reached.rows_low), in_words(reached.rows_high)
    return (
        f"{reached.goal:g} % would take {in_words(reached.rows)} rows "
        f"(95 % interval {low} to {high})"
    )
