"""All references asked again, of the endpoint."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from llamaduo.errors import ServiceError
from llamaduo.parity.heard import CAME, Heard, heard
from llamaduo.progress import Progress
from llamaduo.promotion.references import Reference
from llamaduo.records import Outcome, Reply, Request
from llamaduo.service import Caller

AT_ONCE = 64
"""Calls handed over at once."""
PROMPTS = 16
"""Prompts that show whether the adapter is live."""
TOKENS = 64
"""Tokens of an answer to them, at most: two models part company long before."""


def replay(
    references: Sequence[Reference],
    base: Sequence[Reference] | None,
    caller: Caller,
    *,
    max_new_tokens: int,
    progress: Progress,
) -> list[Heard]:
    """Ask for every reference, greedily.

    Each call has a number that no other was asked under: what is remembered says nothing of the
    server now. Calls that a busy or broken server turns away are made again, as often as the
    endpoint says; one that fails to the end is an answer that did not come. Where a server is
    down, what is left is not asked.

    Args:
        base: what the base says, where that is known.
    """
    now = time.time_ns()
    bare = {one.id: one for one in base or ()}
    found: list[Heard] = []
    down = ""
    with progress.stage("probe", len(references), "answers") as meter:
        for start in range(0, len(references), AT_ONCE):
            batch = references[start : start + AT_ONCE]
            replies = [Reply(outcome=Outcome.FAILED, cause=down)] * len(batch)
            try:
                if not down:
                    replies = caller.ask([_request(one, max_new_tokens, now) for one in batch])
            except ServiceError as error:  # the server is down, or refuses them all
                down = str(error)
                replies = [Reply(outcome=Outcome.FAILED, cause=down)] * len(batch)
            found += [
                heard(one, reply, bare.get(one.id))
                for one, reply in zip(batch, replies, strict=True)
            ]
            meter.step(len(batch))
    return found


@dataclass(frozen=True)
class Live:
    """Some prompts, with the adapter and without."""

    n: int
    """Prompts that were answered all three times."""
    differ: int
    """Of these, with another answer without the adapter."""
    noise: int
    """Of these, with another answer the second time without."""

    @property
    def words(self) -> str:
        """What was seen, for people."""
        return (
            f"{self.differ} of {self.n} greedy answers differ from those without the adapter; "
            f"{self.noise} do between two times without"
        )

    @property
    def against(self) -> str:
        """Why the adapter is not taken for live; "" where it is."""
        return self.words if self.differ <= 2 * self.noise else ""


def live(
    references: Sequence[Reference], tuned: Caller, bare: Caller, *, max_new_tokens: int
) -> Live:
    """Ask some prompts with the adapter once and without it twice.

    An adapter is taken for live where it differs from the base on more than twice as many
    prompts as the base from itself.
    """
    some = references[:PROMPTS]
    now = time.time_ns()
    most = min(max_new_tokens, TOKENS)
    first = tuned.ask([_request(one, most, now) for one in some])
    twice = bare.ask([_request(one, most, now + k) for k in (0, 1) for one in some])
    three = zip(first, twice[: len(some)], twice[len(some) :], strict=True)
    came = [all_ for all_ in three if all(reply.outcome in CAME for reply in all_)]
    return Live(
        n=len(came),
        differ=sum(one.text != two.text for one, two, _ in came),
        noise=sum(two.text != three.text for _, two, three in came),
    )


def _request(reference: Reference, max_new_tokens: int, sample: int) -> Request:
    return Request(
        messages=reference.messages,
        max_tokens=max_new_tokens,
        temperature=0,
        sample=sample,
        row=reference.id,
    )
