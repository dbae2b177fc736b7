"""The services that will be asked: keys that are there, models that will be turned off."""

import os
from collections.abc import Iterator
from typing import Protocol, runtime_checkable
from urllib.parse import urlsplit

from llamaduo.experiment import Experiment
from llamaduo.preflight.finding import Finding, look, missing, ok
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
    yield from _too_large(exp)
    warned = [line for one in asked if isinstance(one, Warns) for line in one.warnings()]
    yield from (look(line) for line in dict.fromkeys(warned))


def _keys(service: ChatService) -> Iterator[Finding]:
    """Yield a line for each key of a service, and one where others could read it on its way."""
    at = urlsplit(service.api_base or "")
    secret = credentials.secret(service.key_env)
    for name in service.keys:
        if os.environ.get(name) and not credentials.malformed(name):
            where = f", sent to {at.netloc}" if at.netloc and name in secret else ""
            yield ok(f"key: {name} is set{where}")
    if at.scheme == "http" and secret and not near(service):
        yield look(
            f"{service.name}: what is sent to {at.netloc} goes over the internet unencrypted, its "
            "key too: give service.api_base with https://, if it has that"
        )


def _too_large(exp: Experiment) -> Iterator[Finding]:
    """Yield where the reply of one call alone may have more tokens than a minute may."""
    asked = [(one, "judge.max_tokens", getattr(exp.judge, "max_tokens", 0)) for one in exp.judges]
    if exp.rounds > 1:
        asked.append((exp.service, "synth.max_tokens", getattr(exp.synth, "max_tokens", 0)))
    if "service" in exp.baselines:
        asked.append((exp.service, "ceiling.max_tokens", exp.ceiling.max_tokens))
    for service, key, tokens in asked:
        limits = service.limits
        counts, most = tokens + limits.hidden_tokens, limits.tokens_per_minute
        if most is not None and counts > most:
            thinks = f" and thinking_tokens={limits.hidden_tokens}" if limits.hidden_tokens else ""
            yield missing(
                f"{service.name}: tokens_per_minute={most} is less than one reply may have, by "
                f"{key}={tokens}{thinks}: no such call could ever be sent. Raise "
                f"tokens_per_minute, or lower {key}"
            )
