"""Figures for a page: SVG, whose letters are outlines, so that they look alike everywhere."""

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def svg(figure: "Figure") -> bytes:
    """Return `figure` as SVG without title and ground; the same figure gives the same bytes."""
    from matplotlib import rc_context

    for axes in figure.axes:
        axes.set_title("")
    out = io.BytesIO()
    with rc_context({"svg.hashsalt": "llamaduo", "svg.fonttype": "path"}):
        figure.savefig(
            out, format="svg", transparent=True, metadata={"Date": None, "Creator": None}
        )
    return out.getvalue()
