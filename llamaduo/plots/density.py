"""How a judge's marks are spread: the paper's Figure 3."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from llamaduo.plots.style import GREY, STYLES, sheet

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 4.0
"""Marks: the standard deviation of every kernel. A width of each curve's own would show curves
that differ in it, and Silverman's smears marks that have two humps."""


@dataclass(frozen=True)
class Panel:
    """One column of a grid of densities."""

    title: str
    """Whose marks they are."""
    rows: Mapping[str, Mapping[str, Sequence[float]]]
    """By the kind of mark, e.g. `similarity`: marks by the name of their curve, each 0..100."""


def density_grid(
    panels: Sequence[Panel], *, title: str, thresholds: Mapping[str, float]
) -> "Figure":
    """Draw a column of densities for each judge, one row a mark: the paper's Figure 3.

    All share the scale of marks and the width of the kernel, and those of a row the height,
    so that judges can be held against each other. What each curve is of, how many prompts it
    holds, and how many of them reach the threshold, stands under its panel.

    The density is a Gaussian kernel estimate, reflected at 0 and 100 so that each curve
    holds all of its prompts between the two. A name with one mark, or all marks the same,
    has no spread to estimate: it is drawn as a pin, whose height means nothing.

    Args:
        panels: one a judge, in the order to draw; each with the same rows.
        title: what the figure shows.
        thresholds: of a covered prompt, 0..100, by the kind of mark; a line in each panel.

    Raises:
        ValueError: for a mark outside 0..100.
    """
    from matplotlib.transforms import ScaledTranslation

    names = list(panels[0].rows)
    figure, grid = sheet(len(names), len(panels))
    curves = max(len(panel.rows[name]) for panel in panels for name in names)
    width = figure.get_figwidth()
    figure.set_size_inches(width, len(names) * (2.4 + 0.18 * curves) + 0.8)
    for down, name in enumerate(names):
        for across, panel in enumerate(panels):
            axes = grid[down][across]
            _curves(axes, panel.rows[name], thresholds[name])
            axes.axvline(thresholds[name], color=GREY, linewidth=1, zorder=1)
            axes.set_xlim(-1, 101)
            axes.set_xlabel(f"{name}, 0 to 100")
            axes.tick_params(labelbottom=True)
            if down == 0:
                axes.set_title(panel.title, fontsize=10)
            if across == 0:
                axes.set_ylabel("% of prompts per mark")
        grid[down][0].set_ylim(bottom=0)  # of the whole row, and only now: it ends the scaling
    under = ScaledTranslation(0, -0.5, figure.dpi_scale_trans)
    for axes in (one for row in grid for one in row):
        axes.legend(
            loc="upper center",
            bbox_to_anchor=(0.5, 0),
            bbox_transform=axes.transAxes + under,
            frameon=False,
            fontsize=8,
            handlelength=3.5,
        )
    lines = [*wrap(title, int(11 * width)), f"(Gaussian kernels, {WIDTH:g} marks wide)"]
    figure.suptitle("\n".join(lines), fontsize=11)
    return figure


def _curves(axes: "Axes", scores: Mapping[str, Sequence[float]], threshold: float) -> None:
    """Draw a curve for each name, or a pin where it has no spread."""
    grid = np.linspace(0.0, 100.0, 501)
    for at, (name, marks) in enumerate(scores.items()):
        values = np.asarray(marks, dtype=float)
        if not np.all((values >= 0) & (values <= 100)):
            raise ValueError(f"{name}: a mark is not in 0..100")
        color, dashes = STYLES[at % len(STYLES)]
        over = _over(values, threshold)
        if len(values) > 1 and np.ptp(values) > 0:
            share = 100 * reflected_density(values, grid)
            axes.plot(
                grid,
                share,
                color=color,
                linestyle=dashes,
                linewidth=2,
                label=f"{name} (n = {len(values)}{over})",
            )
        else:
            pinned = values[:1]
            alike = f", all {values[0]:g}" if len(values) > 1 else ""
            axes.plot(
                np.repeat(pinned, 2),
                [0, 0.25 + 0.1 * (at % len(STYLES))][: 2 * len(pinned)],
                color=color,
                linestyle=dashes,
                linewidth=2,
                marker="v",
                markevery=[1] if len(pinned) else None,
                transform=axes.get_xaxis_transform(),
                label=f"{name} (n = {len(values)}{alike}{over})",
            )


def _over(values: npt.NDArray[np.float64], threshold: float) -> str:
    """Say what share reaches the threshold; nothing where there is no mark."""
    if not len(values):
        return ""
    return f", {100 * float(np.mean(values >= threshold)):.0f} % at or over {threshold:g}"


def reflected_density(
    values: npt.NDArray[np.float64], grid: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Estimate the density of `values` on 0..100, where it integrates to 1.

    Gaussian kernels of one width; each one's tails are folded back at 0 and 100.

    Args:
        values: shape (n,), each 0..100, n of 2 or more and not all the same.
        grid: shape (g,), where to estimate, each 0..100.

    Returns:
        Shape (g,), the density per mark.
    """
    mirrored = np.concatenate([values, -values, 200 - values])
    kernels = np.exp(-0.5 * ((grid[:, None] - mirrored[None, :]) / WIDTH) ** 2)
    density: npt.NDArray[np.float64] = kernels.sum(axis=1) / (
        len(values) * WIDTH * np.sqrt(2 * np.pi)
    )
    return density
