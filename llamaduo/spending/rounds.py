"""Which round, and which model of it, the results of a run are of: its loop, walked once more."""

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from llamaduo.experiment import Experiment
from llamaduo.findings import Audit
from llamaduo.judging import SERVICE, Judged
from llamaduo.keeping.needs import Peek, walk
from llamaduo.ledger import Ledger
from llamaduo.lineage import BYTES_SAY, Lineage
from llamaduo.progress import Progress
from llamaduo.records import Example, Part, Placed, Sifted
from llamaduo.stages import Reading
from llamaduo.store import Folder, Rows, Work, recipe_of

ASK = frozenset({"asked", "audit", "judgements", "synthetic"})
"""Stages that rest on calls."""

TRIAL = "trial"
"""What a walk calls the model of a search's trial (keeping/needs.py)."""


@dataclass
class Notes:
    """What is taken down on the way."""

    names: dict[str, str] = field(default_factory=dict)
    """What results are of, by recipe, in the order they come up; what two are of is the first's."""
    loop: dict[str, str] = field(default_factory=dict)
    """The same, of those that the loop comes upon; a search that is over has no use for others."""
    doing: str = ""
    """What is walked through now; empty where nobody says."""

    def take(self, recipe: str) -> None:
        """Take down what a result is of."""
        self.names.setdefault(recipe, self.doing)
        if not self.doing.startswith(TRIAL):
            self.loop.setdefault(recipe, self.doing)

    @contextmanager
    def of(self, what: str) -> Iterator[None]:
        """Take down all that comes up as being of `what`."""
        self.doing = what
        try:
            yield
        finally:
            self.doing = ""


class Noting(Peek):
    """A store that is only looked at, and takes down what is looked for: what is due, too."""

    def __init__(self, root: Path, notes: Notes) -> None:
        super().__init__(root)
        self.notes = notes

    def folder(
        self,
        stage: str,
        inputs: Sequence[Any],
        make: Callable[[Work], None],
        lineage: Lineage = BYTES_SAY,
    ) -> Folder:
        """Return the folder if there is one."""
        if stage in ASK:
            self.notes.take(recipe_of(stage, inputs))
        return super().folder(stage, inputs, make, lineage)


@dataclass
class Naming(Reading):
    """The stages of a run that say what they are of. Nothing is made or asked."""

    notes: Notes = field(default_factory=Notes)

    def rests_on(self, recipe: str) -> None:
        """Take down what no result is made of by itself, too: the proof of who answers."""
        super().rests_on(recipe)
        self.notes.take(recipe)

    def judge(
        self, name: str, adapter: Folder, split: Rows[Placed], on: Part, **how: Any
    ) -> Judged:
        """Name what is answered and judged after the model and the part."""
        with self.notes.of(f"{name}, {on}"):
            return super().judge(name, adapter, split, on, **how)

    def ceiling(self, split: Rows[Placed]) -> Judged:
        """Name the service's second answers, and their judgements."""
        with self.notes.of(f"{SERVICE}, test"):
            return super().ceiling(split)

    def audit(self, judged: Judged) -> Audit | None:
        """Name what is asked of the judge about itself."""
        with self.notes.of("the judge itself"):
            return super().audit(judged)

    def grow(self, number: int, split: Rows[Placed], train: Rows[Example]) -> Rows[Sifted]:
        """Name new rows after the round that made them necessary."""
        with self.notes.of(f"after round {number}"):
            return super().grow(number, split, train)


def walked(
    exp: Experiment, private: Path, ledger: Ledger, *, trials: bool = True
) -> dict[str, str]:
    """Return what the results of a run are of that rest on calls, by recipe, in order.

    The run is walked through as far as its results are there; of one that is not finished, the
    last of them is the one that is due.

    Args:
        private: the folder `.llamaduo`.
        trials: whether those count that only a trial of its search rests on.
    """
    notes = Notes()
    store = Noting(private / "store", notes)
    walk(Naming(exp, store, ledger, Progress(io.StringIO()), exp.fingerprint(), notes=notes))
    return notes.names if trials else notes.loop
