"""Deduplication: which fresh rows are kept, and why the others are not."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

from llamaduo.records import Example, Sifted


@runtime_checkable
class Dedup(Protocol):
    """Drops rows that say again what is there, or what a sealed row says."""

    def key(self) -> dict[str, Any]:
        """Return what makes its choice."""
        ...

    def sift(
        self,
        fresh: Sequence[Example],
        *,
        train: Sequence[Example],
        dev: Sequence[Example],
        test: Sequence[Example],
        why_not: Callable[[Example], str],
    ) -> Iterator[Sifted]:
        """Give every fresh row back, in order, kept or dropped with the reason.

        Args:
            why_not: says why a row is no row at all (an empty answer), or "".
        """
        ...
