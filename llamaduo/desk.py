"""The only way to spend: a batch of requests in, one reply each out, through the ledger."""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

from llamaduo.batch import at_once, buy
from llamaduo.component import canonical, digest_of, seed_of
from llamaduo.errors import OverBudget, ServiceError
from llamaduo.flow.adaptive import OVERLOADED
from llamaduo.flow.window import HELD, held_back, refuse_too_large, tokens_of
from llamaduo.ledger import Call, Claim, Ledger
from llamaduo.ledger.together import Together
from llamaduo.records import Outcome, Reply, Request
from llamaduo.retries import gave_up, pause_after, refuse_an_outage
from llamaduo.service import Heard, Service, Unusable, Warm

SOON = 0.01
"""Seconds before the first look again at a call that cannot be made yet."""

LONG = 1.0
"""Seconds between two looks at a call that another process makes, at most; longer waits that a
provider asks for are told."""

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
    def at_once(self) -> int:
        """Calls worth handing over at once: all of a stage's, where they go in batches."""
        return at_once(self.service)

    @property
    def spend(self) -> str:
        """The run's spend so far, for people."""
        spent = f"${self.ledger.spent(self.run):.4f}"
        if unproven := self.ledger.unproven(self.run):
            spent += f" (and ${unproven:.4f} at most, unseen)"
        return spent if self.budget is None else f"{spent} of ${self.budget:.2f}"

    def ask(
        self, requests: Sequence[Request], reads: Reader = lambda request, text: ""
    ) -> list[Reply]:
        """Return one reply for each request, in order; known ones are not bought again.

        Args:
            requests: the same request with the same sample number is one call.
            reads: says why a reply's text is of no use; such a reply is `unreadable`.

        Raises:
            OverBudget: before the first call that could cost more than is left, of the run's
                budget or of the day's limit.
            ServiceError: if no call can succeed, or half of them or more were given up. In
                all cases, and on Ctrl-C, calls in flight are waited for and kept.
        """
        keys = [self._key(request) for request in requests]
        asked = dict(zip(keys, requests, strict=True))
        if self.service.limits.tokens_per_minute is not None:
            for request in requests:
                refuse_too_large(self.service.limits, tokens_of(request, self.service.limits))
        self.ledger.use(self.recipe, keys)
        buy(
            asked,
            ledger=self.ledger,
            service=self.service,
            recipe=self.recipe,
            run=self.run,
            budget=self.budget,
            seed_of=self._seed,
        )
        replies = asyncio.run(self._all(asked, reads))
        refuse_an_outage(replies, self.ledger, self.recipe, self.service.name)
        return [replies[key] for key in keys]

    def _key(self, request: Request) -> str:
        sent = {"form"} if request.form is None or not self.service.structured else set()
        said = request.model_dump(mode="json", exclude={"row", "tag", *sent})
        return digest_of([self._service, canonical(said), canonical(self.seed)])

    @cached_property
    def _service(self) -> str:
        """What makes the service's replies: written once, since every call's key has it."""
        return canonical(self.service.key())

    async def _all(self, asked: dict[str, Request], reads: Reader) -> dict[str, Reply]:
        replies: dict[str, Reply] = {}
        waiting = list(reversed(asked.items()))
        lanes = self.ledger.lanes(self.service.limits.payee, self.service.concurrency)
        together = Together(self.ledger, lanes)
        stop = together.stop

        async def work() -> None:
            while waiting and not stop.is_set():
                key, request = waiting.pop()
                try:
                    reply = await self._one(key, request, reads, together)
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
            with suppress(Exception):
                await together.kept()
            self._let_go(asked)
            raise
        errors = [error for error in [worker.exception() for worker in workers] if error]
        try:
            await together.kept()
        except Exception as error:
            errors.append(error)
        if errors:
            self._let_go(asked)
            raise errors[0]
        return replies

    def _let_go(self, keys: Iterable[str]) -> None:
        """Give up what is claimed still, since its reply could not be kept; nobody waits for it."""
        with suppress(Exception):
            for key in keys:
                self.ledger.release(key)

    async def _one(
        self, key: str, request: Request, reads: Reader, together: Together
    ) -> Reply | None:
        """Return the reply to `request`; None if all was stopped before it."""
        call = Call(
            key=key,
            request=request,
            service=self.service.name,
            limits=self.service.limits,
            seed=seed_of(self.seed, key),
            stage=self.recipe,
            run=self.run,
            bound=self.service.upper_bound_usd(request),
            budget=self.budget,
        )
        tried, claimed, last, pause = 0, False, False, SOON
        try:
            while not together.stop.is_set():
                async with together.lanes.one(together.stop) as lane:
                    if lane is None:
                        break
                    claim = Claim.MINE if claimed else await self._claim(call, together)
                    if claim is Claim.ANSWERED:
                        break
                    if claim is Claim.MINE:
                        if not await self._out(call, together):
                            claimed = False
                            continue
                        tried += 1
                        heard, last = await self._try(call, tried, together)
                        claimed = self.ledger.mine(key) is not None  # not after one that was billed
                        if heard.status in OVERLOADED or not heard.again:
                            together.lanes.saw(lane, heard.status not in OVERLOADED)
                if claim is not Claim.MINE:  # whoever is to free it needs the lane
                    pause = await self._wait(key, pause, together)
                    continue
                if last:
                    return self._read(key, request, heard.reply, reads, together)
                await together.pause(pause_after(heard, tried, self.service.backoff))
                pause = SOON
        finally:
            if not last:
                self.ledger.release(key)
        reply = None if together.stop.is_set() else self.ledger.reply(key)
        return None if reply is None else self._read(key, request, reply, reads, together)

    async def _claim(self, call: Call, together: Together) -> Claim:
        """Claim a call, if it can be made now.

        Raises:
            OverBudget: if it could cost more than is left, and nothing in flight may free any.
        """
        if self.ledger.answered(call.key):
            return Claim.ANSWERED
        if isinstance(self.service, Warm):
            self.service.warm()
        for _ in range(2):  # what was in flight may have been settled between claim and look
            claim, _ = await together.do(self.ledger.claiming(call))
            if claim not in (Claim.TOO_DEAR, Claim.CAPPED) or self._may_free(claim):
                return claim
        raise OverBudget(self._over(claim, call.bound))

    async def _out(self, call: Call, together: Together) -> bool:
        """Wait until a claimed call may go out.

        False if all was stopped before, or another process took the call over meanwhile.
        """
        while (held := self.ledger.mine(call.key)) is None or not held.out:
            if held is None:
                return False
            if held.at is not None and (left := held.at - time.time()) > 0:
                if left > LONG and (hold := self.ledger.left_alone(call.limits.payee)):
                    when = time.strftime("%H:%M:%S", time.localtime(hold[0]))
                    together.say(f"{call.limits.payee} is left alone until {when}: {hold[1]}")
                elif left > HELD:
                    together.say(*held_back(call.limits, held.at))
                await together.pause(left)
                if together.stop.is_set():
                    return False
            await together.do(self.ledger.sending(call.key))
        return True

    async def _wait(self, key: str, pause: float, together: Together) -> float:
        """Wait before a call is claimed again; returns how long to wait the next time."""
        await together.pause(pause)
        if pause < LONG <= 2 * pause and (who := self.ledger.holder(key)):
            together.say(f"waiting for a call {who}")
        return min(2 * pause, LONG)

    def _may_free(self, claim: Claim) -> bool:
        """Whether calls in flight may come out cheaper than what is reserved for them."""
        freed = self.ledger.free_the_dead()
        if claim is Claim.CAPPED:
            return freed + self.ledger.in_flight_of(self.service.limits.payee) > 0
        return freed + self.ledger.in_flight(self.run) > 0

    def _over(self, claim: Claim, bound: float) -> str:
        """Say which limit was reached, and how to go on."""
        next_ = f"the next call could cost ${bound:.4f}; what was bought is kept"
        if claim is Claim.TOO_DEAR:
            return (
                f"stopped by the budget: {self.spend} is spent and {next_}. Go on with a larger "
                "budget_usd"
            )
        limits = self.service.limits
        return (
            f"stopped by the limit of a day: ${self.ledger.today(limits.payee):.4f} of "
            f"${limits.usd_per_day:.2f} is spent today (UTC) on {limits.payee} and {next_}. Go on "
            "tomorrow with the same command, or now with a larger cap_usd_per_day"
        )

    async def _try(self, call: Call, tried: int, together: Together) -> tuple[Heard, bool]:
        """Send a call for the `tried`-th time and keep what came; say whether it is the last."""
        seen, _ = self.ledger.history(call.key)
        seed = self._seed(call.key)
        began = time.monotonic()
        try:
            heard = await self.service.attempt(call.request, seed, f"{call.key}-{seen}")
        except ServiceError as error:  # it was refused, and not billed
            if isinstance(error, Unusable):
                took = time.monotonic() - began
                refused = self.ledger.answering(call.key, error.heard, seconds=took, last=False)
                await together.do(refused)
            self.ledger.wait(call.key)
            raise
        last = not heard.again or tried == self.service.attempts
        if last and heard.again:
            heard = gave_up(heard, tried)
        seconds = time.monotonic() - began
        kept = together.begin(self.ledger.answering(call.key, heard, seconds=seconds, last=last))
        if not last:  # else the next call can be claimed along with it
            await kept
        return heard, last

    def _seed(self, key: str) -> int:
        """Return what a try is seeded by: anew once a reply was paid for, and is asked again."""
        _, paid = self.ledger.history(key)
        return seed_of(self.seed, key, *((paid,) if paid else ()))

    def _read(
        self, key: str, request: Request, reply: Reply, reads: Reader, together: Together
    ) -> Reply:
        """Mark a reply whose text is of no use; a kill may have come between answer and mark."""
        if reply.outcome is Outcome.OK and (why := reads(request, reply.text)):
            reply = reply.model_copy(update={"outcome": Outcome.UNREADABLE, "cause": why})
            together.begin(self.ledger.marking(key, Outcome.UNREADABLE, why))
        return reply
