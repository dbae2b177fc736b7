"""Answers that registered versions keep: a forgotten row's line goes, the others stay.

A served copy is held against them, so that a champion without any could not be checked.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FILE = "references.jsonl"
SHA256 = {FILE: "llamaduo.references_sha256", "base.jsonl": "llamaduo.base_sha256"}
"""The files, each with the tag of a version that has its digest: answers of the model, and of
its base."""
CARD = "card.md"


@dataclass(frozen=True)
class Lined:
    """A file of references that goes on without some of its lines."""

    path: Path
    stays: bytes
    """What it is to hold."""
    gone: int
    """Lines that go."""


def lined(paths: Sequence[Path], in_text: Callable[[str], bool]) -> Iterator[Lined]:
    """Yield those of `paths` that are references and keep a line."""
    for path in paths:
        if path.name not in SHA256 or "promoted" not in path.parts:
            continue
        lines = path.read_bytes().splitlines(keepends=True)
        stay = [line for line in lines if not in_text(line.decode("utf-8", "replace"))]
        if 0 < len(stay) < len(lines):
            yield Lined(path, b"".join(stay), len(lines) - len(stay))


def say(db: Any, one: Lined) -> None:
    """Have the tags and descriptions of versions tell of the file as it will be.

    Before the file is written: killed between the two, the same is found and done again.
    """
    was, now = (hashlib.sha256(said).hexdigest() for said in (one.path.read_bytes(), one.stays))
    db.execute(
        "update model_version_tags set value = ? where key = ? and value = ?",
        (now, SHA256[one.path.name], was),
    )
    if one.path.name != FILE:  # the card counts the others
        return
    for run in one.path.parts:
        db.execute(
            "update model_versions set description = replace(description, ?, ?) where run_id = ?",
            (*_counts(one), run),
        )


def write(one: Lined) -> None:
    """Write a file of references, and its card, as they will be."""
    card = one.path.parent / CARD
    if card.is_file() and one.path.name == FILE:
        card.write_text(card.read_text(encoding="utf-8").replace(*_counts(one)), encoding="utf-8")
    draft = one.path.with_name(f"{one.path.name}.new")
    draft.write_bytes(one.stays)
    draft.replace(one.path)


def _counts(one: Lined) -> tuple[str, str]:
    """Return what a card says of how many there are, before and after."""
    stay = one.stays.count(b"\n")
    words = "answers to the {} test prompts"
    return words.format(stay + one.gone), words.format(stay)
