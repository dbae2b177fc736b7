"""Calls claimed in the name of a batch, and handed to the provider."""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from secrets import token_hex

from llamaduo.batch.following import UNSENT, Following
from llamaduo.batch.lines import bound_usd, line_of
from llamaduo.batch.provider import Line, NotTaken
from llamaduo.errors import ServiceError
from llamaduo.ledger import Call
from llamaduo.ledger.batches import Batch
from llamaduo.records import Request

LARGEST = 190_000_000
"""Bytes of the file of a batch; OpenAI takes 200 MB."""
FRAME = 120
"""Bytes of a line beside its body."""
LONGEST_WAIT = 60.0
"""Seconds between two tries, at most."""
NO_LIST = "its list of batches, on which one is found again after a kill, cannot be had: "
"""Begins why a batch is not handed in where it might be lost or paid twice."""


@dataclass(frozen=True)
class HandingIn:
    """Hands in batches for one result of one run."""

    following: Following
    recipe: str
    run: str
    budget: float | None
    seed_of: Callable[[str], int]
    """Seed of the call with a key, the one that it has live."""

    def hand_in(self, asked: Sequence[tuple[str, Request]]) -> list[str]:
        """Have a batch made of as many of the calls as fit; returns their keys.

        What fits is bounded by the batch's size, by the run's budget and by the day's limit. It
        is none where too few fit, or where others have claimed them.

        Raises:
            ServiceError: if the provider takes no batch, or has no list on which one is found again
                after a kill. Then nothing stays claimed.
        """
        book, service = self.following.book, self.following.service
        lines, calls = self._fitting(asked)
        token = token_hex(6)
        batch = Batch(
            token=token,
            payee=service.limits.payee,
            service=service.name,
            run=self.run,
            stage=self.recipe,
            provider="",
            state="made",
            at=time.time(),
            said=UNSENT,
        )
        with self.following.lock():
            book.ledger.free_the_dead()
            book.note(batch)
            try:
                mine = set(book.claim(token, calls))
                if len(mine) < service.batch_least:
                    book.take_back(token)
                    return []
                self._again(lambda: self.following.provider.find(token), NO_LIST)
                chosen = [line for line in lines if line.id in mine]
                uploaded = self._again(lambda: self.following.provider.upload(chosen))
            except BaseException:
                book.take_back(token)
                raise
            self._submit(token, uploaded)
        return [line.id for line in chosen]

    def _fitting(self, asked: Sequence[tuple[str, Request]]) -> tuple[list[Line], list[Call]]:
        """Return the lines that one file holds, and their calls."""
        service = self.following.service
        lines: list[Line] = []
        calls: list[Call] = []
        size = 0
        for key, request in asked[: service.batch_most]:
            line = line_of(service, key, request, self.seed_of(key))
            size += len(line.model_dump_json().encode()) + FRAME
            if size > LARGEST:
                break
            lines.append(line)
            calls.append(
                Call(
                    key=key,
                    request=request,
                    service=service.name,
                    limits=service.limits,
                    seed=self.seed_of(key),
                    stage=self.recipe,
                    run=self.run,
                    bound=bound_usd(service, request),
                    budget=self.budget,
                )
            )
        return lines, calls

    def _submit(self, token: str, uploaded: str) -> None:
        """Have the batch made once, whatever becomes of the line."""
        following, tries = self.following, 1
        while True:
            following.book.goes_on(token, "made", said="being handed in", at=time.time())
            try:
                id_ = following.provider.submit(uploaded, token)
                break
            except NotTaken as error:
                if error.unsure and (id_ := following.listed(token)):
                    break
                if not error.again or tries == following.service.attempts:
                    following.book.take_back(token)
                    raise self._not_taken(error) from None
            self._pause(tries)
            tries += 1
        following.book.goes_on(token, "sent", said="handed in", provider=id_)

    def _again(self, ask: Callable[[], str], why: str = "") -> str:
        """Ask as often as the service says, where that may help.

        Args:
            why: what it means for a batch if the provider does not go along.
        """
        tries = 1
        while True:
            try:
                return ask()
            except NotTaken as error:
                if not error.again or tries == self.following.service.attempts:
                    raise self._not_taken(error, why) from None
            self._pause(tries)
            tries += 1

    def _pause(self, tries: int) -> None:
        wait = min(self.following.service.backoff * 2 ** (tries - 1), LONGEST_WAIT)
        time.sleep(wait * random.uniform(0.5, 1.0))

    def _not_taken(self, error: NotTaken, why: str = "") -> ServiceError:
        name = self.following.service.name
        return ServiceError(
            f"{name} takes no batch: {why}{error}. Nothing of it was billed; service.mode=live "
            "asks without one"
        )
