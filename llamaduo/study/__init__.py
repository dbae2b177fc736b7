"""The study: what has been tried, by all workers, and what shall be tried next. Knows Optuna.

Workers are processes that were given the same command. One of them at a time looks at the
trials and takes the next, so that no more are begun than were asked for and none twice. A
trial whose worker is gone goes back with what it had found, and keeps its number.
"""

import platform
import random
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from llamaduo.component import seed_of
from llamaduo.findings import Trial
from llamaduo.owner import alive, this_process
from llamaduo.search import Search
from llamaduo.search.space import Dimension, Value, grid
from llamaduo.study.asked import Asked, TakenOver, quiet, still_ours
from llamaduo.study.storage import beat, beating, opened

SAME = 10
"""Suggestions that were tried before, after which one that was not is drawn."""
COUNTED = 10_000
"""Points of a space that may all be looked through for one that was not tried."""

_KEPT = ("number", "curve", "memory")
"""What a trial that goes back keeps of what was noted."""

__all__ = ["Asked", "Study", "TakenOver"]


class Study:
    """The trials of one search."""

    def __init__(
        self, search: Search, default: Mapping[str, Value], *, seed: int, name: str, folder: Path
    ) -> None:
        """Open the study of this name, or begin it with the settings as given.

        Args:
            default: the settings as given.
            folder: of what is kept on this machine.
        """
        import optuna

        from llamaduo.study.pruner import ByPhase

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.search, self.seed = search, seed
        self.busy = 0
        """Trials that other workers ran when this one last asked."""
        two = search.objective == "coverage_and_cost"
        directions: list[Any] = ["minimize" if search.objective == "dev_loss" else "maximize"]
        self._sign = 0 if two else (1 if search.objective == "dev_loss" else -1)
        with quiet():
            kept = opened(search, folder, name)
            self._lock, self._storage = kept.lock, kept.storage
            with self._lock():
                self._study = optuna.create_study(
                    study_name=f"llamaduo {name}",
                    storage=self._storage,
                    directions=directions + (["minimize"] if two else []),
                    pruner=ByPhase(search.stops),
                    load_if_exists=True,
                )
                if not self._study.get_trials(deepcopy=False):
                    self._study.enqueue_trial(dict(default))
            self._kinds = {key: _kind(of) for key, of in sorted(search.space.items())}

    @property
    def wanted(self) -> int:
        """Finished trials that there can be, of those asked for."""
        points = self.search.points
        return self.search.trials if points is None else min(self.search.trials, points)

    def lock(self) -> AbstractContextManager[None]:
        """Keep other workers out, and this one's own methods too: call none while held."""
        return self._lock()

    def ask(self) -> Asked | None:
        """Take the next trial; None where as many as wanted are finished or run elsewhere."""
        from optuna.trial import TrialState

        with quiet(), self._lock():
            self._tidy()
            trials = self._study.get_trials(deepcopy=False)
            finished = sum(_finished(trial) for trial in trials)
            running = sum(trial.state == TrialState.RUNNING for trial in trials)
            first = any(one.user_attrs.get("number") == 0 and _finished(one) for one in trials)
            self.busy = running if finished < self.wanted or not first else 0
            if finished + running >= self.wanted:
                return None
            known = [one.user_attrs["number"] for one in trials if "number" in one.user_attrs]
            fresh = max(known, default=-1) + 1
            trial = self._fresh(trials, fresh)
            number = trial.user_attrs.get("number", fresh)
            trial.set_user_attr("number", number)
            beat(self._storage, trial._trial_id)
            trial.set_user_attr("owner", this_process())
            before = [one for one in trials if one.number == trial.number]
            reported = {step for one in before for step in one.intermediate_values}
            return Asked(trial, number, _clean(trial.params), self._sign, reported)

    def _fresh(self, trials: Sequence[Any], number: int) -> Any:
        """Return a trial of settings that no other has: one that waits, or a new suggestion.

        Args:
            number: that a new suggestion will have.
        """
        from optuna.samplers import RandomSampler, TPESampler
        from optuna.trial import TrialState

        if any(trial.state == TrialState.WAITING for trial in trials):
            return self._study.ask(self._kinds)
        tried = {_key(_settings(trial)) for trial in trials if "twin" not in trial.user_attrs}
        points = self.search.points
        turn = 0
        while True:
            # A seed for each number: what is suggested hangs on it and on the trials so far, and
            # not on which worker asks, or how often one was killed.
            seed = seed_of(self.seed, "search", number, turn)
            if turn == SAME and points is not None and points <= COUNTED:
                left = [point for point in grid(self.search.space) if _key(point) not in tried]
                self._study.enqueue_trial(random.Random(seed).choice(left))
            elif turn < SAME:
                self._study.sampler = TPESampler(n_startup_trials=self.search.startup, seed=seed)
            else:
                self._study.sampler = RandomSampler(seed=seed)
            trial = self._study.ask(self._kinds)
            if _key(trial.params) not in tried:
                return trial
            trial.set_user_attr("twin", True)
            self._study.tell(trial, state=TrialState.FAIL)
            turn += 1

    def _tidy(self) -> None:
        """Put back the trials of workers that are gone. Killed in it, it can begin anew."""
        from optuna.storages import fail_stale_trials
        from optuna.trial import TrialState, create_trial

        fail_stale_trials(self._study)  # of a server: those without signs of life
        for trial in self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            if not self._lives(trial):
                self._study.tell(trial.number, state=TrialState.FAIL)
        trials = self._study.get_trials(deepcopy=False)
        there = {trial.user_attrs.get("instead_of") for trial in trials}
        for trial in trials:
            attributes = trial.user_attrs
            if trial.state != TrialState.FAIL or _finished(trial) or "twin" in attributes:
                continue
            if trial.number not in there:
                kept = {key: of for key, of in attributes.items() if key in _KEPT}
                self._study.add_trial(
                    create_trial(
                        state=TrialState.WAITING,
                        system_attrs={"fixed_params": _settings(trial)},
                        user_attrs={**kept, "instead_of": trial.number},
                        intermediate_values=dict(trial.intermediate_values),
                    )
                )

    def _lives(self, trial: Any) -> bool:
        """Whether the worker of a running trial is there; of another machine a server knows."""
        owner = trial.user_attrs.get("owner")
        if owner is None:  # it is set under the lock that we hold
            return False
        elsewhere = owner.rsplit(":", 2)[0] != platform.node()
        if elsewhere and self.search.storage == "postgresql":
            return True
        return alive(owner, trial.datetime_start.timestamp())

    def running(self, asked: Asked) -> AbstractContextManager[None]:
        """Give signs of life for a trial while it runs."""
        return beating(self._storage, asked.trial._trial_id)

    def finish(
        self, asked: Asked, found: Trial, values: Sequence[float], paid: Sequence[str]
    ) -> None:
        """Take down how a trial ended.

        Args:
            values: of a complete trial, one for each objective.
            paid: recipes of the stages it paid for.

        Raises:
            TakenOver: by another worker, which tells its end.
        """
        from optuna.trial import TrialState

        states = {
            "complete": TrialState.COMPLETE,
            "pruned": TrialState.PRUNED,
            "failed": TrialState.FAIL,
        }
        complete = found.state == "complete"
        with self._lock(), still_ours(), quiet():
            asked.trial.set_user_attr("paid", list(paid))
            asked.trial.set_user_attr("found", found.model_dump(mode="json"))
            self._study.tell(
                asked.trial, list(values) if complete else None, state=states[found.state]
            )

    def put_back(self, asked: Asked) -> None:
        """Let a trial that was broken off be run again, by this command or another."""
        from optuna.trial import TrialState

        with self._lock(), quiet():
            self._study.tell(asked.trial, state=TrialState.FAIL, skip_if_finished=True)
            self._tidy()

    def finished(self) -> list[tuple[Trial, list[str]]]:
        """Return the finished trials by number, each with the recipes it paid for."""
        done = [
            (Trial.model_validate(trial.user_attrs["found"]), list(trial.user_attrs["paid"]))
            for trial in self._study.get_trials(deepcopy=False)
            if _finished(trial)
        ]
        return sorted(done, key=lambda pair: pair[0].number)

    def tried(self) -> list[dict[str, Value]]:
        """Return the settings of every trial, also of one that was broken off or waits."""
        with quiet():
            trials = self._study.get_trials(deepcopy=False)
        return [_clean(settings) for trial in trials if (settings := _settings(trial))]

    def importance(self) -> dict[str, float]:
        """Return each setting's share of what they explain, largest first (PED-ANOVA).

        Watanabe, Bansal and Hutter 2023. Empty with fewer than `startup` complete trials, and
        where all are alike.
        """
        from optuna.importance import get_param_importances
        from optuna.trial import TrialState

        done = self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        if len(done) < max(self.search.startup, 2) or len({tuple(one.values) for one in done}) < 2:
            return {}
        with quiet():
            found = get_param_importances(self._study)
        return {key: round(float(share), 6) for key, share in found.items()}


def _finished(trial: Any) -> bool:
    """Whether it is over for good; one that merely stopped is to be run again."""
    if trial.state.name in ("COMPLETE", "PRUNED"):
        return True
    found = trial.user_attrs.get("found", {})
    return bool(trial.state.name == "FAIL" and found.get("state") == "failed")


def _settings(trial: Any) -> dict[str, Value]:
    """Return what it tries; of one that waits, what it will."""
    return {**trial.system_attrs.get("fixed_params", {}), **trial.params}


def _clean(settings: Mapping[str, Value]) -> dict[str, Value]:
    """Return settings without the dust of binary fractions: 0.15, not 0.15000000000000002."""
    return {
        key: float(f"{value:.12g}") if isinstance(value, float) else value
        for key, value in sorted(settings.items())
    }


def _key(settings: Mapping[str, Value]) -> str:
    return repr(_clean(settings))


def _kind(dimension: Dimension) -> Any:
    """Return Optuna's name for what a setting may be."""
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    if dimension.choices is not None:
        return CategoricalDistribution(dimension.choices)
    low, high, step = dimension.low, dimension.high, dimension.step
    assert low is not None and high is not None, "a range has ends"
    if dimension.whole:
        return IntDistribution(int(low), int(high), log=dimension.log, step=int(step or 1))
    return FloatDistribution(float(low), float(high), log=dimension.log, step=step)
