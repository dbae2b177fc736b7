"""A provider's batches: many requests handed in at once, answered within a day, at half price."""

from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Any, Protocol

from llamaduo.records import Record


class State(StrEnum):
    """Where a batch stands with its provider."""

    RUNNING = "running"
    """Checked, worked on, written out or about to be cancelled: look again."""
    COMPLETED = "completed"
    EXPIRED = "expired"
    """Out of time: what was answered by then is there, and was billed."""
    CANCELLED = "cancelled"
    """What was answered by then is there, and was billed."""
    REFUSED = "refused"
    """Nothing of it was answered or billed."""

    @property
    def over(self) -> bool:
        """Whether nothing more will come."""
        return self is not State.RUNNING


class Look(Record):
    """What a provider says of a batch."""

    state: State
    said: str
    """The provider's own word for it, such as `finalizing`."""
    total: int = 0
    """Requests; 0 until they have been counted."""
    completed: int = 0
    failed: int = 0
    why: str = ""
    """Why it was refused."""


class Line(Record):
    """One request of a batch."""

    id: str
    """The call's key; what came of it is found by it."""
    body: dict[str, Any]
    """What is sent, as in a live call."""


class Came(Record):
    """What came of one line."""

    id: str
    status: int
    """HTTP status; 0 where the request was not made at all."""
    raw: str = ""
    """The body of the reply, as JSON; empty where there is none."""
    request_id: str = ""
    error: str = ""
    """Why the request was not made; empty where it was."""
    garbled: bool = False
    """Whether the line cannot be read, or not whole: it may have been billed, and `id` is empty
    where it is not said either."""


class NotTaken(Exception):
    """The provider did not do what it was asked."""

    def __init__(
        self, why: str, *, again: bool, unsure: bool = False, unknown: bool = False
    ) -> None:
        """Say why.

        Args:
            again: asking again may go better.
            unsure: it may have been done all the same: the line went dead in the midst of it.
            unknown: there is nothing there that is called so.
        """
        super().__init__(why)
        self.again, self.unsure, self.unknown = again, unsure, unknown


class Provider(Protocol):
    """Takes batches. Every function raises `NotTaken` where the provider does not go along."""

    def upload(self, lines: Sequence[Line]) -> str:
        """Hand over the lines; returns a name for them. Nothing is billed for it."""
        ...

    def submit(self, uploaded: str, token: str) -> str:
        """Make a batch of what was uploaded, with `token` noted on it; returns its id there."""
        ...

    def find(self, token: str) -> str:
        """Return the id of the batch on which `token` is noted; empty where there is none."""
        ...

    def look(self, id: str) -> Look:
        """Say where a batch stands."""
        ...

    def collect(self, id: str) -> Iterator[Came]:
        """Return what came, in any order, of a batch that is over; some lines may be missing."""
        ...

    def cancel(self, id: str) -> None:
        """Ask for no more of a batch to be answered."""
        ...
