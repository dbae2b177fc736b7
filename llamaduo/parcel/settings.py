"""What a run is told: its overrides, the working folder's own YAML, and the data they name."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from llamaduo.component import KNOWN_BY, SHIPPED, Component, digest
from llamaduo.errors import LlamaDuoError, UsageError
from llamaduo.experiment import Experiment
from llamaduo.options import EXPERIMENTS, PACKAGE, folders, shipped
from llamaduo.parcel import refuse_name

_BARRED = {"hydra", "trusted"}
"""What could have code run; only who types the command sets it."""


@dataclass(frozen=True)
class Settings:
    """What makes the same run in another folder."""

    overrides: tuple[str, ...]
    files: dict[str, Path]
    """Place in the working folder there, to the file here."""


def settings(exp: Experiment, values: Mapping[str, Any], words: Sequence[str]) -> Settings:
    """Return the overrides and files with which another folder makes the same run.

    A data file that is named by a path from the working folder stands at that path there
    too. Any other goes to `packed/`, and an override names it.

    Args:
        values: what `words` compose to, as plain data.
        words: the overrides as typed.

    Raises:
        UsageError: for a file that cannot be carried.
    """
    files = dict(own_yaml())
    moved: dict[str, str] = {}
    for where, path in data_files(exp):
        said = _value(values, where)
        if str(said).startswith(SHIPPED) or (said is None and path.is_relative_to(PACKAGE)):
            continue
        place = _from_here(said)
        if place is None:
            name = re.sub("[^A-Za-z0-9._-]+", "-", path.name).lstrip(".-")
            place = f"packed/{digest(path)[:8]}-{name}"
            if re.search(r"\.\d+(\.|$)", where):
                raise UsageError(f"{where}: give the path from the working folder, not {path}")
            moved[where] = place
        for name, file in _files(place, path):
            try:
                refuse_name(f"files/{name}")
            except LlamaDuoError as error:
                raise UsageError(f"{where}: {error}") from None
            files[name] = file
    kept = [word for word in words if _key(word) not in {*moved, "home"} and not _barred(word)]
    kept += [f"{where}={place}" for where, place in moved.items()]
    return Settings(tuple(kept), files)


def _files(place: str, path: Path) -> Iterator[tuple[str, Path]]:
    """Yield a file, or those that a folder is known by, as an adapter one begins from is."""
    if path.is_file():
        yield place, path
    for name in KNOWN_BY:
        if (path / name).is_file():
            yield f"{place}/{name}", path / name


def own_yaml() -> Iterator[tuple[str, Path]]:
    """Yield the options and experiments of the working folder that are not ours."""
    for folder in ("conf", EXPERIMENTS):
        for root in folders(folder):
            if root.resolve() == shipped(folder).resolve():
                continue
            for path in sorted(root.rglob("*.yaml")):
                yield f"{folder}/{path.relative_to(root).as_posix()}", path


def data_files(part: object, where: str = "") -> Iterator[tuple[str, Path]]:
    """Yield the files and folders that a part of the config names, by dotted key."""
    if isinstance(part, Path):
        yield where, part
    below: Iterator[tuple[Any, Any]] = iter(())
    if isinstance(part, Component):
        below = ((key, value) for key, value in part if (where, key) != ("", "home"))
    elif isinstance(part, Mapping):
        below = iter(part.items())
    elif isinstance(part, list | tuple):
        below = iter(enumerate(part))
    for key, value in below:
        yield from data_files(value, f"{where}.{key}".lstrip("."))


def refuse_word(word: str) -> None:
    """Raise for an override that nobody may give but who types the command.

    Raises:
        LlamaDuoError: naming it.
    """
    if word.startswith("-") or not word.isprintable() or _key(word) == "home" or _barred(word):
        raise LlamaDuoError(f"the overrides hold {word!r}, which only the command line may")


def _barred(word: str) -> bool:
    return bool(_BARRED & set(re.split(r"[.@:/]", word.lstrip("+~").partition("=")[0])))


def _key(word: str) -> str:
    return word.lstrip("+~").partition("=")[0]


def _value(values: Any, where: str) -> Any:
    """Return what stands at a dotted key; None where nothing does."""
    for step in where.split("."):
        if isinstance(values, list):
            values = values[int(step)]
        else:
            values = values.get(step) if isinstance(values, Mapping) else None
    return values


def _from_here(value: Any) -> str | None:
    """Return a path from the working folder in its plainest form; None for any other path."""
    if not isinstance(value, str) or value.startswith("~"):
        return None
    path = PurePosixPath(value)
    if path.is_absolute() or any(part.startswith(".") for part in path.parts):
        return None
    return path.as_posix()
