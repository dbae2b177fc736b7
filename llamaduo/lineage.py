"""What a result was made from: what its own bytes say, and what they do not."""

from collections.abc import Sequence
from dataclasses import dataclass

from llamaduo.component import digest
from llamaduo.records import Example


@dataclass(frozen=True)
class Lineage:
    """What a result was made from that its bytes do not show; to forget a row goes by it."""

    of: tuple[str, ...] = ()
    """Content digests of earlier results."""
    rows: tuple[str, ...] = ()
    """Ids of rows."""


BYTES_SAY = Lineage()
"""Of a result that shows by itself all that it was made from."""


def contents(rows: Sequence[Example]) -> str:
    """Name rows by all that they hold, and their order: what a stage that sees no others is of."""
    return digest([row.model_dump(mode="json") for row in rows])


def ids(rows: Sequence[Example]) -> tuple[str, ...]:
    """Return the rows' ids."""
    return tuple(row.id for row in rows)
