"""A registered version with its files at hand: for who serves it, or holds a served copy to it."""

from dataclasses import dataclass
from pathlib import Path

from llamaduo.errors import LlamaDuoError
from llamaduo.promotion.references import Reference
from llamaduo.promotion.served import FILE, WEIGHTS, Served
from llamaduo.promotion.version import REFERENCES
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
        with (folder / REFERENCES).open(encoding="utf-8", newline="\n") as lines:
            references = tuple(Reference.model_validate_json(line) for line in lines)
    except (OSError, ValueError) as error:
        words = " ".join(str(error).split())[:300]
        raise LlamaDuoError(
            f"{version.name} version {version.number}: its files at {folder} cannot be read: "
            f"{words}"
        ) from None
    return Held(version, folder, served, references)
