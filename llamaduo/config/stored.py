"""A config read back from the folder of a run, or of a registered version, and built again."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from llamaduo.config.build import build
from llamaduo.errors import ConfigError, UsageError
from llamaduo.experiment import Experiment
from llamaduo.options import options
from llamaduo.runs import CONFIG
from llamaduo.service import Service
from llamaduo.service.credentials import names

Sent = tuple[str | None, str | None, tuple[str, ...]]
"""Where a service's calls go: provider, address, variable of the key."""


def of_run(place: Path, chosen: dict[str, Any]) -> Experiment:
    """Return the experiment of the run whose folder is `place`.

    Args:
        place: `<home>/.llamaduo/runs/<fingerprint>`; the folder above counts as home,
            wherever it was when the run was made.
        chosen: root keys that the command line sets, with their values as plain data. `trusted`
            is taken from there alone: no file says what code is run.

    Raises:
        UsageError: if what the run was made of is not known, is gone, or is no longer the same.
    """
    name = place.name
    try:
        values = yaml.safe_load((place / CONFIG).read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise UsageError(
            f"{name}: {CONFIG} in its folder cannot be read ({type(error).__name__}); the command "
            "that made the run writes it anew, from the store"
        ) from None
    if not isinstance(values, dict):
        raise UsageError(
            f"{name}: {place / CONFIG} holds no config that can be built; name the run by the "
            "key=value that made it"
        )
    values |= {"home": str(place.parents[2]), "trusted": [], **chosen}
    try:
        exp = build(values)
    except ConfigError as error:
        faults = "\n  ".join(error.faults)
        raise UsageError(f"{name}: its config cannot be built any more:\n  {faults}") from None
    if exp.fingerprint() != name:
        raise UsageError(
            f"{name}: {place / CONFIG} makes another run now ({exp.fingerprint()}): a file that it "
            "names has changed, or it was made by another version of llamaduo"
        )
    return exp


def of_version(file: Path, here: Experiment) -> Experiment:
    """Return the experiment that a registered version is of, as its config says.

    Args:
        here: whose home, tracker, ledger and `trusted` count; no file says what code is run, and
            none sends anything to where `here` and the options do not (`given`). Of two budgets
            the lower counts.

    Raises:
        UsageError: if the config is gone, cannot be built here, or alone says who is asked.
    """
    try:
        values = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise UsageError(f"{file} cannot be read ({type(error).__name__})") from None
    if not isinstance(values, dict):
        raise UsageError(f"{file} holds no config that can be built")
    places = {"home": str(here.home), "trusted": list(here.trusted), "ledger": here.ledger}
    try:
        exp = build(values | places | {"tracker": here.tracker, "serving": here.serving})
    except ConfigError as error:
        faults = "\n  ".join(error.faults)
        raise UsageError(f"{file} cannot be built here:\n  {faults}") from None
    given((exp.service, *exp.judges), here, str(file))
    budgets = [one for one in (exp.budget_usd, here.budget_usd) if one is not None]
    return exp.model_copy(update={"budget_usd": min(budgets, default=None)})


def given(services: Iterable[Service], here: Experiment, file: str) -> None:
    """Refuse a service whose address or key only a file says: who wrote it would choose both.

    Known are those that the command line composes to, and those of the options of `service=`.

    Raises:
        UsageError: with what to type.
    """
    typed = {_sent(one) for one in (here.service, *here.judges)}
    for service in services:
        to = _sent(service)
        if service.simulated or to in typed or to in _options():
            continue
        key = ",".join(to[2])
        key = f"[{key}]" if len(to[2]) > 1 else key or "null"
        words = {"model": f"{to[0]}/NAME", "api_base": to[1], "key_env": key}
        said = " ".join(f"service.{key}={value}" for key, value in words.items() if value)
        raise UsageError(
            f"{file} alone says where {service.name} is asked (provider {to[0]}, address "
            f"{to[1] or 'its own'}) and with which key ({', '.join(to[2]) or 'none'}), and a file "
            "sends nothing anywhere. If it is right, say so yourself, with the option of service= "
            f"that the run had: service=openai_compatible {said} and its name and price"
        )


def _options() -> set[Sent]:
    """Return where the calls of each option go that says so by itself."""
    found: set[Sent] = set()
    for path in options("service").values():
        said = yaml.safe_load(path.read_text(encoding="utf-8"))
        if isinstance(said, Mapping) and "???" not in (said.get("model"), said.get("api_base")):
            where = (said.get("url", said.get("api_base")), names(said.get("key_env")))
            found.add((str(said.get("model")).partition("/")[0], *where))
    return found


def _sent(service: Service) -> Sent:
    provider = str(getattr(service, "model", None)).partition("/")[0]
    address = getattr(service, "url", getattr(service, "api_base", None))
    return provider, address, names(getattr(service, "key_env", None))
