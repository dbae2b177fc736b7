"""What is checked before a run starts: by the run itself, and in full by `llamaduo doctor`.

`quick` is what every run pays for: milliseconds, nothing imported that is heavy, nothing read
but a config.json. `whole` adds what takes seconds: the tokenizer and the rows. Neither asks
the network; only a tracking server, where one is named, is asked whether it takes the run.
"""

from collections.abc import Iterator
from pathlib import Path

from llamaduo import machine
from llamaduo.errors import ConfigError
from llamaduo.experiment import Experiment, Until
from llamaduo.machine import Machine
from llamaduo.preflight import disk, hub, libraries, model, room, rows
from llamaduo.preflight.finding import Finding, Level, look, missing, ok
from llamaduo.preflight.model import unserved
from llamaduo.preflight.privacy import refuse_unasked
from llamaduo.preflight.services import services
from llamaduo.preflight.tracker import tracker
from llamaduo.progress import Progress

__all__ = ["Finding", "Level", "quick", "refuse", "refuse_unasked", "whole"]


def refuse(exp: Experiment, progress: Progress, until: Until | None = None) -> None:
    """Refuse what cannot run here, before anything is spent; say what is worth a look.

    Args:
        until: where the run is to stop; what it does not come to is not asked for.

    Raises:
        ConfigError: with everything that stands in the way.
    """
    found = list(quick(exp, machine.look(), until))
    faults = [line for level, line in found if level == "MISSING"]
    if faults:
        raise ConfigError("this experiment cannot run here:", faults)
    for level, line in found:
        if level == "look":
            progress.say(f"look: {line}")


def begun(exp: Experiment) -> bool:
    """Whether something of the run is here: of a killed one, or unpacked."""
    return (Path(exp.home) / ".llamaduo" / "runs" / exp.fingerprint()).is_dir()


def quick(exp: Experiment, here: Machine, until: Until | None = None) -> Iterator[Finding]:
    """Yield what every run is checked for."""
    yield from libraries.libraries()
    model = until != "data"
    if model:
        yield from room.gpus(exp, here)
    fits = [*(room.memory(exp, here) if model else ()), *disk.disk(exp, here, model=model)]
    done = begun(exp)  # what the model has to do may be done: here before, or on another machine
    yield from (look(one.line) if done and one.level == "MISSING" else one for one in fits)
    yield from hub.hub(exp)
    yield from tracker(exp)
    if until is None:
        yield from services(exp)
        yield from unserved(exp)
    yield from (missing(fault) for fault in exp.faults(until))


def whole(exp: Experiment, here: Machine) -> Iterator[Finding]:
    """Yield everything that can be known here before a run."""
    found = list(quick(exp, here))
    yield from found
    template = None
    asked = exp.engine.asked
    if room.loads(exp) or (asked is not None and asked.as_text):
        template, said = model.template(exp.local)
        yield said
    of_rows = list(rows.rows(exp, template))
    yield from of_rows
    yield from model.serving(exp, here)
    if not any(finding.level == "MISSING" for finding in [*found, *of_rows]):
        yield ok(f"{exp.answers_as} <- {exp.service.name} on {exp.task.name} can run here")
