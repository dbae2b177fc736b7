"""`llamaduo compare [RUN...] [overrides...] [-m] [--all] [--out DIR]`: runs side by side.

A RUN is the beginning of a fingerprint or an MLflow run id. Overrides name the run they
made, with `-m` all runs of the sweep. With neither, all finished runs under `home`.
"""

import argparse
import re
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from llamaduo.errors import UsageError
from llamaduo.options import nearest

if TYPE_CHECKING:
    from llamaduo.experiment import Experiment

FLAGS = ("-m", "--multirun", "--all", "--out")
_MLFLOW = re.compile("[0-9a-f]{32}")


def main(arguments: list[str]) -> int:
    """Print the tables, and write them and their figures to a folder."""
    from llamaduo import runs, side_by_side

    given, words = _parsed(arguments)
    names = [word for word in words if "=" not in word]
    overrides = [word for word in words if "=" in word]
    home, made = _experiments(overrides, sweep=given.multirun)
    places = [_place(home, name, overrides) for name in names]
    places += [home / ".llamaduo" / "runs" / exp.fingerprint() for exp in made]
    wanted = list(dict.fromkeys(places)) or runs.places(home)
    found, left_out = runs.read(wanted)
    if not found:
        what = "\n  ".join(left_out or ["no run was begun there"])
        raise UsageError(f"there is no finished run to compare under {home}:\n  {what}")
    if not places:
        found = runs.in_order(found)
    into = Path(given.out) if given.out else home / ".llamaduo" / "compare"
    page = side_by_side.write(found, left_out, of=len(wanted), everyone=given.all, into=into)
    print(page.text)
    print(f"written: {', '.join(str(path) for path in page.files)}")
    return 0


def _parsed(arguments: list[str]) -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser("llamaduo compare", add_help=False, exit_on_error=False)
    parser.add_argument("-m", "--multirun", action="store_true")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--out")
    try:
        given, words = parser.parse_known_args(arguments)
    except argparse.ArgumentError as error:
        raise UsageError(f"compare: {error}") from None
    for word in words:
        if word.startswith("-"):
            raise UsageError(f"compare: {word}: no such flag{nearest(word, FLAGS)}")
    return given, words


def _experiments(overrides: list[str], *, sweep: bool) -> "tuple[Path, list[Experiment]]":
    """Return the home, and the experiments that the overrides make; none for `home` alone.

    Raises:
        ConfigError: for an override that cannot be.
        UsageError: for `-m` without several values.
    """
    from llamaduo.config import from_overrides
    from llamaduo.config.overrides import check

    if sweep:
        checked = check(overrides, sweep=True)
        if checked.faults:
            raise UsageError("\n  ".join(["compare:", *checked.faults]))
        if not checked.swept:
            raise UsageError("compare: -m needs an override with several values")
        jobs = product(*(checked.swept.get(text, [text]) for text in checked.good))
        made = [from_overrides(list(job)) for job in jobs]
        return Path(made[0].home), made
    exp = from_overrides(overrides)
    only_place = all(word.startswith(("home=", "tracker")) for word in overrides)
    return Path(exp.home), [] if only_place else [exp]


def _place(home: Path, name: str, overrides: list[str]) -> Path:
    """Return the folder of a run by fingerprint or MLflow id.

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
        there = ", ".join(place.name[:8] for place in runs.places(home)) or "none"
        raise UsageError(
            f"{name}: no run under {home} has a fingerprint that begins so, and no MLflow run is "
            f"called so (there are: {there})"
        )
    return found
