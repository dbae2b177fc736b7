"""The registered version that a verb is about: MODEL, or the champion of what was promoted.

MODEL is `TASK`, `TASK@champion`, `TASK@challenger` or `TASK/3`, with `models:/` before it or not.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from llamaduo.errors import UsageError
from llamaduo.options import nearest

if TYPE_CHECKING:
    from llamaduo.experiment import Experiment
    from llamaduo.promotion.held import Held
    from llamaduo.tracker.mlflow import MlflowTracker
    from llamaduo.tracker.registry import Registry, Version

MEANING = (
    "a registered model: TASK, TASK@champion, TASK@challenger or TASK/3; with none, the champion "
    "of the only one there is. key=value: home=, tracker=, tracker.uri=, serving=, serving.KEY="
)
"""What help says of MODEL."""

_MODEL = re.compile(r"(?:models:/)?(?P<name>[\w.-]+)(?:@(?P<alias>[\w.-]+)|/(?P<number>\d+))?")


@dataclass(frozen=True)
class Versioned:
    """A version, and what the command line says of where and how."""

    exp: "Experiment"
    """What the key=value compose to; its `serving` is what was asked for. It made no version."""
    home: Path
    tracker: "MlflowTracker"
    held: "Held"


def find(words: Sequence[str], verb: str) -> Versioned:
    """Return the version that `words` name, with its files.

    Args:
        words: at most one MODEL, and key=value.
        verb: whose words they are.

    Raises:
        UsageError: where there is no such version, or several models and none is named.
        ConfigError: for an override that cannot be.
        TrackerError: where nothing was promoted.
    """
    from llamaduo.config import from_overrides
    from llamaduo.promotion.held import hold
    from llamaduo.tracker.mlflow import MlflowTracker
    from llamaduo.tracker.registry import opened

    names = [word for word in words if "=" not in word]
    if len(names) > 1:
        raise UsageError(f"{verb}: one model at a time, not {len(names)}: {', '.join(names)}")
    exp = from_overrides([word for word in words if "=" in word])
    if not isinstance(exp.tracker, MlflowTracker):
        raise UsageError(f"{verb}: tracker=none has no registry; give tracker=mlflow")
    home = Path(exp.home)
    with opened(exp.tracker, home, alone=False) as registry:
        version = _version(registry, names[0] if names else None, verb)
        return Versioned(exp, home, exp.tracker, hold(registry, version, home))


def _version(registry: "Registry", word: str | None, verb: str) -> "Version":
    known = registry.models()
    there = f"there are: {', '.join(known)}" if known else "nothing has been promoted there yet"
    if word is None:
        if len(known) != 1:
            raise UsageError(f"{verb}: which model? {there}; `llamaduo promote` makes one")
        name, alias, number = known[0], "champion", None
    else:
        read = _MODEL.fullmatch(word)
        if read is None:
            raise UsageError(
                f"{verb}: {word}: no name of a model; TASK, TASK@champion or TASK/3 is"
            )
        name, alias, number = read["name"], read["alias"] or "champion", read["number"]
    if name not in known:
        raise UsageError(
            f"{verb}: no model is registered as {name}{nearest(name, known)} ({there})"
        )
    wanted = number or registry.called(name, alias)
    for version in registry.versions(name):
        if version.number == wanted:
            return version
    what = f"version {number}" if number else alias
    raise UsageError(f"{verb}: {name} has no {what}; `llamaduo promote --list` shows its versions")
