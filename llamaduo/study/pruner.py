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
        phase = _phase(last)
        if phase not in self.phases:
            return False
        own = _with(trial, [step for step in trial.intermediate_values if _phase(step) == phase])
        if phase == "judging":
            beside: Any = _Beside(study, own)
            return beside.there and self.judging.prune(beside, own)
        return len(own.intermediate_values) >= LOOKS and self.tuning.prune(study, own)


def _phase(step: int) -> Phase:
    return "judging" if step >= JUDGED else "tuning"


class _Beside:
    """A study as far as the pruner of judged prompts looks at it.

    Its best trial has the prompts of the one in question and no others: those judged so far
    may be the easier ones.
    """

    def __init__(self, study: Study, own: FrozenTrial) -> None:
        self.direction = study.direction
        self.there = bool(study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)))
        if self.there:
            best = study.best_trial
            shared = own.intermediate_values.keys() & best.intermediate_values.keys()
            self.best_trial = _with(best, shared)
            self.there = bool(shared)


def _with(trial: FrozenTrial, steps: Collection[int]) -> FrozenTrial:
    """Return the trial with the figures at these steps alone."""
    own = copy(trial)
    own.intermediate_values = {step: trial.intermediate_values[step] for step in steps}
    return own
