"""The services that will be asked: keys that are there, models that will be turned off."""

import os
from collections.abc import Iterator
from typing import Protocol, runtime_checkable

from llamaduo.experiment import Experiment
from llamaduo.preflight.finding import Finding, look, ok
from llamaduo.service import credentials
from llamaduo.service.chat import ChatService


@runtime_checkable
class Warns(Protocol):
    """A service that knows what will stand in its way."""

    def warnings(self) -> list[str]:
        """Return what will, in words, with the fix."""
        ...


def services(exp: Experiment) -> Iterator[Finding]:
    """Yield a line for each key that is set, and each warning once; faults say the rest."""
    asked = [exp.service, *exp.judges]
    if exp.engine.asked is not None:
        asked.append(exp.engine.asked.service)
    keys = {name: None for one in asked if isinstance(one, ChatService) for name in one.keys}
    there = [name for name in keys if os.environ.get(name) and not credentials.malformed(name)]
    yield from (ok(f"key: {name} is set") for name in there)
    warned = [line for one in asked if isinstance(one, Warns) for line in one.warnings()]
    yield from (look(line) for line in dict.fromkeys(warned))
