"""Figures: rows in, a `Figure` out. Nothing is shown, and no pyplot state is touched.

Lines differ in dash and marker, not in colour alone, so that they survive a grey print.
"""

from llamaduo.plots.cost import cost_lines, cost_tornado
from llamaduo.plots.coverage import coverage_by_round
from llamaduo.plots.density import reflected_density, score_density
from llamaduo.plots.style import save

__all__ = [
    "cost_lines",
    "cost_tornado",
    "coverage_by_round",
    "reflected_density",
    "save",
    "score_density",
]
