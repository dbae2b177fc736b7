"""Steps of many calls in one transaction, so that they wait for the disk once."""

import asyncio
from typing import Any, TypeVar

from llamaduo.ledger import Act, Ledger

T = TypeVar("T")


class Together:
    """Does whatever is wanted in the same turn of the event loop in one transaction.

    Nobody is kept waiting for company: the turn is over as soon as no task can go on. Where the
    disk is slow, more has come in by the next turn, and more is done at once.
    """

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
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
