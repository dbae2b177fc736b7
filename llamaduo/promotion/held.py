"""A registered version with its files at hand: for who serves it, or holds a served copy to it."""

from dataclasses import dataclass
from pathlib import Path

from llamaduo.errors import LlamaDuoError
from llamaduo.promotion.references import Reference
from llamaduo.promotion.served import FILE, WEIGHTS, Served
from llamaduo.promotion.version import BASE, LENGTHS, REFERENCES
from llamaduo.serving import Lengths
from llamaduo.tracker.registry import Registry, Version

CACHE = "versions"
"""Folder under `.llamaduo` for the files of versions that a server has."""


@dataclass(frozen=True)
class Held:
    """A version, and the folder its files are read from."""

    version: Version
    folder: Path
    """Of the artifacts that were registered; not to be written to."""
    served: Served
    references: tuple[Reference, ...]
    """Its greedy answers to the test prompts of its run."""
    base_answers: tuple[Reference, ...] | None = None
    """Those of its base without the adapter, the beginnings of them. None: a version of before
    they were kept."""
    lengths: Lengths | None = None
    """Of the prompts of its task. None: a version of before they were counted."""

    @property
    def weights(self) -> Path:
        """The adapter's folder, or that of the merged model."""
        return self.folder / "artifacts" / WEIGHTS


def hold(registry: Registry, version: Version, home: Path) -> Held:
    """Bring a version's files here, where they are not.

    Args:
        home: below it is kept what a server has.

    Raises:
        LlamaDuoError: if they are gone, or no version of llamaduo wrote them.
    """
    folder = registry.files(version, home / ".llamaduo" / CACHE)
    try:
        served = Served.model_validate_json((folder / "artifacts" / FILE).read_bytes())
        references = _references(folder / REFERENCES)
        base = _references(folder / BASE) if (folder / BASE).exists() else None
        counted = folder / LENGTHS
        lengths = Lengths.model_validate_json(counted.read_bytes()) if counted.exists() else None
    except (OSError, ValueError) as error:
        words = " ".join(str(error).split())[:300]
        raise LlamaDuoError(
            f"{version.name} version {version.number}: its files at {folder} cannot be read: "
            f"{words}"
        ) from None
    return Held(version, folder, served, references, base, lengths)


def _references(path: Path) -> tuple[Reference, ...]:
    with path.open(encoding="utf-8", newline="\n") as lines:
        return tuple(Reference.model_validate_json(line) for line in lines)
