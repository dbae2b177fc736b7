"""What the runs under a home rest on: their loops, walked over a store that believes manifests."""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

from llamaduo import loop
from llamaduo.component import Component
from llamaduo.experiment import Experiment
from llamaduo.findings import Trial
from llamaduo.keeping.units import manifest
from llamaduo.ledger import Ledger
from llamaduo.lineage import BYTES_SAY, Lineage
from llamaduo.progress import Progress
from llamaduo.records import Placed
from llamaduo.search.space import with_values
from llamaduo.stages import Reading, Stages
from llamaduo.store import Folder, Rows, Store, Work, recipe_of
from llamaduo.study import Study
from llamaduo.study.best import best
from llamaduo.tracker.silent import Silent
from llamaduo.until import Reached


class Peek(Store):
    """A store that is only looked at: nothing is hashed, locked, cleared or made."""

    def folder(
        self,
        stage: str,
        inputs: Sequence[Any],
        make: Callable[[Work], None],
        lineage: Lineage = BYTES_SAY,
    ) -> Folder:
        """Return the folder if there is one.

        A damaged result is believed too: made anew it has the bytes it had, and what was made
        from it is found again.

        Raises:
            Reached: if there is none.
        """
        recipe = recipe_of(stage, inputs)
        self.wanted.append(recipe)
        content = manifest(self.root / recipe).get("content")
        if content is None or not (self.root / recipe / "out").is_dir():
            raise Reached(recipe)
        return Folder(self.root / recipe / "out", str(content), recipe)


@dataclass(frozen=True)
class Needs:
    """What a run rests on."""

    recipes: frozenset[str]
    """Results that are there, and that which is due."""
    finished: bool
    """Whether nothing is due."""


def needs(exp: Experiment, home: Path, ledger: Ledger) -> Needs:
    """Return what the run of `exp` rests on, its search's trials too. Nothing is made or asked.

    Args:
        home: the folder `.llamaduo`.
    """
    store = Peek(home / "store")
    stages = Reading(exp, store, ledger, Progress(io.StringIO()), exp.fingerprint())
    finished = walk(stages)
    return Needs(frozenset((*store.wanted, *_references(home / "store", store.wanted))), finished)


def walk(stages: Reading) -> bool:
    """Go through a run, its search's trials too; returns whether it is there to its end.

    Args:
        stages: over a `Peek`; what is there is taken down in its `wanted`.
    """
    exp = stages.exp
    try:
        split = stages.split()
        if exp.search is not None:
            exp = _after_search(exp, stages, split)
            stages = replace(stages, exp=exp)
        loop.run(exp, stages, split, Silent())
    except Reached:
        return False
    return True


def _references(root: Path, wanted: Sequence[str]) -> list[str]:
    """Return what `promote` has made of the adapters among `wanted`, beside the loop."""
    adapters = {
        manifest(root / recipe).get("content") for recipe in wanted if recipe.startswith("adapter/")
    }
    return [
        f"{place.parent.name}/{place.name}"
        for place in root.glob("references/*")
        if adapters & set(manifest(place).get("from", ()))
    ]


def _after_search(exp: Experiment, stages: Stages, split: Rows[Placed]) -> Experiment:
    """Walk all trials; return the experiment with the best one's settings.

    Raises:
        Reached: where the search is not finished.
    """
    search = exp.search
    assert search is not None, "a search is walked"
    assert isinstance(exp.tuner, Component), "what a YAML names is a component"
    folder = stages.store.root.parent / "search" / stages.run
    if search.storage != "postgresql" and not (folder / "journal.log").exists():
        _reached()
    study = Study(search, search.default(exp.tuner), seed=exp.seed, name=stages.run, folder=folder)
    for settings in study.tried():
        try:
            trial = replace(stages, exp=with_values(exp, settings), paid=[], judged={})
            adapter = trial.tune(trial.train(split, []), trial.exp.tuner, split)
            if search.judges:
                trial.judge("trial", adapter, split, "dev")
        except (Reached, ValueError):  # not finished, or settings that no tuner takes
            continue
    done: list[Trial] = [trial for trial, _ in study.finished()]
    winner = best(done, search.objective)
    if winner is None or len(done) < study.wanted:
        _reached()
    return with_values(exp, winner.settings)


def _reached() -> NoReturn:
    raise Reached("search")
