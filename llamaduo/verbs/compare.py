"""`llamaduo compare [RUN...] [overrides...] [-m] [--all] [--out DIR]`: runs side by side.

A RUN is the beginning of a fingerprint or an MLflow run id. Overrides name the run they
made, with `-m` all runs of the sweep. With neither, all finished runs under `home`.
"""

import argparse
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from llamaduo.errors import UsageError
from llamaduo.verbs import VERBS, arguments, named

if TYPE_CHECKING:
    from llamaduo.experiment import Experiment


def main(words: list[str]) -> int:
    """Print the tables, and write them and their figures to a folder."""
    from llamaduo import runs, side_by_side
    from llamaduo.home import writable

    given = arguments.read(parser(), words)
    names = [word for word in given.words if "=" not in word]
    overrides = [word for word in given.words if "=" in word]
    home, made = _experiments(overrides, sweep=given.multirun)
    places = [named.place_of(home, name, overrides) for name in names]
    places += [home / ".llamaduo" / "runs" / exp.fingerprint() for exp in made]
    wanted = list(dict.fromkeys(places)) or runs.places(home)
    found, left_out = runs.read(wanted)
    if not found:
        what = "\n  ".join(left_out or ["no run was begun there"])
        raise UsageError(f"there is no finished run to compare under {home}:\n  {what}")
    if not places:
        found = runs.in_order(found)
    if given.out:
        into = writable(Path(given.out), "--out")
    else:
        into = writable(home / ".llamaduo" / "compare", "home")
    page = side_by_side.write(found, left_out, of=len(wanted), everyone=given.all, into=into)
    print(page.text)
    print(f"written: {', '.join(str(path) for path in page.files)}")
    return 0


def parser() -> argparse.ArgumentParser:
    """Return what reads the verb's arguments."""
    made = arguments.parser(
        "compare",
        VERBS["compare"],
        word="RUN",
        meaning="the beginning of a fingerprint, an id in MLflow, or the key=value that made the "
        "run; the first is what others are held against; with none, all finished runs under home",
    )
    made.usage = "llamaduo compare [RUN ...] [key=value ...] [-m] [--all] [--out DIR]"
    made.add_argument(
        "-m", "--multirun", action="store_true", help="the key=value are those of a sweep"
    )
    made.add_argument("--all", action="store_true", help="show the baselines of each run too")
    made.add_argument(
        "--out", metavar="DIR", help="write there, and not to .llamaduo/compare under home"
    )
    return made


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
    only_place = all(map(named.is_of_place, overrides))
    return Path(exp.home), [] if only_place else [exp]
