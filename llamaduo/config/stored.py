"""A config read back from the folder of a run, or of a registered version, and built again."""

from pathlib import Path
from typing import Any

import yaml

from llamaduo.config.build import build
from llamaduo.errors import ConfigError, UsageError
from llamaduo.experiment import Experiment
from llamaduo.runs import CONFIG


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
        here: whose home, tracker, ledger and `trusted` count; no file says what code is run.

    Raises:
        UsageError: if the config is gone, or cannot be built here.
    """
    try:
        values = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise UsageError(f"{file} cannot be read ({type(error).__name__})") from None
    if not isinstance(values, dict):
        raise UsageError(f"{file} holds no config that can be built")
    places = {"home": str(here.home), "trusted": list(here.trusted), "ledger": here.ledger}
    try:
        return build(values | places | {"tracker": here.tracker, "serving": here.serving})
    except ConfigError as error:
        faults = "\n  ".join(error.faults)
        raise UsageError(f"{file} cannot be built here:\n  {faults}") from None
