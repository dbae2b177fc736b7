"""A batch from the moment that its provider may have it: looked at, and collected when over."""

import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TypeVar

from llamaduo.batch.book import Book
from llamaduo.batch.lines import heard_of
from llamaduo.batch.provider import Look, NotTaken, Provider, State
from llamaduo.errors import LlamaDuoError, ServiceError
from llamaduo.ledger.batches import Batch, Ended
from llamaduo.records import Outcome
from llamaduo.service.chat import ChatService

T = TypeVar("T")

QUIET = 600.0
"""Seconds between two lines about a batch that stands still."""
AWAY = 30
"""Looks in a row that may fail before the run stops; the batch goes on meanwhile."""
LISTED = 3
"""Looks at the provider's list, at least, before a batch not on it counts as never made."""
UNLISTED = 900.0
"""Seconds from when it was handed in until then, at least: one that is listed later is paid twice.
No provider says how soon it lists one."""
UNSENT = "not handed in yet"
"""What is said of a batch of which its provider was not told yet."""


class Cancelled(LlamaDuoError):
    """A batch that a run waits for was cancelled."""


class Unknown(ServiceError):
    """A batch that its provider does not know, or has no list to find it on."""


@dataclass(frozen=True)
class Following:
    """What is done about a batch that its provider may have, by whichever process."""

    book: Book
    service: ChatService
    provider: Provider

    def lock(self) -> AbstractContextManager[None]:
        """Keep other processes from sending or collecting batches meanwhile."""
        path = self.book.ledger.private / "batches.lock"
        return self.book.ledger.held(
            path, "waiting for a process that hands in or collects a batch"
        )

    def follow(self, token: str) -> None:
        """Wait until a batch is over, and collect it, unless another process does so first.

        Raises:
            ServiceError: if the provider took none of it, does not know it, or cannot be asked.
            Cancelled: if it was cancelled; what had come is collected.
        """
        batch = self._reached(token)
        if batch is None:
            return
        look = self._over(batch)
        if look is not None:
            with self.lock():
                _, held = self.collect(token, look)
            if look.state is State.REFUSED:
                raise ServiceError(
                    f"{self.service.name} did not take a batch of {held} calls: "
                    f"{look.why or look.said}. Nothing of it was billed. Hand in fewer at once "
                    "with service.batch_most, or go on with service.mode=live"
                )
        now = self.book.batch(token)
        if now is not None and now.state == "cancelled":
            raise Cancelled(
                f"batch {token} was cancelled ({now.said}); what was answered is kept. The same "
                "command hands in the rest, and service.mode=live asks for it at the full price"
            )

    def cancel(self, token: str) -> str:
        """Cancel a batch, and collect what had been answered; returns a line for people."""
        name = f"batch {token} at {self.service.name}"
        try:
            batch = self._reached(token)
            if batch is None:
                return f"batch {token}: its provider never had it; its calls are free again"
            if not self.patiently(token, lambda: self.provider.look(batch.provider)).state.over:
                self.patiently(token, lambda: self.provider.cancel(batch.provider))
            look = self._over(batch)
            if look is None:
                return f"{name}: another process collected it meanwhile"
            with self.lock():
                answered, waited = self.collect(token, look)
        except Unknown:
            with self.lock():
                lost = self.book.over(token, "cancelled", said="not known there", unproven=True)
            return f"{name}: it is not known there; what {lost} calls may have cost is unproven"
        return f"{name}: {look.said}; {answered} of {waited} calls had been answered, and are kept"

    def listed(self, token: str) -> str:
        """Return what the provider calls a batch of which it was not heard; empty: it has none."""
        batch = self.book.batch(token)
        if batch is None or batch.said == UNSENT:
            return ""
        looks = 1
        while not (id_ := self.patiently(token, lambda: self.provider.find(token))):
            left = batch.at + UNLISTED - time.time()
            if looks >= LISTED and left <= 0:
                break
            if looks == 1:
                wait = f"{max(left, 0) / 60:.0f} min"
                self._tell(batch, f"not on its list; {wait} until it counts as never made")
            time.sleep(self.service.batch_poll_seconds)
            looks += 1
        return id_

    def collect(self, token: str, look: Look) -> tuple[int, int]:
        """Answer the calls of a batch that is over, and give up the claims on all others.

        Under the lock. What was collected before a kill is not collected again.

        Returns:
            How many calls were answered, and how many were waiting for it.
        """
        batch = self.book.batch(token)
        if batch is None or not batch.open:
            return 0, 0
        self.book.goes_on(token, "ended", said=_words(look))
        held = self.book.held(token)
        heard, nameless = [], 0
        if look.state is not State.REFUSED:
            lines = self.patiently(token, lambda: list(self.provider.collect(batch.provider)))
            for came in lines:
                nameless += not came.id
                if came.id in held:  # else it was collected before a kill
                    heard.append((came.id, heard_of(self.service, came, held[came.id])))
        self.book.answer(token, heard, seconds=max(time.time() - batch.at, 0.0))
        over: Ended = "collected"
        if look.state in (State.CANCELLED, State.REFUSED):
            over = "cancelled"
        if nameless:
            self._tell(batch, f"{nameless} of its lines cannot be read, whose calls are unknown")
        # A line that cannot be read may be that of any call that is left.
        self.book.over(token, over, said=_words(look), unproven=nameless > 0)
        answered = sum(one.reply.outcome is not Outcome.FAILED for _, one in heard)
        return answered, len(held)

    def _reached(self, token: str) -> Batch | None:
        """Return a batch that its provider has; None where it is over, or never was.

        Of one that is `made` the ledger does not know what its provider calls it: the process that
        handed it in ended before it was told, if it had come so far.
        """
        batch = self.book.batch(token)
        if batch is not None and batch.state == "made":
            with self.lock():  # whoever hands it in now has the lock
                batch = self.book.batch(token)
                if batch is not None and batch.state == "made":
                    if id_ := self.listed(token):
                        self.book.goes_on(token, "sent", said="found", provider=id_)
                    else:
                        self.book.take_back(token)
                    batch = self.book.batch(token)
        return batch if batch is not None and batch.open else None

    def _over(self, batch: Batch) -> Look | None:
        """Look until a batch is over; None if another process has collected it meanwhile."""
        shown, told = "", 0.0
        while True:
            look = self.patiently(batch.token, lambda: self.provider.look(batch.provider))
            words = _words(look)
            if words != shown or time.monotonic() - told > QUIET:
                shown, told = words, time.monotonic()
                self._tell(batch, words)
            if look.state.over:
                return look
            time.sleep(self.service.batch_poll_seconds)
            now = self.book.batch(batch.token)
            if now is None or not now.open:
                return None

    def _tell(self, batch: Batch, words: str) -> None:
        minutes = (time.time() - batch.at) / 60
        print(
            f"llamaduo: batch {batch.token} at {batch.service}: {words}, {minutes:.0f} min since "
            f"it was made; ${self.book.ledger.spent(batch.run):.4f} spent so far",
            file=sys.stderr,
        )

    def patiently(self, token: str, ask: Callable[[], T]) -> T:
        """Ask the provider about a batch, again and again while it or the way to it is away.

        Raises:
            Unknown: if it has nothing that is called so.
            ServiceError: if it does not come back, or if no asking helps.
        """
        for tries in range(1, AWAY + 1):
            try:
                return ask()
            except NotTaken as error:
                if error.unknown:
                    raise Unknown(
                        f"{self.service.name} does not know batch {token}: {error}. If it should, "
                        "check that the key and the address are those it was handed in with, and "
                        f"give the same command; else `llamaduo ledger --cancel-batch {token}` "
                        "frees its calls, and counts what they may have cost as unproven"
                    ) from None
                if not error.again or tries == AWAY:
                    raise ServiceError(
                        f"{self.service.name} cannot be asked about batch {token}: {error}. What "
                        "it has of it goes on there; the same command collects it"
                    ) from None
            time.sleep(self.service.batch_poll_seconds)
        raise AssertionError("the last try ends it")


def _words(look: Look) -> str:
    """Say where a batch stands."""
    counts = f", {look.completed}/{look.total} answered" if look.total else ""
    failed = f", {look.failed} failed" if look.failed else ""
    return f"{look.said}{counts}{failed}" + (f": {look.why}" if look.why else "")
