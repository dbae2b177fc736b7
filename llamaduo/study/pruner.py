"""When a trial is hopeless: by its loss while it is tuned, by the prompts while it is judged.

Optuna keeps one row of figures a trial. Losses stand at their optimiser step, judged prompts
far above, at `JUDGED` and their place in dev; each of Optuna's pruners is shown its own part.
"""

from collections.abc import Collection
from copy import copy
from typing import Any

from optuna.pruners import BasePruner, MedianPruner, WilcoxonPruner
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from llamaduo.search import Phase

JUDGED = 1_000_000
"""Step of the first judged prompt; no tuning takes so many."""
CURVES = 3
"""Complete trials before a median of their losses stops another."""
LOOKS = 2
"""Looks at the loss before that: rates that still grow all look alike at the first."""
PROMPTS = 10
"""Judged prompts before a trial is stopped for them."""
ERROR = 0.05
"""Of one test of these prompts against the best trial's (Wilcoxon 1945); it is made anew after
every few prompts, so that more than so many good ones are stopped."""


class ByPhase(BasePruner):
    """Hands a trial to the pruner of the phase it is in."""

    def __init__(self, phases: Collection[Phase]) -> None:
        self.phases = frozenset(phases)
        self.tuning = MedianPruner(n_startup_trials=CURVES)
        self.judging = WilcoxonPruner(p_threshold=ERROR, n_startup_steps=PROMPTS)

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """Whether `trial` shall stop, going by the phase of its last figure."""
        last = trial.last_step
        if last is None:
            return False
        phase: Phase = "judging" if last >= JUDGED else "tuning"
        if phase not in self.phases:
            return False
        own = _part(trial, phase)
        if phase == "judging":
            best: Any = _Part(study, phase)
            return best.has_best and self.judging.prune(best, own)
        return len(own.intermediate_values) >= LOOKS and self.tuning.prune(study, own)


class _Part:
    """A study with the judged prompts of its trials alone, as far as the pruner looks at it."""

    def __init__(self, study: Study, phase: Phase) -> None:
        self.direction = study.direction
        complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        self.has_best = bool(complete)
        if complete:
            self.best_trial = _part(study.best_trial, phase)
            self.has_best = bool(self.best_trial.intermediate_values)


def _part(trial: FrozenTrial, phase: Phase) -> FrozenTrial:
    """Return the trial with the figures of one phase alone."""
    figures = {
        step: value
        for step, value in trial.intermediate_values.items()
        if (step >= JUDGED) == (phase == "judging")
    }
    own = copy(trial)
    own.intermediate_values = figures
    return own
