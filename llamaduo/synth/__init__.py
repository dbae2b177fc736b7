"""Synthesis: new rows in the likeness of old ones, written by the service LLM."""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

from llamaduo.progress import Progress
from llamaduo.records import Example
from llamaduo.service import Caller


@runtime_checkable
class Synth(Protocol):
    """How new rows are asked for."""

    def key(self) -> dict[str, Any]:
        """Return what makes its rows."""
        ...

    def write(
        self,
        seeds: Sequence[Example],
        caller: Caller,
        *,
        topic: str,
        number: int,
        seed: int,
        done: Sequence[Example],
        progress: Progress,
    ) -> Iterator[Example]:
        """Write fresh rows like `seeds`.

        Args:
            seeds: coverage rows of the train part; never a row of dev or test.
            topic: what the rows are about, where the config does not say.
            number: of the round, from 0; each round asks anew.
            done: rows a killed process had written; they are not given again.
        """
        ...
