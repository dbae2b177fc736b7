"""A trial that this process runs, and what it takes down on the way."""

import math
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from llamaduo.search.space import Value


class TakenOver(Exception):
    """Another worker has taken the trial: this one gave no sign of life for too long."""


class Asked:
    """A trial that this process is to run."""

    def __init__(
        self, trial: Any, number: int, settings: dict[str, Value], sign: int, reported: set[int]
    ) -> None:
        self.trial = trial
        self.number = number
        """What people call it."""
        self.settings = settings
        attributes = trial.user_attrs
        self.curve = {int(step): loss for step, loss in attributes.get("curve", {}).items()}
        """Loss on dev by step, as far as a worker before this one came too."""
        self._sign = sign
        self._reported = reported

    def first_without_memory(self) -> bool:
        """Note that it ran out of memory; whether that is the first time."""
        first = "memory" not in self.trial.user_attrs
        self.trial.set_user_attr("memory", True)
        return first

    def loss(self, step: int, dev_loss: float) -> bool:
        """Take down the loss on dev; returns whether the trial is hopeless.

        One that is no number is left to the tuner, which ends on it.
        """
        if not math.isfinite(dev_loss):
            return False
        self.curve[step] = dev_loss
        with still_ours():
            self.trial.set_user_attr("curve", {str(at): loss for at, loss in self.curve.items()})
        return self._report({step: self._sign * dev_loss})

    def prompts(self, covered: Mapping[int, bool]) -> bool:
        """Take down judged prompts, by place in dev; returns whether the trial is hopeless."""
        from llamaduo.study.pruner import JUDGED

        return self._report({JUDGED + at: 100.0 * yes for at, yes in covered.items()})

    def _report(self, figures: Mapping[int, float]) -> bool:
        if not self._sign:  # Optuna takes no figures of unfinished trials with two objectives
            return False
        with still_ours():
            for step in sorted(figures.keys() - self._reported):
                self.trial.report(figures[step], step)
                self._reported.add(step)
            with quiet():
                return bool(self.trial.should_prune())


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Optuna from warning of what we do on purpose: ask and tell, and what is yet new."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def still_ours() -> Iterator[None]:
    """Say so where another worker has ended the trial."""
    from optuna.exceptions import UpdateFinishedTrialError

    try:
        yield
    except UpdateFinishedTrialError:
        raise TakenOver from None
