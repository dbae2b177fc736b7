"""What all figures share: colours, dashes, a blank page, a legend, a file."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DARK, BRIGHT, GREY = "#0b3d66", "#d9822b", "#6b6b6b"
Dashes = str | tuple[int, tuple[int, ...]]
STYLES: tuple[tuple[str, Dashes], ...] = (
    ("#0b3d66", "-"),
    ("#d9822b", "--"),
    ("#1f8a70", "-."),
    ("#a83279", ":"),
    ("#4a90c2", (0, (7, 1, 1, 1, 1, 1))),
    ("#222222", (0, (2, 4))),
)


def save(figure: "Figure", path: Path) -> None:
    """Write `figure` as PNG; the same figure gives the same bytes."""
    figure.savefig(path, format="png", dpi=150, metadata={"Software": None})


def blank(width: float = 7.0) -> "tuple[Figure, Axes]":
    """Return a figure of `width` inches and its axes: no frame but two sides, a light grid."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, plain(figure.add_subplot())


def sheet(rows: int, columns: int) -> "tuple[Figure, list[list[Axes]]]":
    """Return a figure of rows of axes that share their scales, those of a row the heights too."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(max(3.6 * columns, 6.0), 2.9 * rows + 0.6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, sharex=True, sharey="row", squeeze=False)
    return figure, [[plain(one) for one in row] for row in axes]


def plain(axes: "Axes") -> "Axes":
    """Take the frame but two sides off, and put a light grid below."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#dddddd", linewidth=0.8)
    axes.set_axisbelow(True)
    return axes


def legend(figure: "Figure", columns: int = 3) -> None:
    """Put a legend of at most so many columns under the figure, if it has labelled lines."""
    handles, _ = figure.axes[0].get_legend_handles_labels()
    if handles:
        figure.legend(
            loc="outside lower center",
            ncols=min(len(handles), columns),
            frameon=False,
            handlelength=3,
        )
