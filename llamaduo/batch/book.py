"""Batches in the ledger: what is done with their rows and their calls, each act whole."""

import time
from collections.abc import Sequence

from llamaduo.database import whole
from llamaduo.ledger import Call, Claim, Ledger, batches
from llamaduo.ledger.batches import Batch, State
from llamaduo.records import Request
from llamaduo.service import Heard

AT_ONCE = 200
"""Calls of one transaction: many are quicker, and keep other processes out for longer."""


class Book:
    """The batches of a ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger

    def batch(self, token: str) -> Batch | None:
        """Return the batch called `token`; None where there is none."""
        return batches.find(self.ledger.tables, token)

    def all_open(self) -> list[Batch]:
        """Return the batches that are not over, the oldest first."""
        return batches.all_open(self.ledger.tables)

    def holders(self) -> dict[str, str]:
        """Return of each call that an open batch holds, by its key, the batch's token."""
        return batches.holders(self.ledger.tables)

    def held(self, token: str) -> dict[str, Request]:
        """Return the calls that a batch holds and nothing was collected for, by their keys."""
        return batches.held(self.ledger.tables, token)

    def answered(self, keys: Sequence[str]) -> set[str]:
        """Return which of `keys` have a final reply."""
        return batches.answered(self.ledger.tables, keys)

    @whole
    def note(self, batch: Batch) -> None:
        """Write a new batch down."""
        with self.ledger.transaction() as db:
            batches.note(db, batch)

    @whole
    def goes_on(
        self,
        token: str,
        state: State,
        *,
        said: str,
        provider: str | None = None,
        at: float | None = None,
    ) -> None:
        """Write down how a batch goes on."""
        with self.ledger.transaction() as db:
            batches.change(db, token, state, said=said, provider=provider, at=at)

    def claim(self, token: str, calls: Sequence[Call]) -> list[str]:
        """Claim calls in the name of a batch, as long as they fit in the budget and in the day.

        Returns:
            The keys of those that were claimed, in order.
        """
        mine: list[str] = []
        for start in range(0, len(calls), AT_ONCE):
            some = calls[start : start + AT_ONCE]
            came = self._claim(token, some)
            mine += [call.key for call, claim in zip(some, came, strict=False) if claim is _MINE]
            if came[-1] in (Claim.TOO_DEAR, Claim.CAPPED):
                break
        return mine

    @whole
    def _claim(self, token: str, calls: Sequence[Call]) -> list[Claim]:
        """Claim one after the other; the last is the first that does not fit."""
        came: list[Claim] = []
        with self.ledger.transaction() as db:
            for call in calls:
                came.append(batches.claim(db, token, call, time.time()))
                if came[-1] in (Claim.TOO_DEAR, Claim.CAPPED):
                    break
        return came

    def answer(self, token: str, heard: Sequence[tuple[str, Heard]], seconds: float) -> None:
        """Keep what came of calls in a batch; one that is answered already is left alone."""
        for start in range(0, len(heard), AT_ONCE):
            some = heard[start : start + AT_ONCE]
            kept = self._answer(token, some, seconds)
            self.ledger.spent_now += sum(one.reply.usage.usd for one in kept)
            self.ledger.calls_now += len(kept)

    @whole
    def _answer(
        self, token: str, heard: Sequence[tuple[str, Heard]], seconds: float
    ) -> list[Heard]:
        with self.ledger.transaction() as db:
            return [one for key, one in heard if batches.answer(db, token, key, one, seconds)]

    @whole
    def over(self, token: str, state: State, *, said: str, unproven: bool = False) -> int:
        """Note that a batch is over, and give up the claims that it has left; returns how many.

        Args:
            unproven: whether its calls may have been billed, and nobody can tell.
        """
        with self.ledger.transaction() as db:
            left = batches.release(db, token, unproven=unproven)
            batches.change(db, token, state, said=said)
        return left

    @whole
    def take_back(self, token: str) -> None:
        """Forget a batch that its provider does not have; its calls are free again."""
        with self.ledger.transaction() as db:
            batches.release(db, token, unproven=False)
            batches.drop(db, token)


_MINE = Claim.MINE
