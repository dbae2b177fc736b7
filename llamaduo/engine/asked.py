"""Answers of a model behind an API: an endpoint one has, or the service itself."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from llamaduo.progress import Progress
from llamaduo.records import Answer, Example, Outcome, Reply, Request
from llamaduo.service import Caller, Service

AT_ONCE = 256
"""Calls handed over at once: a kill loses no reply, only the order of work."""


@dataclass(frozen=True)
class Asked:
    """Whom to ask, and how."""

    service: Service
    max_tokens: int
    """Tokens of an answer; one that is longer is cut, and counted. A service that thinks
    does so within them."""
    temperature: float

    @property
    def where(self) -> str:
        """The model's name there and its address, as far as the service tells them."""
        parts = (getattr(self.service, name, None) for name in ("model", "api_base"))
        return " at ".join(str(part) for part in parts if part)


def answers(
    prompts: Sequence[Example],
    caller: Caller,
    how: Asked,
    *,
    samples: int,
    done: Sequence[Answer],
    progress: Progress,
) -> Iterator[Answer]:
    """Have every prompt answered `samples` times, in order.

    A refused, filtered or failed call is an answer that did not come: it stays in the
    count, and is unjudged.

    Args:
        done: answers a killed process had got; they are not given again.
    """
    asked = [(row, k) for row in prompts for k in range(samples)][len(done) :]
    with progress.stage("answer", len(prompts) * samples, "answers", done=len(done)) as meter:
        for start in range(0, len(asked), AT_ONCE):
            batch = asked[start : start + AT_ONCE]
            requests = [
                Request(
                    messages=row.messages,
                    max_tokens=how.max_tokens,
                    temperature=how.temperature,
                    sample=k,
                    row=row.id,
                )
                for row, k in batch
            ]
            for (row, k), reply in zip(batch, caller.ask(requests), strict=True):
                yield _answer(row, k, reply)
            meter.step(len(batch), note=caller.spend)


def _answer(row: Example, sample: int, reply: Reply) -> Answer:
    if reply.outcome is Outcome.OK:
        return Answer(example=row, text=reply.text, sample=sample)
    if reply.outcome is Outcome.TRUNCATED and reply.text:
        return Answer(example=row, text=reply.text, sample=sample, finish="length")
    why = f"{reply.outcome}: {reply.cause}" if reply.cause else str(reply.outcome)
    return Answer(example=row, text="", sample=sample, finish="none", why=f"no answer, {why}")
