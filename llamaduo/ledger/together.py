"""Calls that are made together: one stop for all, lanes to share, one wait for the disk."""

import asyncio
import sys
from contextlib import suppress
from typing import Any, TypeVar

from llamaduo.errors import LlamaDuoError
from llamaduo.flow.adaptive import Lanes
from llamaduo.ledger import Act, Ledger

T = TypeVar("T")
Wanted = list[tuple[Act[Any], "asyncio.Future[Any]"]]
"""Steps, and where to say what came of them."""


class Together:
    """What the calls of one batch share, within one event loop.

    Whatever they want of the ledger in the same turn of the loop is one transaction, and the wait
    for the disk after it keeps no reply from being read meanwhile: a thread waits. What is wanted
    by then is the next transaction, so a slow disk makes them larger and not more.
    """

    def __init__(self, ledger: Ledger, lanes: Lanes) -> None:
        self.ledger = ledger
        self.lanes = lanes
        self.stop = asyncio.Event()
        """No call is begun any more."""
        self._said: set[str] = set()
        self._wanted: Wanted = []
        self._settling: asyncio.Task[None] | None = None
        self._open: set[asyncio.Future[Any]] = set()
        self._fault: BaseException | None = None

    def begin(self, act: Act[T]) -> "asyncio.Future[T]":
        """Have a step done, after all that were begun before; it is kept when the future is done.

        One that fails ends the run. It takes no other of its transaction with it, unless the
        ledger cannot be written at all.
        """
        loop = asyncio.get_running_loop()
        if not self._wanted and self._settling is None:
            loop.call_soon(self._all)
        done: asyncio.Future[T] = loop.create_future()
        self._wanted.append((act, done))
        self._open.add(done)
        done.add_done_callback(self._ended)
        return done

    async def do(self, act: Act[T]) -> T:
        """Have a step done, and wait until it is kept."""
        return await self.begin(act)

    async def kept(self) -> None:
        """Wait until every step that was begun is kept.

        Raises:
            Exception: what kept one from it.
        """
        while self._open:
            await asyncio.wait(self._open)
        if self._fault is not None:
            raise self._fault

    async def pause(self, seconds: float) -> None:
        """Sleep, but not past `stop`."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.stop.wait(), seconds)

    def say(self, text: str, about: str = "") -> None:
        """Tell the user, once for all calls that have the same to say, or something `about` it."""
        if (what := about or text) not in self._said:
            self._said.add(what)
            print(f"llamaduo: {text}", file=sys.stderr)

    def _all(self) -> None:
        """Do all that is wanted."""
        wanted, self._wanted = self._wanted, []
        try:
            found = self.ledger.do([act for act, _ in wanted], lasting=False)
        except LlamaDuoError as error:
            self._fail(wanted, error)
        except Exception:  # one of them, it may be; the replies in the others are paid for
            self._each(wanted)
        else:
            if self.ledger.unsettled:
                self._settling = asyncio.create_task(self._settle(wanted, found))
            else:
                self._tell(wanted, found)

    def _each(self, wanted: Wanted) -> None:
        """Do all that is wanted one by one, each in a transaction of its own."""
        for i, (act, done) in enumerate(wanted):
            try:
                self._tell([(act, done)], self.ledger.do([act]))
            except LlamaDuoError as error:
                self._fail(wanted[i:], error)
                return
            except Exception as error:
                self._fail([(act, done)], error)

    async def _settle(self, wanted: Wanted, found: list[Any]) -> None:
        """Wait for the disk, and go on with what is wanted by then."""
        try:
            await asyncio.to_thread(self.ledger.settle)
        except Exception as error:
            self._fail(wanted, error)
        else:
            self._tell(wanted, found)
        self._settling = None
        if self._wanted:
            self._all()

    def _tell(self, wanted: Wanted, found: list[Any]) -> None:
        """Say what came of each step. Who was cancelled meanwhile has it done all the same."""
        for (_, done), one in zip(wanted, found, strict=True):
            if not done.done():
                done.set_result(one)

    def _fail(self, wanted: Wanted, error: Exception) -> None:
        """Say that none was kept."""
        for _, done in wanted:
            if not done.done():
                done.set_exception(error)

    def _ended(self, done: "asyncio.Future[Any]") -> None:
        """Remember that a step failed, whether or not anybody waits for it."""
        self._open.discard(done)
        if not done.cancelled() and done.exception() is not None:
            self._fault = done.exception()
            self.stop.set()
