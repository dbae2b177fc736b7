"""What tests read off a figure."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure


def axes_of(figure: Figure) -> Axes:
    """Return its only axes."""
    [axes] = figure.axes
    return axes


def words(figure: Figure) -> str:
    """Return all that is written in it."""
    axes = axes_of(figure)
    legends = [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    notes = [text.get_text() for text in axes.texts]
    return "\n".join([axes.get_title(), axes.get_xlabel(), axes.get_ylabel(), *legends, *notes])
