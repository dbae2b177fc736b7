"""The answers that a judge is shown to question it, and how they are told apart again."""

from enum import StrEnum


class Kind(StrEnum):
    """What a probe shows; its id is that of the test prompt, `~` and the kind."""

    SWAP = "swap"
    """The reference as the candidate, held against the model's answer as the reference."""
    SAME = "same"
    """The reference, held against itself."""
    OTHER = "other"
    """Another prompt's reference as the candidate: a wrong answer."""
    BACK = "back"
    """The reference as the candidate, held against that wrong answer as the reference."""


def probe_id(row: str, kind: Kind) -> str:
    """Name the probe of `kind` on the test prompt `row`."""
    return f"{row}~{kind}"


def taken_apart(name: str) -> tuple[str, Kind]:
    """Return the test prompt and the kind behind a probe's id.

    Raises:
        ValueError: if `name` is no probe's.
    """
    row, _, kind = name.rpartition("~")
    return row, Kind(kind)
