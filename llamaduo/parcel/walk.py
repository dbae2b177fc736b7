"""What a run rests on: the loop, walked over a store that makes nothing."""

import io
from dataclasses import dataclass

from llamaduo import loop
from llamaduo.experiment import Experiment
from llamaduo.judging import part
from llamaduo.ledger import Ledger
from llamaduo.progress import Progress
from llamaduo.records import Example
from llamaduo.stages import Reading
from llamaduo.store import Store
from llamaduo.tracker.silent import Silent
from llamaduo.until import Reached


@dataclass(frozen=True)
class Walk:
    """How far a run has come."""

    results: tuple[str, ...]
    """Recipes of what is complete, in the order it came up."""
    due: str
    """Recipe of the first result that is not; empty where the run is finished."""
    test: tuple[Example, ...]
    """The test prompts; none where the rows are not split yet."""


def walk(exp: Experiment, store: Store, ledger: Ledger) -> Walk:
    """Go through the loop as far as results are there. Nothing is made or asked.

    Args:
        store: one of its own, since a gate is set on it.
    """
    due: list[str] = []

    def gate(recipe: str) -> None:
        due.append(recipe)
        raise Reached(recipe)

    store.gate = gate
    stages = Reading(exp, store, ledger, Progress(io.StringIO()), exp.fingerprint())
    test: tuple[Example, ...] = ()
    try:
        split = stages.split()
        test = tuple(part(split, "test"))
        loop.run(exp, stages, split, Silent())
    except Reached:
        pass
    there = dict.fromkeys(name for name in store.wanted if name not in due)
    return Walk(tuple(there), due[0] if due else "", test)
