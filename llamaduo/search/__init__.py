"""The search: which settings of the tuner are tried, and what makes one better than another."""

import importlib.util
import os
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field, ValidationError, field_validator

from llamaduo.component import Component
from llamaduo.options import nearest
from llamaduo.search.space import Dimension, Value, flat, points, with_values

TUNER = "tuner."
"""Begins every key that may be searched: what else changes would make figures incomparable."""

URL = "LLAMADUO_SEARCH_URL"
"""Variable with the address of a PostgreSQL server; it holds a password, so no key does."""

Phase = Literal["tuning", "judging"]


class Search(Component):
    """Trials of settings, each tuned on the rows of round 0 and measured on dev."""

    operational: ClassVar[frozenset[str]] = frozenset({"trials", "storage"})

    trials: int = Field(ge=1)
    """Finished trials wanted: complete, pruned and failed ones together. The first has the
    settings as given. More go on in the same search."""
    objective: Literal["coverage", "dev_loss", "coverage_and_cost"] = "coverage"
    """What is best: the largest lower end of the 95 % interval of coverage on dev, in %; the
    smallest loss on dev, for which nothing is answered or judged; or coverage as before
    against the tokens that tuning works through, of which the best all stand in a front."""
    space: Mapping[str, Dimension] = Field(min_length=1)
    """What each setting may be, by its dotted key: `tuner.lr`."""
    startup: int = Field(5, ge=1)
    """Trials drawn at random before their results steer the next."""
    prune: tuple[Phase, ...] = ()
    """Where a hopeless trial is stopped. What the objective does not do is not stopped, and
    with two objectives nothing is: Optuna compares unfinished trials by one figure only."""
    storage: Literal["journal", "postgresql"] = "journal"
    """Where trials are kept: a file under home, for the processes of one machine, or the server
    that the variable LLAMADUO_SEARCH_URL names, for several."""

    @field_validator("space", mode="before")
    @classmethod
    def _by_dotted_keys(cls, space: Any) -> Any:
        return flat(space) if isinstance(space, Mapping) else space

    @property
    def judges(self) -> bool:
        """Whether its trials are answered and judged."""
        return self.objective != "dev_loss"

    @property
    def stops(self) -> frozenset[Phase]:
        """Where a hopeless trial is stopped, of the phases that the objective has."""
        if self.objective == "coverage_and_cost":
            return frozenset()
        return frozenset(phase for phase in self.prune if phase == "tuning" or self.judges)

    @property
    def points(self) -> int | None:
        """Settings that there are in all; None where they cannot be counted."""
        return points(self.space)

    def default(self, tuner: Component) -> dict[str, Value]:
        """Return the settings that `tuner` has, as points of the space; the first trial's."""
        return {
            key: dimension.point(_at(tuner, key)) for key, dimension in sorted(self.space.items())
        }

    def faults(self, tuner: Component) -> list[str]:
        """Return what in the space, or for the objective, does not go with `tuner`."""
        if not type(tuner).model_fields:
            return ["search: this tuner has no settings to search; choose tuner=qlora"]
        found = [fault for key in self.space for fault in self._of_key(key, tuner)]
        if getattr(tuner, "eval_steps", None) is None:
            after = "set tuner.eval_steps to the steps between two looks at it"
            if self.objective == "dev_loss":
                found.append(f"search.objective: dev_loss needs a loss on dev: {after}")
            elif "tuning" in self.stops:
                found.append(f"search.prune: tuning is stopped by the loss on dev: {after}")
        return [*found, *self._uneven(tuner)]

    def _uneven(self, tuner: Component) -> list[str]:
        """Say which keys would have losses on dev compared that cannot be."""
        compared = self.objective == "dev_loss" or "tuning" in self.stops
        if not compared:
            return []
        by_rows = {f"{TUNER}{name}" for name in ("batch_size", "accumulation")}
        by_length = {f"{TUNER}{name}" for name in ("steps", "epochs", "warmup", "eval_steps")}
        if getattr(tuner, "epochs", None) is not None:  # more rows a step are then fewer steps
            by_length |= by_rows
        found = []
        for key in self.space:
            where = f"search.space.{key}"
            if key == f"{TUNER}max_length":
                found.append(
                    f"{where}: a shorter one leaves long rows of dev out of the loss, and so looks "
                    "better: take it out, or compare coverage without tuning in search.prune"
                )
            elif key in by_length and "tuning" in self.stops:
                found.append(
                    f"{where}: trials of other lengths are at another place at the same step, and "
                    "cannot be stopped by it: take it out, or tuning out of search.prune"
                )
        return found

    def unreachable(self) -> list[str]:
        """Return why its trials cannot be kept here, if they cannot."""
        if self.storage == "journal":
            return []
        found = []
        if importlib.util.find_spec("psycopg2") is None:
            found.append(
                'search.storage: postgresql takes psycopg2: pip install "llamaduo[postgres]"'
            )
        if not os.environ.get(URL, "").startswith(("postgresql://", "postgresql+psycopg2://")):
            found.append(
                f"search.storage: set {URL} in the environment, such as "
                "postgresql://user:password@host/database"
            )
        return found

    def _of_key(self, key: str, tuner: Component) -> list[str]:
        where = f"search.space.{key}"
        known = {f"{TUNER}{name}": name for name in type(tuner).model_fields}
        if key.partition(".")[0] + "." != TUNER:
            return [
                f"{where}: not of the tuner; a search tries settings of the tuner only"
                f"{nearest(key, known)}"
            ]
        if key not in known:
            return [f"{where}: no such key{nearest(key, known)}"]
        found = []
        for value in self.space[key].edges:
            try:
                with_values(tuner, {known[key]: value})
            except ValidationError as error:
                why = error.errors()[0]["msg"].removeprefix("Value error, ")
                found.append(f"{where}: {value!r}: {why}")
        given = getattr(tuner, known[key])
        if not found and not self.space[key].holds(given):
            found.append(
                f"{where}: {key} is {given!r}, which is not in it, and the first trial has the "
                f"settings as given: widen it, or set {key}"
            )
        return found


def _at(tuner: Component, key: str) -> Any:
    return getattr(tuner, key.removeprefix(TUNER))
