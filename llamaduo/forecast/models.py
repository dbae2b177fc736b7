"""Which models a run judges on the test beside the decided one, and how long they may talk."""

from collections.abc import Sequence
from dataclasses import dataclass

from llamaduo.experiment import Experiment
from llamaduo.judging import part
from llamaduo.records import Example, Placed
from llamaduo.task.shots import examples_for
from llamaduo.tuner.untuned import Untuned


@dataclass(frozen=True)
class Beside:
    """A baseline that is a local model."""

    name: str
    shots: Sequence[Example] = ()
    """Rows that each prompt begins with."""
    tuned: bool = True
    """Not: it may go on to the token limit, as a model does that never learnt to end."""
    later: bool = False
    """Whether it is another model than the decided one only after a second round."""


def beside(exp: Experiment, placed: Sequence[Placed]) -> list[Beside]:
    """Return the baselines that are other models than the last round's.

    As `llamaduo.baselines.models` finds them once they are tuned: one model comes once.
    """
    untuned = isinstance(exp.tuner, Untuned)
    found: dict[str, Beside] = {}
    for name in exp.baselines:
        if name == "untuned" and not untuned:
            found[name] = Beside(name, tuned=False)
        if name == "few_shot":
            shots = examples_for(part(placed, "train"), exp.shots, exp.seed)
            found[name] = Beside(name, shots=shots, tuned=False)
        if name in ("coverage", "equal_steps") and not untuned and exp.rounds > 1:
            alike = name == "equal_steps" and as_long(exp)
            found["coverage" if alike else name] = Beside(name, later=True)
    return list(found.values())


def as_long(exp: Experiment) -> bool:
    """Whether every round takes the same steps, so that round 0 is the one at equal steps."""
    steps = getattr(exp.tuner, "steps", None)
    return steps is not None and exp.tuner.for_steps(steps).key() == exp.tuner.key()
