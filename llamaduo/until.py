"""Stopping where another machine goes on: after the data, the adapter, or its answers."""

from collections.abc import Callable

from llamaduo.experiment import Experiment, Until
from llamaduo.store import recipe_of
from llamaduo.tuner.untuned import Untuned

STAGES = {
    "data": ("adapter", "answers"),
    "adapter": ("answers",),
    "answers": ("judgements",),
}
"""The stages of which none is begun: where one is due, the run has come to its end."""

NEXT = {
    "adapter": "all rows are there; tuning comes next",
    "answers": "the adapter is there; answering comes next",
    "asked": "the rows are there; asking the endpoint comes next",
    "judgements": "the answers are there; judging comes next",
}


class Reached(Exception):
    """The run has come to where it was to stop."""

    def __init__(self, recipe: str) -> None:
        """Name the result that is due."""
        self.recipe = recipe
        super().__init__(recipe)

    @property
    def says(self) -> str:
        """What is there, and what would come next."""
        stage = self.recipe.partition("/")[0]
        return NEXT.get(stage, f"`{stage}` comes next")


def stop_at(exp: Experiment, until: Until) -> Callable[[str], None]:
    """Return a gate for the store that raises where `until` is reached.

    What is complete is passed by, so that the same word leads to the next such place once
    others have done their part. A model that is not tuned is no work, and made.

    Raises:
        Reached: (the gate) for a result that is not to be made in this run.
    """
    stages = {*STAGES[until], *(("asked",) if exp.engine.asked and until != "answers" else ())}
    free = recipe_of("adapter", Untuned().inputs(exp.local))

    def gate(recipe: str) -> None:
        if recipe.partition("/")[0] in stages and recipe != free:
            raise Reached(recipe)

    return gate
