"""The checked experiment: all that a run is made of, and the fingerprint that names it."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from llamaduo.component import Component, digest
from llamaduo.database import Where, unreachable
from llamaduo.dedup import Dedup
from llamaduo.engine import Engine
from llamaduo.errors import DataError
from llamaduo.judge import Judge
from llamaduo.judge.human import read as read_human
from llamaduo.local import LocalModel
from llamaduo.privacy import Privacy
from llamaduo.privacy.redacting import hidden_from
from llamaduo.search import Search
from llamaduo.search.nothing import NoSearch
from llamaduo.service import Service
from llamaduo.serving import Serving
from llamaduo.serving.transformers import TransformersServing
from llamaduo.synth import Synth
from llamaduo.task import Task
from llamaduo.tracker import Tracker
from llamaduo.tuner import Tuner
from llamaduo.tuner.untuned import Untuned
from llamaduo.workload import Workload

Until = Literal["data", "adapter", "answers"]
"""What a run may stop at: all that the services make, a tuned adapter, its answers."""

Baseline = Literal["untuned", "few_shot", "coverage", "equal_steps", "service"]


class Goal(Component):
    """What the local model has to reach."""

    at_least: float = Field(gt=0, le=100)
    """Coverage in %: the share of prompts at or over both thresholds."""
    similarity: float = Field(ge=0, le=100)
    """Threshold of a covered prompt: how close its answers come to the target, 0 to 100."""
    precision: float = Field(ge=0, le=100)
    """Threshold of a covered prompt: how well its answers do what is asked, 0 to 100."""
    against: Literal["absolute", "service"] = "absolute"
    """`service`: the verdict hangs on the distance to the service's own coverage of the same
    prompts, and `at_least` only steers the loop."""
    margin: float = Field(5.0, gt=0, le=100)
    """Points of coverage the local model may stay under the service, with `against: service`."""
    latency_p95_ms: float | None = Field(None, gt=0)
    """Milliseconds that 95 of 100 answers have to come in; no switch is said before it is
    measured: by the calls of an engine that is asked, else by `llamaduo load`. None: no matter."""


class Ceiling(Component):
    """How the service is asked for its second answers, the `service` baseline."""

    max_tokens: int = Field(ge=1)
    """Tokens of an answer; a service that thinks does so within them."""
    temperature: float = Field(ge=0)
    """What the service is asked with in production."""


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
    serving: Serving = Field(default_factory=TransformersServing)
    """How a promoted model is served. It changes no run."""
    search: Search | None = None
    """Settings of the tuner that are tried first. None, or the option `none`: those given."""
    """Which settings of the tuner are tried before the first round; None: those given are taken."""
    goal: Goal
    rounds: int = Field(ge=1)
    """Turns of the loop at most; the first is tuned on coverage rows alone."""
    samples: int = Field(ge=1)
    """Answers to each prompt (the paper's K); a prompt's score is their mean."""
    seed: int = Field(ge=0)
    """Of tuning, answers and service calls; the split has its own."""
    budget_usd: float | None = Field(None, ge=0)
    """Service dollars the run may spend, over all its restarts. None: no limit."""
    usd_per_point: float | None = Field(None, gt=0)
    """Service dollars that a point of coverage is worth: the loop ends when even the upper end
    of what the last round gained cost more. None: it goes on."""
    baselines: tuple[Baseline, ...] = ()
    """Other models judged on the same test prompts."""
    shots: int = Field(4, ge=1)
    """Examples of train that the `few_shot` baseline shows the untuned model."""
    ceiling: Ceiling
    home: Path
    """Where the store, the ledger and mlruns/ stand."""
    ledger: Where = "file"
    """Where paid calls are kept: a file under home, for the processes of one machine, or the server
    that the variable LLAMADUO_LEDGER_URL names, for several; the store's locks are there too."""
    privacy: Privacy = Field(default_factory=Privacy)
    """What may leave of what looks like personal data or secrets in what services are sent."""
    trusted: tuple[str, ...] = ()
    """Packages, beside this one, that a `_target_` may come from."""
    allow_simulated: bool = False
    """Whether a simulated and a paid service may meet in one run, and a simulated judge may have a
    rollout advance."""

    @field_validator("search", mode="before")
    @classmethod
    def _none_is_nothing(cls, search: Any) -> Any:
        return None if isinstance(search, NoSearch) else search

    @model_validator(mode="after")
    def _does_not_mix(self) -> "Experiment":
        kinds = {service.simulated for service in (self.service, *self.judges)}
        if len(kinds) > 1 and not self.allow_simulated:
            raise ValueError(
                f"{self.service.name} teaches and {self.judge.name} judges, and not all of "
                "them are simulated: nothing real follows from that. Choose all alike, or set "
                "allow_simulated=true"
            )
        return self

    @model_validator(mode="after")
    def _can_be_decided(self) -> "Experiment":
        if self.goal.against == "service" and "service" not in self.baselines:
            raise ValueError(
                "goal.against=service holds the local model against the service's own answers: "
                "add `service` to baselines"
            )
        if self.engine.asked is not None and not isinstance(self.tuner, Untuned):
            raise ValueError(
                "a server answers with what it was started with, not with an adapter that is tuned "
                "here: choose tuner=none to judge as it is what it serves (with engine=tgi, the "
                "adapter it was given), or engine=transformers"
            )
        return self

    @model_validator(mode="after")
    def _knows_its_own(self) -> "Experiment":
        named = {service.name for service in self.asked_services}
        if wrong := [name for name in self.privacy.inside or () if name not in named]:
            raise ValueError(
                f"privacy.inside: {', '.join(wrong)} is asked nothing here; there are "
                f"{', '.join(sorted(named))}"
            )
        return self

    @model_validator(mode="after")
    def _can_be_searched(self) -> "Experiment":
        if self.search is not None:
            assert isinstance(self.tuner, Component), "what a YAML names is a component"
            found = self.search.faults(self.tuner)
            if self.local.adapter is not None:
                found += [
                    f"search.space.{key}: local.adapter has one, and tuning goes on with it; take "
                    "it out of the space"
                    for key in ("tuner.r", "tuner.alpha", "tuner.layers")
                    if key in self.search.space
                ]
            if found:
                raise ValueError("; ".join(found))
        return self

    @property
    def simulated(self) -> bool:
        """Whether a simulated service has a part in it."""
        return any(service.simulated for service in (self.service, *self.judges))

    @property
    def answers_as(self) -> str:
        """Name of what the verdict is about: the local model, or the endpoint that answers."""
        asked = self.engine.asked
        return self.local.name if asked is None else asked.service.name

    @property
    def judges(self) -> tuple[Service, ...]:
        """The services that judge."""
        return tuple(self.judge.services.values())

    @property
    def asked_services(self) -> tuple[Service, ...]:
        """All services that may be asked: who teaches, who judges, and an endpoint that answers."""
        asked = self.engine.asked
        return (self.service, *self.judges, *(() if asked is None else (asked.service,)))

    @property
    def outside(self) -> tuple[Service, ...]:
        """Those of them whose requests leave."""
        return tuple(one for one in self.asked_services if self.privacy.leaves(one))

    @property
    def hides(self) -> bool:
        """Whether something of what one of them is asked is replaced before it is sent."""
        return any(self.privacy.hides(one) for one in self.asked_services)

    def fingerprint(self) -> str:
        """Name what makes the result. Not: limits, places, tracker, serving, workload.

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
            self.shots if "few_shot" in self.baselines else 0,
            self.ceiling.key() if "service" in self.baselines else "",
            *([self.search.key()] if self.search is not None else []),
            *hidden_from(self.privacy, self.outside),
        )

    def faults(self, until: Until | None = None) -> list[str]:
        """Return what stands in the way of running it here: keys, models, services, prices.

        Args:
            until: where the run is to stop. It is then not known which services are asked, so
                none has to be ready before it is; and data is made without the local model.
        """
        services = [self.service, *self.judges] if until is None else []
        if until is None and self.engine.asked is not None:
            services.append(self.engine.asked.service)
        found = [fault for service in services for fault in service.faults()]
        if until != "data":
            found += self.local.faults() + self.tuner.faults(self.local)
        found += self.workload.faults() + unreachable(self.ledger)
        if self.search is not None:
            found += self.search.unreachable()
            if until is not None:
                found.append(
                    f"--until {until} stops between stages, and a trial of a search takes them all "
                    "in turn: search where everything is at hand, or add search=none"
                )
        if self.judge.human is not None:
            try:
                read_human(self.judge.human)
            except DataError as error:
                found.append(f"judge.human: {error}")
        return list(dict.fromkeys(found))
