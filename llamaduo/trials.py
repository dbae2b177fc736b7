"""The search: trials of settings on the rows of round 0, measured on dev, and the best of them.

A trial is made of the loop's own stages, so that the loop's first round with the best settings
finds its adapter, its answers and its judgements.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

from llamaduo.component import Component
from llamaduo.errors import CannotLearn, ModelError
from llamaduo.experiment import Experiment
from llamaduo.findings import Searched, Trial
from llamaduo.judging import part, training
from llamaduo.metrics import covered, prompt_scores
from llamaduo.records import Judgement, Placed
from llamaduo.search import Search
from llamaduo.search.space import with_values
from llamaduo.secrets import without_secrets
from llamaduo.stages import Stages
from llamaduo.store import Folder, Rows
from llamaduo.study import Asked, Study, TakenOver
from llamaduo.study.best import best, front, in_a_line, summary, values
from llamaduo.tracker import Run

POLL = 1.0
"""Seconds between two looks at whether other workers are done."""


class NoMemory(Exception):
    """A trial ran out of memory for the first time."""


class Hopeless(Exception):
    """A trial that is stopped: it will not be the best."""


@dataclass
class Bench:
    """What all trials of this process are run with."""

    exp: Experiment
    search: Search
    stages: Stages
    split: Rows[Placed]
    study: Study
    shown: Run


def search(exp: Experiment, stages: Stages, split: Rows[Placed], shown: Run) -> Searched:
    """Try settings until as many trials are finished as wanted, by all workers together.

    Raises:
        ModelError: if none of them could be tuned and measured.
    """
    wanted = exp.search
    assert wanted is not None, "a search is searched"
    assert isinstance(exp.tuner, Component), "what a YAML names is a component"
    study = Study(
        wanted,
        wanted.default(exp.tuner),
        seed=exp.seed,
        name=stages.run,
        folder=stages.store.root.parent / "search" / stages.run,
    )
    here = Bench(exp, wanted, stages, split, study, shown)
    _begin(here)
    waited = False
    while True:
        asked = study.ask()
        if asked is not None:
            _run(asked, here)
        elif not study.busy:
            break
        else:
            if not waited:
                stages.progress.say(f"search: waiting for {study.busy} trials of other workers")
            waited = True
            time.sleep(POLL)
    found = searched(study)
    with study.lock():  # two workers that show the same at once would show it twice
        for trial in found.trials:
            shown.trial(trial)
    for _, paid in study.finished():
        for recipe in paid:
            stages.rests_on(recipe)
    stages.progress.say(summary(found))
    return found


def _begin(here: Bench) -> None:
    """Say what is to be done."""
    done, wanted, asked_for = len(here.study.finished()), here.study.wanted, here.search.trials
    all_ = f"; the space has no more than {wanted} settings" if wanted < asked_for else ""
    there = f", {done} there already" if done else ""
    here.stages.progress.say(f"search: {wanted} trials by {here.search.objective}{there}{all_}")


def _run(asked: Asked, here: Bench) -> None:
    """Run one trial to its end, and take down which it was; put it back if it is broken off."""
    stages = replace(here.stages, paid=[], judged={})
    try:
        with here.study.running(asked):
            found = _tried(asked, here, stages)
        told = values(found, here.search.objective) if found.state == "complete" else ()
        here.study.finish(asked, found, told, stages.paid)
    except NoMemory:
        here.study.put_back(asked)
        here.stages.progress.say(
            f"search: trial {asked.number} ran out of memory; it is tried once more, since another "
            "process may have had it"
        )
        return
    except TakenOver:
        here.stages.progress.say(f"search: another worker has taken trial {asked.number} over")
        return
    except BaseException:
        here.study.put_back(asked)
        raise
    done = [trial for trial, _ in here.study.finished()]
    here.stages.progress.say(in_a_line(found, done, here.search.objective))
    with here.study.lock():
        here.shown.trial(found)


def _tried(asked: Asked, here: Bench, stages: Stages) -> Trial:
    """Tune, then answer and judge; a tuning that fails or is hopeless is an end like others."""
    trial = Trial(number=asked.number, settings=asked.settings, state="complete")

    def look(step: int, dev_loss: float) -> None:
        if asked.loss(step, dev_loss):
            raise Hopeless

    try:
        stages.exp = with_values(here.exp, asked.settings)
        train = stages.train(here.split, [])
        adapter = stages.tune(train, stages.exp.tuner, here.split, watch=look)
    except Exception as error:
        lowest = min(asked.curve.values(), default=None)
        so_far = {"curve": asked.curve, "dev_loss": lowest}
        if isinstance(error, Hopeless) or _of_the_settings(error):
            stages.store.give_up()  # nobody goes on with it, and its checkpoints are large
        if isinstance(error, Hopeless):
            return altered(trial, state="pruned", stopped="tuning", **so_far)
        if not _of_the_settings(error):
            raise
        if _of_memory(error) and asked.first_without_memory():
            raise NoMemory from error
        return altered(trial, state="failed", error=_in_words(error), **so_far)
    facts = training(adapter)
    if not asked.curve:  # the adapter was there already: of another search, or of the loop
        for step, dev_loss in facts.looks:
            asked.loss(step, dev_loss)
    trial = altered(trial, curve=asked.curve, dev_loss=facts.dev_loss, tokens=facts.tokens)
    return _measured(trial, asked, here, stages, adapter) if here.search.judges else trial


def _measured(trial: Trial, asked: Asked, here: Bench, stages: Stages, adapter: Folder) -> Trial:
    """Answer and judge the prompts of dev."""
    goal = here.exp.goal
    places = {row.id: at for at, row in enumerate(part(here.split, "dev"))}

    def handled(judgements: Sequence[Judgement]) -> dict[int, bool]:
        return {
            places[name]: covered(score, goal.similarity, goal.precision)
            for name, score in prompt_scores(judgements).items()
        }

    seen = 0

    def look(judgements: Sequence[Judgement]) -> None:
        nonlocal seen
        now = handled(judgements)
        seen = len(now)
        if asked.prompts(now):
            raise Hopeless

    try:
        dev = stages.judge(f"trial {asked.number}", adapter, here.split, "dev", watch=look)
    except Hopeless:
        return altered(trial, state="pruned", stopped="judging", looked_at=seen)
    now = handled(dev.rows)
    if not now:
        whys = [why for judgement in dev.rows for why in judgement.why]
        error = f"no prompt of dev was judged: {whys[0] if whys else 'no reply'}"
        return altered(trial, state="failed", error=error)
    asked.prompts(now)  # all, for others to be held against; it is judged, so it stays
    return altered(trial, dev=dev.assessment, looked_at=len(now))


def _of_the_settings(error: Exception) -> bool:
    """Whether it is the settings that cannot be tuned: refused, diverged, out of memory.

    A full disk or a killed process is not: the trial is put back, for the same command to end.
    """
    return _of_memory(error) or isinstance(error, CannotLearn | ValidationError)


def _of_memory(error: Exception) -> bool:
    return isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"


def _in_words(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return str(error.errors()[0]["msg"]).removeprefix("Value error, ")
    return without_secrets(" ".join(str(error).split()))[:500]


def altered(trial: Trial, **fields: Any) -> Trial:
    """Return the trial with other fields."""
    return trial.model_copy(update=fields)


def searched(study: Study) -> Searched:
    """Return what the finished trials come to.

    Raises:
        ModelError: if none of them is complete.
    """
    search, trials = study.search, tuple(trial for trial, _ in study.finished())
    winner = best(trials, search.objective)
    if winner is None:
        first = next((trial.error for trial in trials if trial.error), "all were stopped")
        raise ModelError(f"none of {len(trials)} trials could be tuned and measured: {first}")
    two = search.objective == "coverage_and_cost"
    return Searched(
        objective=search.objective,
        wanted=search.trials,
        points=study.wanted if study.wanted < search.trials else None,
        trials=trials,
        best=winner.number,
        front=front(trials) if two else (),
        importance=study.importance(),
    )
