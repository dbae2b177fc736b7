"""The judge: reads answers and gives each a judgement."""

from collections.abc import Iterator, Sequence
from typing import Any, Literal, Protocol, runtime_checkable

from llamaduo.progress import Progress
from llamaduo.records import Answer, Judgement
from llamaduo.service import Caller, Service


@runtime_checkable
class Judge(Protocol):
    """How answers are judged, and by which service."""

    @property
    def service(self) -> Service:
        """The service that judges."""
        ...

    @property
    def on(self) -> Literal["dev", "test"]:
        """The part of the split that steers the loop."""
        ...

    def key(self) -> dict[str, Any]:
        """Return what makes its judgements, its service among it."""
        ...

    def grade(
        self, answers: Sequence[Answer], caller: Caller, *, progress: Progress
    ) -> Iterator[Judgement]:
        """Judge `answers`, in order."""
        ...
