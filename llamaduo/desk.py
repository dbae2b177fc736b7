"""The only way to spend: a batch of requests in, one reply each out, through the ledger."""

import asyncio
import random
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from llamaduo.component import digest, seed_of
from llamaduo.errors import OverBudget, ServiceError
from llamaduo.ledger import Claim, Ledger
from llamaduo.records import Outcome, Reply, Request
from llamaduo.service import Service

LONGEST_WAIT = 60.0
"""Seconds between two tries, at most."""

LONG = 1.0
"""Seconds between two looks at a call that another process makes, at most."""

MANY = 8
"""Calls of a batch whose failure speaks for itself, whatever went before."""

GAVE_UP = "given up"
"""Begins the cause of a call whose failure might pass, tried as often as the service says."""

Reader = Callable[[Request, str], str]
"""Reads a reply's text; returns an empty string, or why it cannot be used."""


@dataclass(frozen=True)
class Desk:
    """What a stage is handed to ask `service` with, on behalf of one run and one result."""

    ledger: Ledger
    service: Service
    recipe: str
    """`<stage>/<digest>` of the result the calls are for."""
    run: str
    """Fingerprint of the run that pays."""
    seed: int
    budget: float | None
    """Dollars the run may spend in all; None: no limit."""

    @property
    def name(self) -> str:
        """What the rows it writes say they are by."""
        return self.service.name

    @property
    def spend(self) -> str:
        """The run's spend so far, for people."""
        spent = f"${self.ledger.spent(self.run):.4f}"
        return spent if self.budget is None else f"{spent} of ${self.budget:.2f}"

    def ask(
        self, requests: Sequence[Request], reads: Reader = lambda request, text: ""
    ) -> list[Reply]:
        """Return one reply for each request, in order; known ones are not bought again.

        Args:
            requests: the same request with the same sample number is one call.
            reads: says why a reply's text is of no use; such a reply is `unreadable`.

        Raises:
            OverBudget: before the first call that could cost more than is left.
            ServiceError: if no call can succeed, or half of them or more were given up. In
                all cases, and on Ctrl-C, calls in flight are waited for and kept.
        """
        asked = {self._key(request): request for request in requests}
        self.ledger.use(self.recipe, list(asked))
        replies = asyncio.run(self._all(asked, reads))
        self._refuse_an_outage(replies)
        return [replies[self._key(request)] for request in requests]

    def _refuse_an_outage(self, replies: dict[str, Reply]) -> None:
        """Stop where a service is down, so that a run does not end in rows without replies.

        A few calls that fail among all of the stage's are none: they stay without a reply, or a
        call that can never be answered would keep a stage from ever ending.
        """
        gone = [key for key, reply in replies.items() if reply.cause.startswith(GAVE_UP)]
        if not gone or 2 * len(gone) < len(replies):
            return
        all_ = self.ledger.tally(self.recipe)
        if len(replies) >= MANY or 2 * all_.outcomes.get(Outcome.FAILED, 0) >= all_.calls:
            self.ledger.reopen(gone)
            raise ServiceError(
                f"{len(gone)} of {len(replies)} calls to {self.service.name} failed: "
                f"{replies[gone[-1]].cause}. What was bought is kept; the same command goes on"
            )

    def _key(self, request: Request) -> str:
        said = request.model_dump(mode="json", exclude={"row", "tag", "form"})
        return digest(self.service.key(), said, self.seed)

    async def _all(self, asked: dict[str, Request], reads: Reader) -> dict[str, Reply]:
        replies: dict[str, Reply] = {}
        waiting = list(reversed(asked.items()))
        stop = asyncio.Event()

        async def work() -> None:
            while waiting and not stop.is_set():
                key, request = waiting.pop()
                try:
                    reply = await self._one(key, request, reads, stop)
                except BaseException:
                    stop.set()
                    raise
                if reply is not None:
                    replies[key] = reply

        workers = [asyncio.create_task(work()) for _ in range(self.service.concurrency)]
        try:
            await asyncio.wait(workers)  # gather() would hand a Ctrl-C on to the calls in flight
        except asyncio.CancelledError:  # Ctrl-C: what is in flight is paid for, so keep it
            stop.set()
            await asyncio.gather(*workers, return_exceptions=True)
            raise
        for error in [worker.exception() for worker in workers]:
            if error:
                raise error
        return replies

    async def _one(
        self, key: str, request: Request, reads: Reader, stop: asyncio.Event
    ) -> Reply | None:
        """Return the reply to `request`; None if `stop` came before it."""
        bound = self.service.upper_bound_usd(request)
        seed = seed_of(self.seed, key)
        pause = 0.01
        while not stop.is_set():
            claim = self.ledger.claim(
                key,
                request,
                service=self.service.name,
                seed=seed,
                stage=self.recipe,
                run=self.run,
                bound=bound,
                budget=self.budget,
            )
            if claim is Claim.MINE:
                return await self._buy(key, request, seed, reads, stop)
            if claim is Claim.ANSWERED:
                reply = self.ledger.reply(key)
                assert reply is not None, "an answered call has a reply"
                return self._read(key, request, reply, reads)
            if claim is Claim.TOO_DEAR and not (
                self.ledger.free_the_dead() or self.ledger.in_flight(self.run)
            ):
                raise OverBudget(
                    f"stopped by the budget: {self.spend} is spent and the next call could cost "
                    f"${bound:.4f}; what was bought is kept. Go on with a larger budget_usd"
                )
            await _pause(pause, stop)
            if pause < LONG <= 2 * pause and (host := self.ledger.holder(key)):
                print(
                    f"llamaduo: waiting for a call that a process of {host} makes; "
                    f"{self.ledger.freed}",
                    file=sys.stderr,
                )
            pause = min(2 * pause, LONG)
        return None

    async def _buy(
        self, key: str, request: Request, seed: int, reads: Reader, stop: asyncio.Event
    ) -> Reply | None:
        try:
            for attempt in range(self.service.attempts):
                began = time.monotonic()
                heard = await self.service.attempt(request, seed, f"{key}-{attempt}")
                reply, again = heard.reply, heard.again
                last = not again or attempt + 1 == self.service.attempts
                if last and again:
                    tries = f"{GAVE_UP} after {attempt + 1} tries: {reply.cause}"
                    reply = reply.model_copy(update={"cause": tries})
                self.ledger.answer(key, reply, seconds=time.monotonic() - began, last=last)
                if last:
                    break
                wait = min(self.service.backoff * 2**attempt, LONGEST_WAIT)
                await _pause(wait * random.uniform(0.5, 1.0), stop)
                if stop.is_set():
                    self.ledger.release(key)
                    return None
        except BaseException:
            self.ledger.release(key)
            raise
        return self._read(key, request, reply, reads)

    def _read(self, key: str, request: Request, reply: Reply, reads: Reader) -> Reply:
        """Mark a reply whose text is of no use; a kill may have come between answer and mark."""
        if reply.outcome is Outcome.OK and (why := reads(request, reply.text)):
            reply = reply.model_copy(update={"outcome": Outcome.UNREADABLE, "cause": why})
            self.ledger.mark(key, Outcome.UNREADABLE, why)
        return reply


async def _pause(seconds: float, stop: asyncio.Event) -> None:
    """Sleep, but not past `stop`."""
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
