"""Figures: rows in, a `Figure` out. Nothing is shown, and no pyplot state is touched.

Lines differ in dash and marker, not in colour alone, so that they survive a grey print.
"""

from llamaduo.plots.cost import cost_lines, cost_tornado
from llamaduo.plots.coverage import coverage_by_round
from llamaduo.plots.density import Panel, density_grid, reflected_density
from llamaduo.plots.load import load_by_rate
from llamaduo.plots.models import models_on_test
from llamaduo.plots.search import search_front, search_history, search_importance
from llamaduo.plots.spend import score_against_dollars
from llamaduo.plots.style import STYLES, save
from llamaduo.plots.volume import volume_curve

__all__ = [
    "STYLES",
    "Panel",
    "cost_lines",
    "cost_tornado",
    "coverage_by_round",
    "density_grid",
    "load_by_rate",
    "models_on_test",
    "reflected_density",
    "save",
    "score_against_dollars",
    "search_front",
    "search_history",
    "search_importance",
    "volume_curve",
]
