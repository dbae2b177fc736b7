"""The service LLM: what is asked, what it costs, what comes back. One attempt at a time."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

from llamaduo.records import Reply, Request
from llamaduo.service.heard import Heard, Limits, Unusable

__all__ = ["Caller", "Heard", "Limits", "Service", "Unusable", "Warm"]


@runtime_checkable
class Service(Protocol):
    """A service LLM as its YAML describes it. Stages cannot reach it: they are given a `Caller`."""

    @property
    def name(self) -> str:
        """What reports and rows call it."""
        ...

    @property
    def simulated(self) -> bool:
        """Whether it only plays a service LLM."""
        ...

    @property
    def concurrency(self) -> int:
        """Calls in flight at once, at most."""
        ...

    @property
    def attempts(self) -> int:
        """How often one request is tried before it counts as failed."""
        ...

    @property
    def backoff(self) -> float:
        """Seconds before the second try; each further wait is twice the one before."""
        ...

    @property
    def structured(self) -> bool:
        """Whether it is sent the form of the reply that is wanted."""
        ...

    @property
    def limits(self) -> Limits:
        """What it is not to be sent, or paid, more than."""
        ...

    def key(self) -> dict[str, Any]:
        """Return what makes its replies what they are."""
        ...

    def faults(self) -> list[str]:
        """Return what stands in the way of the first call (a missing key), in words."""
        ...

    def upper_bound_usd(self, request: Request) -> float:
        """Return what `request` can cost at most, in dollars."""
        ...

    async def attempt(self, request: Request, seed: int, once: str) -> Heard:
        """Ask once.

        Args:
            once: names this try, and no other: a provider that knows such keys bills it once,
                if it is sent again after a kill.

        Raises:
            ServiceError: if no request can succeed (a dead key, an unknown model); `Unusable`
                where a try showed it.
        """
        ...


@runtime_checkable
class Warm(Protocol):
    """A service whose first call takes long to begin."""

    def warm(self) -> None:
        """Load what a call needs. Done before a moment is booked, which would pass meanwhile."""
        ...


class Caller(Protocol):
    """The way to spend that a stage is given: requests in, replies out, in the same order."""

    @property
    def name(self) -> str:
        """What the rows it writes say they are by."""
        ...

    @property
    def at_once(self) -> int:
        """Calls worth handing over at once."""
        ...

    @property
    def spend(self) -> str:
        """The run's spend so far, for people."""
        ...

    def ask(
        self, requests: Sequence[Request], reads: Callable[[Request, str], str] = ...
    ) -> list[Reply]:
        """Return one reply for each request.

        Args:
            reads: says why the text that came for a request is of no use, or "".

        Raises:
            OverBudget: before the first call that could cost more than is left. Replies
                bought until then are kept and come back free when asked for again.
        """
        ...
