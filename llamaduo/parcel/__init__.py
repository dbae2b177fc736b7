"""A run in a folder, for another machine to go on with: what it made, paid and is told.

    manifest.json    written last: what the folder is, and the sha256 of every other file
    files/           the working folder's own conf/ and experiments/, and the data they name
    store/           every complete result that the run rests on
    ledger.jsonl     the paid calls of these results and of this run, with their replies
    openings.jsonl   who has looked at the run's test

Not in it: keys, base models, code, and checkpoints of a tuning under way, which are pickles:
to load one from elsewhere is to run what stands in it.
"""

import re
from pathlib import PurePosixPath

from llamaduo.errors import LlamaDuoError
from llamaduo.records import Record

SCHEMA = 2
"""Number of the folder's shape; a later one is refused."""

MANIFEST, CALLS, LOOKS = "manifest.json", "ledger.jsonl", "openings.jsonl"

OURS = frozenset({".json", ".jsonl", ".safetensors", ".jinja", ".txt", ".md", ".model"})
"""Ends of the names a result's files may have: texts, tokenizers, and weights that hold no code."""

DATA = OURS | {".csv", ".tsv", ".yaml", ".yml"}
"""Ends of the names a data file may have: nothing that is ever imported or run."""

_RESULT = re.compile(r"store/[a-z_]+/[0-9a-f]{16}/(manifest\.json|out/.+)")


class Manifest(Record):
    """What a parcel says of itself."""

    number: int
    """Of the shape: `SCHEMA` where it was packed."""
    version: str
    """Of llamaduo there."""
    fingerprint: str
    overrides: tuple[str, ...]
    """What makes the run in a folder where `files/` stand; no `home`, no `trusted`."""
    trusted: tuple[str, ...]
    """Packages the run trusts; who unpacks has to say so too."""
    due: str
    """Recipe of the first result that is not there; empty for a finished run."""
    files: dict[str, str]
    """Path in the parcel to sha256."""


def refuse_name(name: str) -> None:
    """Raise unless a file may stand in a parcel under `name`.

    Raises:
        LlamaDuoError: for a path that leads elsewhere, and for a kind that can hold code.
    """
    path = PurePosixPath(name)
    if "\\" in name or not name.isprintable() or path.as_posix() != name or path.is_absolute():
        raise LlamaDuoError(f"{name!r}: no plain path")
    if any(part.startswith(".") for part in path.parts):
        raise LlamaDuoError(f"{name}: leads out of its folder, or is hidden")
    if name in (CALLS, LOOKS):
        return
    ends = DATA if path.parts[0] == "files" and len(path.parts) > 1 else OURS
    if ends is OURS and not _RESULT.fullmatch(name):
        raise LlamaDuoError(f"{name}: no file that a parcel has")
    if path.suffix not in ends:
        raise LlamaDuoError(
            f"{name}: no file of this kind is carried, since some can run code; "
            f"carried are {', '.join(sorted(ends))}"
        )
