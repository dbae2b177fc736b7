"""How many calls are in flight: as many as the provider bears, up to the service's concurrency.

Additive increase, multiplicative decrease, as TCP does (RFC 5681): the number that a provider
bears is not known beforehand and changes with what others ask of it, and this rule finds it,
shares it fairly with other processes and costs a refused call now and then.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

OVERLOADED = frozenset({429, 503, 529})
"""HTTP statuses by which a provider says that it is asked too much (529: Anthropic). Another
failure says nothing about how many calls it bears."""

START = 8
"""Calls in flight at first. Small accounts and small servers bear about so many, and from here a
service that bears 64 has them after three rounds: until the first refusal each reply lets one call
more go out, which doubles their number in a round."""


class Lanes:
    """Calls to one payee by one process. Kept over batches, for what it has learnt.

    Args:
        ceiling: calls in flight at once, at most; 1 or more.
    """

    def __init__(self, ceiling: int) -> None:
        self.ceiling = ceiling
        self._open = float(min(START, ceiling))
        self._refused = False
        self._flying = 0
        self._next = 0
        """Number of the next call."""
        self._round = 0
        """Calls below this number began before the last decrease, which is also for them."""
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def open(self) -> int:
        """Calls that may be in flight now."""
        return int(self._open)

    @asynccontextmanager
    async def one(self, stop: asyncio.Event) -> AsyncIterator[int | None]:
        """Wait for a lane and hold it. Yields the call's number, for `saw`; None if `stop` came.

        Lanes are had in the order they are asked for.
        """
        if not await self._taken(stop):
            yield None
            return
        number, self._next = self._next, self._next + 1
        try:
            yield number
        finally:
            self._flying -= 1
            self._wake()

    def saw(self, number: int, ok: bool) -> None:
        """Learn from how a call went that still has its lane.

        Args:
            ok: whether it was answered; False where the provider is overloaded. After any other
                failure, do not tell.
        """
        if number < self._round:
            return
        if not ok:
            self._open = max(1.0, self._open / 2)
            self._refused = True
            self._round = self._next
        elif self._flying >= self.open:  # else it is not shown that it bears as many as these
            more = 1 / self._open if self._refused else 1.0
            self._open = min(float(self.ceiling), self._open + more)
            self._wake()

    async def _taken(self, stop: asyncio.Event) -> bool:
        """Wait for a lane and take it; False if `stop` came before."""
        if stop.is_set():
            return False
        if self._flying < self.open and not self._waiting:
            self._flying += 1
            return True
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        stopped = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait((turn, stopped), return_when=asyncio.FIRST_COMPLETED)
            if turn.done() and not stop.is_set():
                return True
        except BaseException:
            self._leave(turn)
            raise
        finally:
            stopped.cancel()
        self._leave(turn)
        return False

    def _leave(self, turn: "asyncio.Future[None]") -> None:
        """Go out of the queue, or hand on the lane that was given already."""
        if turn.done():
            self._flying -= 1
            self._wake()
        else:
            self._waiting.remove(turn)

    def _wake(self) -> None:
        """Give free lanes to those who have waited longest."""
        while self._waiting and self._flying < self.open:
            self._flying += 1
            self._waiting.popleft().set_result(None)
