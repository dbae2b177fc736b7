"""The run that a verb is about: RUN, the overrides that made it, or the newest.

RUN is the beginning of a fingerprint or the id of a run in MLflow.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llamaduo.errors import UsageError

if TYPE_CHECKING:
    from llamaduo.experiment import Experiment

MEANING = (
    "the beginning of a fingerprint, an id in MLflow, or the key=value that made the run; with "
    "none, the run under home that was finished last"
)
"""What help says of RUN."""

_MLFLOW = re.compile("[0-9a-f]{32}")


@dataclass(frozen=True)
class Named:
    """A run that was begun here."""

    exp: "Experiment"
    place: Path
    """Its folder."""

    @property
    def home(self) -> Path:
        """What it stands under."""
        return self.place.parents[2]


def run(words: Sequence[str], verb: str) -> Named:
    """Return the run that `words` name.

    Args:
        words: at most one RUN; key=value either of what made the run or, beside a RUN, of
            where it is (`home=`, `ledger=`, `tracker=`, `tracker.uri=`, `trusted=`).
        verb: whose words they are.

    Raises:
        UsageError: where there is no such run, or several.
        ConfigError: for an override that cannot be.
    """
    from llamaduo import runs
    from llamaduo.config import from_overrides
    from llamaduo.config.stored import of_run

    names = [word for word in words if "=" not in word]
    overrides = [word for word in words if "=" in word]
    if len(names) > 1:
        raise UsageError(f"{verb}: one run at a time, not {len(names)}: {', '.join(names)}")
    made = from_overrides(overrides)
    home = Path(made.home)
    if not names and not all(map(is_of_place, overrides)):
        return Named(made, begun(made, verb))
    named = place_of(home, names[0], overrides) if names else runs.newest(home)
    if named is None:
        raise UsageError(f"{verb}: there is no finished run under {home}; home=DIR names another")
    chosen: dict[str, Any] = {"trusted": list(made.trusted)}
    if any(word.startswith("tracker") for word in overrides):
        chosen["tracker"] = made.tracker
    if any(word.startswith("ledger=") for word in overrides):
        chosen["ledger"] = made.ledger
    return Named(of_run(named, chosen), named)


def begun(made: "Experiment", verb: str) -> Path:
    """Return the folder of the run that an experiment makes.

    Raises:
        UsageError: where it was not begun here.
    """
    home = Path(made.home)
    place = home / ".llamaduo" / "runs" / made.fingerprint()
    if not place.is_dir():
        raise UsageError(
            f"{verb}: the run that this makes ({place.name}) was not begun here (there are: "
            f"{_there(home)}); other values make another run"
        )
    return place


def is_of_place(word: str) -> bool:
    """Whether an override says where runs are, and not what makes one."""
    return word.startswith(("home=", "ledger=", "tracker=", "tracker.", "trusted="))


def place_of(home: Path, name: str, overrides: Sequence[str]) -> Path:
    """Return the folder of a run by the beginning of its fingerprint, or its id in MLflow.

    Raises:
        UsageError: where there is none, or several.
    """
    from llamaduo import runs
    from llamaduo.config import from_overrides
    from llamaduo.tracker.mlflow import MlflowTracker

    found = runs.place_of(home, name)
    if found is None and _MLFLOW.fullmatch(name):
        chosen = [word for word in overrides if word.startswith("tracker")]
        tracker = from_overrides(chosen).tracker
        mlflow = tracker if isinstance(tracker, MlflowTracker) else MlflowTracker()
        fingerprint = mlflow.fingerprint_of(name, home=home)
        found = runs.place_of(home, fingerprint) if fingerprint else None
    if found is None:
        raise UsageError(
            f"{name}: no run under {home} has a fingerprint that begins so, and no MLflow run is "
            f"called so (there are: {_there(home)})"
        )
    return found


def _there(home: Path) -> str:
    from llamaduo import runs

    return ", ".join(place.name[:8] for place in runs.places(home)) or "none"
