"""All references asked again, of the endpoint."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from llamaduo.errors import ServiceError
from llamaduo.parity.heard import CAME, Heard, begins, heard
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
    astray: int
    """Of these, with another answer than the reference where the adapter was asked for."""
    told: bool
    """Whether the base is known to say something else to all of them."""

    @property
    def words(self) -> str:
        """What was seen, for people."""
        return (
            f"{self.differ} of {self.n} greedy answers differ from those without the adapter; "
            f"{self.noise} do between two times without"
        )

    @property
    def against(self) -> str:
        """Why the adapter is not taken for live; "" where it is.

        Where all answers are the references', nothing is held against it: its base may say the
        same to these prompts, or waver. But where the base is known to say something else, some
        answer has to differ.
        """
        if self.differ > 2 * self.noise:
            return ""
        right = self.astray == 0 and (self.differ > 0 or not self.told)
        return "" if right else self.words


def live(
    references: Sequence[Reference],
    base: Sequence[Reference] | None,
    tuned: Caller,
    bare: Caller,
    *,
    max_new_tokens: int,
) -> Live | None:
    """Ask some prompts with the adapter once and without it twice.

    An adapter is taken for live where it differs from the base on more than twice as many
    prompts as the base from itself.

    Args:
        base: what the base says; asked is only where that is something else. None: not known,
            and the first prompts are asked.

    Returns:
        None where no prompt tells the two apart, or none was answered.
    """
    some = apart(references, base)[:PROMPTS]
    now = time.time_ns()
    most = min(max_new_tokens, TOKENS)
    first = tuned.ask([_request(one, most, now) for one in some])
    twice = bare.ask([_request(one, most, now + k) for k in (0, 1) for one in some])
    four = zip(some, first, twice[: len(some)], twice[len(some) :], strict=True)
    came = [all_ for all_ in four if all(reply.outcome in CAME for reply in all_[1:])]
    if not came:
        return None
    return Live(
        n=len(came),
        differ=sum(one.text != two.text for _, one, two, _ in came),
        noise=sum(two.text != three.text for _, _, two, three in came),
        astray=sum(not begins(_said(of, one), of.text) for of, one, _, _ in came),
        told=base is not None,
    )


def apart(references: Sequence[Reference], base: Sequence[Reference] | None) -> Sequence[Reference]:
    """Return the references to which the base says something else; all where it is not known."""
    if base is None:
        return references
    bare = {one.id: one for one in base}
    return [one for one in references if one.id in bare and not begins(bare[one.id], one.text)]


def _said(reference: Reference, reply: Reply) -> Reference:
    finish: Literal["stop", "length"] = "stop" if reply.outcome is Outcome.OK else "length"
    return reference.model_copy(update={"text": reply.text, "finish": finish})


def _request(reference: Reference, max_new_tokens: int, sample: int) -> Request:
    return Request(
        messages=reference.messages,
        max_tokens=max_new_tokens,
        temperature=0,
        sample=sample,
        row=reference.id,
    )
