"""What the store holds, one unit each, and what was made from what. Nothing is hashed."""

import fcntl
import json
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from llamaduo.errors import LlamaDuoError
from llamaduo.store import BEGUN

DOWNSTREAM_FIRST = (
    "audit",
    "judgements",
    "answers",
    "asked",
    "adapter",
    "train",
    "sifted",
    "synthetic",
    "split",
)
"""The order in which results go: what was made from another goes before it. A stage that is
not named here goes before all."""

SHOW_THEIR_ROWS = frozenset({"train", "sifted", "synthetic", "split"})
"""Stages whose bytes name all rows that they were made from."""

GOING = "going"
"""Folder beside the store: what is moved there is gone, and removed when there is time."""


@dataclass(frozen=True)
class Unit:
    """A result, one that was begun, or one that was set aside as damaged."""

    place: Path
    """`<store>/<stage>/<digest>`; of a damaged one the folder in it."""
    recipe: str
    """`<stage>/<digest>`."""
    kind: Literal["result", "begun", "damaged"]
    content: str
    """Digest of its bytes; empty where it has none yet."""
    of: tuple[str, ...] | None
    """Content digests of what it was made from. None: an older version made it, nobody knows."""
    rows: tuple[str, ...]
    """Ids of rows that it was made from and does not show."""
    by: str
    """Fingerprint of the run that made it; empty where nobody knows."""
    finished: float
    """When it was complete, in seconds of the epoch; of one that is not, now."""

    @property
    def stage(self) -> str:
        """Its stage."""
        return self.recipe.partition("/")[0]

    @property
    def paths(self) -> list[Path]:
        """What there is of it on disk."""
        if self.kind == "damaged":
            return [self.place]
        names = ("out", "manifest.json") if self.kind == "result" else ("draft", "work", BEGUN)
        return [path for name in names if (path := self.place / name).exists()]

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(map(size, self.paths))

    def files(self) -> Iterator[Path]:
        """Yield its files."""
        for path in self.paths:
            yield from files(path)


def units(root: Path) -> list[Unit]:
    """Return all that the store under `root` holds."""
    return [unit for place in sorted(root.glob("*/*")) if place.is_dir() for unit in _of(place)]


def _of(place: Path) -> Iterator[Unit]:
    recipe = f"{place.parent.name}/{place.name}"
    if (place / "manifest.json").exists() or (place / "out").exists():
        yield _unit(place, recipe, "result", manifest(place))
    if (place / "draft").exists() or (place / "work").exists():
        yield _unit(place, recipe, "begun", _json(place / BEGUN))
    for aside in sorted(place.glob("damaged-*")):
        yield _unit(aside, recipe, "damaged", manifest(aside))


def _unit(
    place: Path, recipe: str, kind: Literal["result", "begun", "damaged"], said: dict[str, Any]
) -> Unit:
    return Unit(
        place=place,
        recipe=recipe,
        kind=kind,
        content=str(said.get("content", "")),
        of=tuple(said["from"]) if "from" in said else None,
        rows=tuple(said.get("rows", ())),
        by=str(said.get("by", "")),
        finished=float(said.get("finished", time.time())),
    )


def manifest(place: Path) -> dict[str, Any]:
    """Return what a result's manifest says, its bytes taken on trust; empty if it is no more."""
    return _json(place / "manifest.json")


def _json(path: Path) -> dict[str, Any]:
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return said if isinstance(said, dict) else {}


def descended(all_: Sequence[Unit], first: Callable[[Unit], bool]) -> list[Unit]:
    """Return the units for which `first` holds, and all that was made from them.

    One of an older version does not say what it was made from: it counts as made from all that
    was finished before it, unless its bytes show its rows.
    """
    found = {unit.place: unit for unit in all_ if first(unit)}
    earliest = min((unit.finished for unit in found.values()), default=0.0)
    for unit in all_:
        unknown = unit.of is None and unit.stage not in SHOW_THEIR_ROWS
        if found and unknown and unit.finished >= earliest:
            found[unit.place] = unit
    grown = True
    while grown:
        contents = {unit.content for unit in found.values()} - {""}
        more = {u.place: u for u in all_ if u.place not in found and contents & set(u.of or ())}
        grown = bool(more)
        found |= more
    return in_order(found.values())


def in_order(some: Iterable[Unit]) -> list[Unit]:
    """Return units in the order in which they may go."""
    place = {stage: at for at, stage in enumerate(DOWNSTREAM_FIRST)}
    return sorted(some, key=lambda unit: (place.get(unit.stage, -1), unit.recipe, unit.kind))


def being_made(place: Path) -> bool:
    """Whether a process makes the result whose folder is `place` now."""
    with _free(place) as free:
        return not free


@contextmanager
def _free(place: Path) -> Iterator[bool]:
    """Keep others from making the result of a folder, if nobody does; yields whether."""
    try:
        file = (place / "lock").open("r+")
    except FileNotFoundError:
        yield True
        return
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def put_away(unit: Unit, home: Path) -> bool:
    """Remove a unit, in steps none of which leaves a part that passes for a whole.

    Args:
        home: the folder `.llamaduo`.

    Returns:
        Whether it went; one that a process makes now stays.
    """
    with _free(unit.place if unit.kind != "damaged" else unit.place.parent) as free:
        if free:
            _put_away(unit, home)
    return free


def _put_away(unit: Unit, home: Path) -> None:
    going = home / GOING / f"{time.time_ns():x}"
    going.mkdir(parents=True)
    if unit.kind == "begun":
        for path in unit.paths:  # a draft is no result, however little of it is left
            path.rename(going / path.name)
    elif unit.kind == "damaged":
        unit.place.rename(going / unit.place.name)
    else:  # with all that lies beside it, in one step: `out` without its manifest would be taken up
        aside = list(unit.place.glob("damaged-*"))
        unit.place.rename(going / unit.place.name)
        for path in aside:  # those go by themselves, or stay
            unit.place.mkdir(exist_ok=True)
            (going / unit.place.name / path.name).rename(path)
    shutil.rmtree(going)
    if unit.kind != "result" and unit.place.parent.exists():
        _tidy(unit.place if unit.kind == "begun" else unit.place.parent)


def put_folder_away(folder: Path, home: Path) -> None:
    """Remove a folder that passes for a whole until it is gone, in one step.

    Args:
        home: the folder `.llamaduo`.
    """
    going = home / GOING / f"{time.time_ns():x}"
    going.mkdir(parents=True)
    if folder.exists():
        folder.rename(going / folder.name)
    shutil.rmtree(going)


def _tidy(place: Path) -> None:
    """Remove the folder of a recipe of which nothing but its lock is left."""
    if place.is_dir() and {path.name for path in place.iterdir()} <= {"lock"}:
        shutil.rmtree(place)


def clear(home: Path) -> None:
    """Remove what a killed process had put away and not removed.

    Raises:
        LlamaDuoError: if something of it cannot be removed.
    """
    going = home / GOING
    shutil.rmtree(going, ignore_errors=True)
    if left := [path for path in files(going) if path.exists()]:
        raise LlamaDuoError(
            f"{left[0]} was put away to be removed, and cannot be ({len(left)} files): remove "
            f"{going} by hand, and give the same command again"
        )


def files(path: Path) -> Iterator[Path]:
    """Yield the files at and below `path`; links are not followed."""
    if path.is_symlink() or path.is_file():
        yield path
    elif path.is_dir():
        for below in sorted(path.iterdir()):
            yield from files(below)


def size(path: Path) -> int:
    """Return the bytes of a file, or of all files below a folder."""
    try:
        if not path.is_dir() or path.is_symlink():
            return path.lstat().st_size
        with os.scandir(path) as entries:
            return sum(size(Path(entry.path)) for entry in entries)
    except FileNotFoundError:  # gone meanwhile
        return 0


def in_words(number: float) -> str:
    """Return a size for people."""
    for unit in ("B", "kB", "MB", "GB"):
        if number < 999.5 or unit == "GB":
            break
        number /= 1000
    return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
