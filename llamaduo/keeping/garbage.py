"""What no run needs any more: listed, and removed."""

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from llamaduo.errors import LlamaDuoError
from llamaduo.keeping.runs_here import Build, changed, runs_here
from llamaduo.keeping.units import Unit, being_made, clear, files, in_order, put_away, size, units

SERVED = "served"
"""Folder of merged weights below `.llamaduo`."""
A_DAY = 24 * 3600.0
"""Seconds without a change after which a folder that launchers write to is old."""


@dataclass(frozen=True)
class Garbage:
    """What would go."""

    home: Path
    units: tuple[Unit, ...]
    folders: tuple[Path, ...]
    """Old ones of sweeps and of Hydra, merged weights, and those of runs that are given up."""
    in_the_making: int
    """Results that a process makes now; they stay."""
    damaged: int
    """Damaged ones that were set aside, and stay since nobody said otherwise."""
    mark: tuple[tuple[str, int], ...]
    """Of the runs that were walked."""

    @property
    def size(self) -> int:
        """Bytes that would be free."""
        return sum(unit.size for unit in self.units) + sum(map(size, self.folders))


def garbage(
    home: Path, build: Build, *, damaged: bool = False, given_up: Sequence[Path] = ()
) -> Garbage:
    """Find what no run under `home` needs. Nothing is removed.

    Args:
        build: makes a run's experiment again.
        damaged: whether results that were set aside as damaged go too.
        given_up: folders of runs that nobody goes on with.

    Raises:
        LlamaDuoError: naming each run of which cannot be known what it needs.
    """
    mark = changed(home)
    here = runs_here(home, build, given_up)
    unknown = [run for run in here if run.why]
    if unknown:
        said = [f"{run.why}\n    or give it up: --forget-run {run.name}" for run in unknown]
        raise LlamaDuoError(
            "\n  ".join(
                [
                    f"what {len(unknown)} of {len(here)} runs need cannot be known, so nothing "
                    "goes. Give the command again that made each, or put back what it names:",
                    *said,
                ]
            )
        )
    private = home / ".llamaduo"
    needed = {recipe for run in here for recipe in run.needs.recipes}
    unfinished = {run.name for run in here if not run.needs.finished}
    go, busy, aside = [], 0, 0
    for unit in units(private / "store"):
        if unit.kind == "damaged" and not damaged:
            aside += 1
        elif unit.kind == "damaged":
            go.append(unit)
        elif unit.recipe in needed or unit.by in unfinished:
            continue
        elif being_made(unit.place):
            busy += 1
        else:
            go.append(unit)
    folders = (*_old(private), *_merged(private), *given_up)
    return Garbage(home, tuple(in_order(go)), folders, busy, aside, mark)


def _old(private: Path) -> list[Path]:
    """Return folders that launchers wrote to, and that nothing has changed for a day."""
    places = [*(private / "sweeps").glob("*"), private / "hydra"]
    return sorted(
        place for place in places if place.is_dir() and time.time() - _newest(place) > A_DAY
    )


def _merged(private: Path) -> list[Path]:
    """Return the merged weights, which the next `serve` makes anew (deploy/merged.py)."""
    return sorted(place for place in (private / SERVED).glob("*") if place.is_dir())


def _newest(place: Path) -> float:
    return max(path.lstat().st_mtime for path in (place, *files(place)))


def remove(found: Garbage) -> int:
    """Remove what was found; returns bytes that are free now.

    Raises:
        LlamaDuoError: if a run is started meanwhile, which may need some of it.
    """
    private, free = found.home / ".llamaduo", 0
    clear(private)
    for unit in found.units:
        if changed(found.home) != found.mark:
            raise LlamaDuoError(
                "a run was started meanwhile, and may need what is left of the list: nothing more "
                "was removed. The same command looks anew"
            )
        bytes_ = unit.size
        free += bytes_ if put_away(unit, private) else 0
    for folder in found.folders:
        free += size(folder)
        shutil.rmtree(folder)
    return free
