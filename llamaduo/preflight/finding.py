"""What a check says: one line, and how much it matters."""

from typing import Literal, NamedTuple

Level = Literal["ok", "look", "MISSING"]
"""`MISSING` makes a run impossible; `look` is worth a look before it starts."""


class Finding(NamedTuple):
    """One line."""

    level: Level
    line: str


def ok(line: str) -> Finding:
    """Say what is in order."""
    return Finding("ok", line)


def look(line: str) -> Finding:
    """Say what may go wrong, and what would help."""
    return Finding("look", line)


def missing(line: str) -> Finding:
    """Say what makes a run impossible, and the fix."""
    return Finding("MISSING", line)
