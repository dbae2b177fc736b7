"""Unpacking: everything is checked, then put in place; what is there already stays."""

import json
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from llamaduo import running
from llamaduo.component import file_sha256
from llamaduo.errors import ConfigError, LlamaDuoError, UsageError
from llamaduo.experiment import Experiment
from llamaduo.home import refuse_network_home, writable
from llamaduo.hosts import ledger_of, not_for_many_hosts
from llamaduo.openings import Look, add
from llamaduo.options import EXPERIMENTS
from llamaduo.parcel import CALLS, LOOKS, Manifest
from llamaduo.parcel.calls import Call, Taken, take
from llamaduo.parcel.settings import data_files, refuse_word
from llamaduo.records import Record
from llamaduo.runs import TYPED
from llamaduo.store import Store

R = TypeVar("R", bound=Record)

Compose = Callable[[list[str]], Experiment]
"""Makes an experiment of overrides, in the working folder as it is."""


@dataclass(frozen=True)
class Unpacked:
    """What came out of a parcel."""

    manifest: Manifest
    words: tuple[str, ...]
    """The overrides that make the run here."""
    home: Path
    settings: int
    """Files of `conf/`, `experiments/` and data that were put in place."""
    results: int
    there: int
    """Results that were here already."""
    other: tuple[str, ...]
    """Recipes of those whose content is not the parcel's; the one that was here stays."""
    calls: Taken
    looks: int
    """Looks at the test that were not on record here."""


def unpack(parcel: Path, manifest: Manifest, own: Sequence[str], compose: Compose) -> Unpacked:
    """Put a checked parcel in place.

    Args:
        parcel: its folder, each file of which is as the manifest says.
        own: overrides of whoever unpacks: `home`, `trusted`.
        compose: makes an experiment of overrides.

    Raises:
        UsageError: if a file here stands in the way, or packages are not trusted.
        LlamaDuoError: if the run cannot be made here, or is another here.
    """
    for word in manifest.overrides:
        refuse_word(word)
    missing = set(manifest.trusted) - _trusted(own)
    if missing:
        names = ",".join(sorted(manifest.trusted))
        raise UsageError(
            f"the run has {names} imported, which is not in the parcel: install it here, and if "
            f"you trust it, add 'trusted=[{names}]'"
        )
    brought = _lines(parcel / CALLS, Call)
    looks = _lines(parcel / LOOKS, Look)
    with _settings(parcel, manifest, own, compose) as (exp, words, placed):
        refuse_network_home(Path(exp.home), not_for_many_hosts(exp))
        private = writable(Path(exp.home) / ".llamaduo", "home")
        with (
            running.beside(private, f"unpack {manifest.fingerprint}"),
            closing(ledger_of(exp)) as ledger,
        ):
            store = Store(private / "store", hold=ledger.held)
            new, there, other = _results(parcel / "store", store)
            ledger.free_the_dead()
            taken = take(ledger, brought)
            known = len(add(private / "openings", [], ledger.held))
            fresh = len(add(private / "openings", looks, ledger.held)) - known
    return Unpacked(manifest, tuple(words), Path(exp.home), placed, new, there, other, taken, fresh)


@contextmanager
def _settings(
    parcel: Path, manifest: Manifest, own: Sequence[str], compose: Compose
) -> Iterator[tuple[Experiment, list[str], int]]:
    """Yield the run's experiment, what is typed for it here, and how many files were put here.

    Where the run can be made here already, no file is put in place: what was edited here
    since, and changes nothing, stays as it is. What was put here goes again on an error.
    """
    words = [*manifest.overrides, *own]
    exp = _same_run(manifest, words, compose)
    if exp is None and (typed := _typed_here(manifest, own)):
        words = typed
        exp = _same_run(manifest, words, compose)
    if exp is not None:
        yield exp, words, 0
        return
    placed = _place(parcel / "files", manifest)
    try:
        exp = compose(words)
        if exp.fingerprint() != manifest.fingerprint:
            raise LlamaDuoError(
                f"run {manifest.fingerprint} is {exp.fingerprint()} here: it was packed by "
                f"llamaduo {manifest.version}, or this folder's conf/ or experiments/ change it. "
                "Nothing was unpacked; use the same version, in an empty folder"
            )
        _refuse_strangers(placed, exp)
        yield exp, words, len(placed)
    except BaseException:
        for path in placed:
            path.unlink(missing_ok=True)
        raise


def _refuse_strangers(placed: Sequence[Path], exp: Experiment) -> None:
    """Raise for a file that is neither an option, nor an experiment, nor data of the run.

    Raises:
        LlamaDuoError: naming it.
    """
    here = Path.cwd().resolve()
    named = {path.resolve() for _, path in data_files(exp)}
    for path in placed:
        top = path.relative_to(here).parts[0]
        yaml = path.suffix == ".yaml" and top in ("conf", EXPERIMENTS)
        if not yaml and named.isdisjoint({path.resolve(), path.resolve().parent}):
            raise LlamaDuoError(
                f"{path.relative_to(here).as_posix()}: nothing of the run names it; nothing was "
                "unpacked"
            )


def _same_run(manifest: Manifest, words: list[str], compose: Compose) -> Experiment | None:
    """Return the experiment of `words` if it is the parcel's run."""
    try:
        exp = compose(words)
    except ConfigError:
        return None
    return exp if exp.fingerprint() == manifest.fingerprint else None


def _typed_here(manifest: Manifest, own: Sequence[str]) -> list[str]:
    """Return what was typed here when the run was last packed here; empty if it was not."""
    homes = [word.partition("=")[2] for word in own if word.startswith("home=")]
    home = Path(homes[-1] if homes else ".").expanduser()
    path = home / ".llamaduo" / "runs" / manifest.fingerprint / TYPED
    if not path.exists():
        return []
    return [str(word) for word in json.loads(path.read_text(encoding="utf-8"))]


def _trusted(own: Sequence[str]) -> set[str]:
    said = [word.partition("=")[2] for word in own if word.startswith("trusted=")]
    return {name for value in said for name in re.findall(r"[A-Za-z0-9_.]+", value)}


def _place(files: Path, manifest: Manifest) -> list[Path]:
    """Put settings and data under the working folder; return those that were not there.

    Raises:
        UsageError: naming every file that stands here with other content.
    """
    here = Path.cwd().resolve()
    wanted = {
        here / name.removeprefix("files/"): (files.parent / name, sha)
        for name, sha in manifest.files.items()
        if name.startswith("files/")
    }
    in_the_way = [
        path.relative_to(here).as_posix()
        for path, (_, sha) in wanted.items()
        if (path.exists() and not (path.is_file() and file_sha256(path) == sha))
        or not path.resolve().is_relative_to(here)
    ]
    if in_the_way:
        raise UsageError(
            f"{', '.join(in_the_way)}: stands here with other content; nothing was unpacked. "
            "Unpack in an empty folder, or move it away"
        )
    placed: list[Path] = []
    try:
        for path, (source, _) in wanted.items():
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                placed.append(path)
                shutil.copyfile(source, path)
    except BaseException:
        for path in placed:
            path.unlink(missing_ok=True)
        raise
    return placed


def _results(folder: Path, store: Store) -> tuple[int, int, tuple[str, ...]]:
    """Put results in place; return how many were new and were there, and which differ."""
    new, there = 0, 0
    other = []
    for source in sorted(folder.glob("*/*")):
        recipe = source.relative_to(folder).as_posix()
        if store.take(recipe, source):
            new += 1
            continue
        there += 1
        if _content(store.root / recipe) != _content(source):
            other.append(recipe)
    return new, there, tuple(other)


def _content(result: Path) -> str:
    return str(json.loads((result / "manifest.json").read_bytes())["content"])


def _lines(path: Path, kind: type[R]) -> list[R]:
    """Read a file of rows, one a line.

    Raises:
        LlamaDuoError: for a line that is none.
    """
    with path.open(encoding="utf-8", newline="\n") as file:
        try:
            return [kind.model_validate_json(line) for line in file]
        except ValueError:
            raise LlamaDuoError(
                f"{path.name} cannot be read: it is of another version of llamaduo"
            ) from None
