"""Files beside the store that go with a row: they hold it, or are weights that remember it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from llamaduo import forgotten, runs
from llamaduo.component import file_sha256
from llamaduo.keeping.captured import files_in
from llamaduo.keeping.sources import Sources
from llamaduo.keeping.units import GOING, files
from llamaduo.tracker.forgetting import WEIGHTS

NOT_LOOSE = frozenset({"store", GOING, forgotten.FILE})
"""What stands under `.llamaduo` and is dealt with by itself; so is the ledger."""
VERSIONS = "versions"
"""Folder of what was brought from a tracking server (promotion/held.py): each folder in it is
whole, or is brought anew."""


@dataclass(frozen=True)
class Loose:
    """What goes."""

    files: tuple[Path, ...]
    folders: tuple[Path, ...]
    """Whole ones: a version of which a file is missing would pass for one."""


def loose(home: Path, by: Sources, contents: set[str], hashes: set[str]) -> Loose:
    """Find what goes, under `.llamaduo` and, of weights, anywhere under home.

    Args:
        contents: digests of the results that go.
        hashes: sha256 of their files.
    """
    private = home / ".llamaduo"
    found = list(_private(private, by, contents, hashes))
    weights = {file_sha256(path) for path in found if path.suffix in WEIGHTS} | hashes
    found += _yours(home, contents, weights)
    brought = private / VERSIONS
    folders = {
        brought / path.relative_to(brought).parts[0]
        for path in found
        if path.is_relative_to(brought)
    }
    left = [path for path in found if not path.is_relative_to(brought)]
    return Loose(tuple(left), tuple(sorted(folders)))


def _private(private: Path, by: Sources, contents: set[str], hashes: set[str]) -> Iterator[Path]:
    of_runs = {name: by.of(name) for name in by.foreign}
    captured = set(files_in(private))
    for top in sorted(private.iterdir()) if private.is_dir() else ():
        if top.name in NOT_LOOSE or top.name.startswith("ledger."):
            continue
        for path in files(top):
            run = [*path.relative_to(private).parts, ""][1]
            needles = of_runs.get(run, by.left)  # in folders of runs, and of their searches
            if path in captured:
                continue
            if path.suffix in WEIGHTS:
                if _remembers(path, contents, hashes):
                    yield path
            elif needles.in_file(path) or (path.name == runs.RESULT and _mentions(path, contents)):
                yield path


def _yours(home: Path, contents: set[str], hashes: set[str]) -> Iterator[Path]:
    """Yield weights elsewhere under home, as `serve --render` and hands put them there."""
    if not hashes:
        return
    for top in sorted(home.iterdir()) if home.is_dir() else ():
        if top.name not in (".llamaduo", "mlruns"):
            for path in files(top):
                if path.suffix in WEIGHTS and _remembers(path, contents, hashes):
                    yield path


def _remembers(path: Path, contents: set[str], hashes: set[str]) -> bool:
    """Whether weights are those of a result that goes, or were made of them."""
    if path.is_symlink() or not path.is_file():
        return False
    beside: Sequence[Path] = list(path.parent.glob("*.json"))
    return any(_mentions(one, contents) for one in beside) or file_sha256(path) in hashes


def _mentions(path: Path, contents: set[str]) -> bool:
    text = path.read_text(encoding="utf-8", errors="replace")
    return any(content in text for content in contents)
