"""Money over months: services against models of one's own. Arithmetic only."""

from llamaduo.cost.paper import against_print
from llamaduo.cost.projection import project
from llamaduo.cost.text import table

__all__ = ["against_print", "project", "table"]
