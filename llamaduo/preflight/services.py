"""The services that will be asked: keys that are there, models that will be turned off."""

import os
from collections.abc import Iterator
from typing import Protocol, runtime_checkable
from urllib.parse import urlsplit

from llamaduo.experiment import Experiment
from llamaduo.preflight.finding import Finding, look, ok
from llamaduo.privacy.leaving import near
from llamaduo.service import credentials
from llamaduo.service.chat import ChatService


@runtime_checkable
class Warns(Protocol):
    """A service that knows what will stand in its way."""

    def warnings(self) -> list[str]:
        """Return what will, in words, with the fix."""
        ...


def services(exp: Experiment) -> Iterator[Finding]:
    """Yield a line for each key that is set, and each warning once; faults say the rest.

    Where an address is given, the line of a key says who gets it; one that goes over the
    internet unencrypted is worth a look.
    """
    asked = [exp.service, *exp.judges]
    if exp.engine.asked is not None:
        asked.append(exp.engine.asked.service)
    chats = [one for one in asked if isinstance(one, ChatService)]
    said = [line for one in chats for line in _keys(one)]
    yield from dict.fromkeys(said)
    warned = [line for one in asked if isinstance(one, Warns) for line in one.warnings()]
    yield from (look(line) for line in dict.fromkeys(warned))


def _keys(service: ChatService) -> Iterator[Finding]:
    """Yield a line for each key of a service, and one where others could read it on its way."""
    at = urlsplit(service.api_base or "")
    secret = credentials.secret(service.key_env)
    for name in service.keys:
        if os.environ.get(name):
            where = f", sent to {at.netloc}" if at.netloc and name in secret else ""
            yield ok(f"key: {name} is set{where}")
    if at.scheme == "http" and secret and not near(service):
        yield look(
            f"{service.name}: what is sent to {at.netloc} goes over the internet unencrypted, its "
            "key too: give service.api_base with https://, if it has that"
        )
