"""The task: where its rows are, how they split, what can be checked without a judge."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from llamaduo.records import Example, Placed


@runtime_checkable
class Check(Protocol):
    """Something an answer passes or fails without anyone's judgement."""

    def key(self) -> dict[str, Any]:
        """Return what makes the check."""
        ...

    def passes(self, answer: str, example: Example) -> bool:
        """Whether `answer` passes."""
        ...


@runtime_checkable
class Task(Protocol):
    """What the service LLM does today and the local model should do."""

    @property
    def name(self) -> str:
        """What reports call it; the name of its MLflow experiment."""
        ...

    @property
    def max_new_tokens(self) -> int:
        """Tokens an answer may have; one that is longer is cut, and counted."""
        ...

    @property
    def checks(self) -> Mapping[str, Check]:
        """Checks by the name they have in the report."""
        ...

    def key(self) -> dict[str, Any]:
        """Return what makes its rows."""
        ...

    def place(self) -> Sequence[Placed]:
        """Return every coverage row with its part of the split, in the order of the source.

        Raises:
            DataError: naming file, row and key of everything that cannot be read.
        """
        ...
