"""The checked experiment: all that a run is made of, and the fingerprint that names it."""

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from llamaduo.component import Component, digest
from llamaduo.dedup import Dedup
from llamaduo.engine import Engine
from llamaduo.judge import Judge
from llamaduo.local import LocalModel
from llamaduo.service import Service
from llamaduo.synth import Synth
from llamaduo.task import Task
from llamaduo.tracker import Tracker
from llamaduo.tuner import Tuner
from llamaduo.workload import Workload

Baseline = Literal["untuned", "coverage", "equal_steps"]


class Goal(Component):
    """What the local model has to reach."""

    at_least: float = Field(gt=0, le=100)
    """Coverage in %: the share of prompts at or over both thresholds."""
    similarity: float = Field(ge=0, le=100)
    """Threshold of a covered prompt: how close its answers come to the target, 0 to 100."""
    precision: float = Field(ge=0, le=100)
    """Threshold of a covered prompt: how well its answers do what is asked, 0 to 100."""


class Experiment(Component):
    """One run, checked whole."""

    task: Task
    service: Service
    judge: Judge
    local: LocalModel
    tuner: Tuner
    engine: Engine
    synth: Synth
    dedup: Dedup
    workload: Workload
    tracker: Tracker
    goal: Goal
    rounds: int = Field(ge=1)
    """Turns of the loop at most; the first is tuned on coverage rows alone."""
    samples: int = Field(ge=1)
    """Answers to each prompt (the paper's K); a prompt's score is their mean."""
    seed: int = Field(ge=0)
    """Of tuning, answers and service calls; the split has its own."""
    budget_usd: float | None = Field(None, ge=0)
    """Service dollars the run may spend, over all its restarts. None: no limit."""
    baselines: tuple[Baseline, ...] = ()
    """Other models judged on the same test prompts."""
    home: Path
    """Where the store, the ledger and mlruns/ stand."""
    trusted: tuple[str, ...] = ()
    """Packages, beside this one, that a `_target_` may come from."""
    allow_simulated: bool = False
    """Whether a simulated and a paid service may meet in one run."""

    @model_validator(mode="after")
    def _does_not_mix(self) -> "Experiment":
        if self.service.simulated != self.judge.service.simulated and not self.allow_simulated:
            raise ValueError(
                f"{self.service.name} teaches and {self.judge.service.name} judges, and one of "
                "them is simulated: nothing real follows from that. Choose both alike, or set "
                "allow_simulated=true"
            )
        return self

    @property
    def simulated(self) -> bool:
        """Whether a simulated service has a part in it."""
        return self.service.simulated or self.judge.service.simulated

    def fingerprint(self) -> str:
        """Name what makes the result. Not: limits, places, tracker, workload.

        The same experiment with more rounds or a larger budget goes on in the same run.
        """
        return digest(
            self.task.key(),
            self.service.key(),
            self.judge.key(),
            self.local.key(),
            self.tuner.key(),
            self.engine.key(),
            self.synth.key(),
            self.dedup.key(),
            self.goal.key(),
            self.samples,
            self.seed,
            sorted(self.baselines),
        )

    def faults(self) -> list[str]:
        """Return what stands in the way of running it here: keys, models, retired services."""
        found = [*self.service.faults(), *self.judge.service.faults(), *self.local.faults()]
        return list(dict.fromkeys(found))
