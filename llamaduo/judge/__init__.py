"""The judge: reads answers and gives each a judgement."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

from llamaduo.progress import Progress
from llamaduo.records import Answer, Judgement
from llamaduo.service import Caller, Service

Ends = tuple[int, int, int]
"""Prompts that are covered for sure, those that may be, and all."""


@dataclass(frozen=True)
class Stop:
    """When more repeats are of no use: they could not change what the figures allow to say."""

    similarity: float
    """Threshold of a covered prompt."""
    precision: float
    same: Callable[[Sequence[Ends]], bool]
    """Given the ends of all prompts, and then those of each category where there are two or
    more: whether every verdict is the same at both ends."""


@runtime_checkable
class Judge(Protocol):
    """How answers are judged, and by which services."""

    @property
    def name(self) -> str:
        """What reports call it."""
        ...

    @property
    def services(self) -> Mapping[str, Service]:
        """The services that judge, by the name their marks carry: one, or a panel's."""
        ...

    @property
    def on(self) -> Literal["dev", "test"]:
        """The part of the split that steers the loop."""
        ...

    @property
    def early_stop(self) -> bool:
        """Whether repeats may end before the last, where more would change nothing."""
        ...

    @property
    def audit(self) -> int:
        """Test prompts on which the judge itself is questioned; 0: it is not."""
        ...

    @property
    def human(self) -> Path | None:
        """A file of answers that a person scored, to hold the judge against."""
        ...

    def key(self) -> dict[str, Any]:
        """Return what makes its judgements, its services among it."""
        ...

    def with_repeats(self, repeats: int) -> "Judge":
        """Return the same judge, asking each service so often for an answer at most."""
        ...

    def grade(
        self,
        answers: Sequence[Answer],
        callers: Mapping[str, Caller],
        *,
        stop: Stop | None,
        progress: Progress,
    ) -> Iterator[Judgement]:
        """Judge `answers`, in order.

        Args:
            callers: by the names of `services`.
            stop: None has every answer judged as often as the next.
        """
        ...
