"""Calls that are made together: one stop for all, lanes to share, one wait for the disk."""

import asyncio
import sys
from contextlib import suppress
from typing import Any, TypeVar

from llamaduo.flow.adaptive import Lanes
from llamaduo.ledger import Act, Ledger

T = TypeVar("T")


class Together:
    """What the calls of one batch share, within one event loop.

    Whatever they want of the ledger in the same turn of the loop is one transaction. Nobody is
    kept waiting for company: the turn is over as soon as no task can go on. Where the disk is
    slow, more has come in by the next turn, and more is done at once.
    """

    def __init__(self, ledger: Ledger, lanes: Lanes) -> None:
        self.ledger = ledger
        self.lanes = lanes
        self.stop = asyncio.Event()
        """No call is begun any more."""
        self._said: set[str] = set()
        self._wanted: list[tuple[Act[Any], asyncio.Future[Any]]] = []

    async def do(self, act: Act[T]) -> T:
        """Do a step; it is kept when this returns.

        One that fails undoes the others of its turn, and they fail too: the ledger cannot be
        written, and the run is at its end.
        """
        loop = asyncio.get_running_loop()
        if not self._wanted:
            loop.call_soon(self._all)
        done: asyncio.Future[T] = loop.create_future()
        self._wanted.append((act, done))
        return await done

    async def pause(self, seconds: float) -> None:
        """Sleep, but not past `stop`."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.stop.wait(), seconds)

    def say(self, text: str) -> None:
        """Tell the user, once for all calls that have the same to say."""
        if text not in self._said:
            self._said.add(text)
            print(f"llamaduo: {text}", file=sys.stderr)

    def _all(self) -> None:
        """Do all that is wanted. Who was cancelled meanwhile has it done, and does not hear."""
        wanted, self._wanted = self._wanted, []
        try:
            found = self.ledger.do([act for act, _ in wanted])
        except Exception as error:
            for _, done in wanted:
                if not done.done():
                    done.set_exception(error)
            return
        for (_, done), one in zip(wanted, found, strict=True):
            if not done.done():
                done.set_result(one)
