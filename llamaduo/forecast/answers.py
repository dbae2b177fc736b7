"""How many different answers prompts get: equal answers to a prompt are one call of a judge."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from llamaduo.forecast.figures import Range
from llamaduo.records import Example

AGAIN = 0.5
"""Share of a tuned model's further answers with a label that are likely to be new, at most."""

ANEW = 0.2
"""New answers to a prompt with a label that another model is likely to bring, at least; each of the
demo's brought 0.27 or more."""


@dataclass
class Different:
    """Counts the different answers to the prompts of one part, model after model.

    Where few targets serve many prompts, as labels do, many answers to a prompt are equal, those
    of another model too, and there are hardly more of them than labels; where every prompt has a
    target of its own, likely no two are.
    """

    rows: Sequence[Example]
    begun: bool = False
    """Whether a model's answers are counted already."""
    targets: int = field(init=False)
    """Different ones."""
    own: float = field(init=False)
    """Share of targets that no prompt before has; 0..1."""

    def __post_init__(self) -> None:
        self.targets = len({row.target.strip() for row in self.rows})
        self.own = (self.targets - 1) / max(len(self.rows) - 1, 1)

    def more(self, answers: int, *, tuned: bool = True) -> Range:
        """Return how many of so many further answers to each prompt are likely to be new.

        Args:
            tuned: not, and a model says other things than the targets too.
        """
        first = 0 if self.begun else 1
        self.begun = True
        shared = 1 - self.own
        low = answers * self.own + shared * (first or ANEW)
        high = float(answers)
        if tuned:
            high = min(answers * self.own + shared * (1 + (answers - 1) * AGAIN), self.targets)
        return Range(least=first, low=min(low, high), high=high, most=answers)
