"""Answers of a model behind an API: an endpoint one has, or the service itself."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from llamaduo.local import LocalModel
from llamaduo.progress import Progress
from llamaduo.records import Answer, Example, Message, Outcome, Reply, Request
from llamaduo.service import Caller, Service


class Proof(Protocol):
    """Shows that who answers is who is meant, where a server would not say."""

    @property
    def beside(self) -> Service:
        """Whom to ask too: the same server without what has to be shown."""
        ...

    def show(
        self,
        prompts: Sequence[Example],
        caller: Caller,
        beside: Caller,
        *,
        local: LocalModel,
        progress: Progress,
    ) -> None:
        """Ask both, now and not from memory, and say what was seen.

        Args:
            prompts: as they are sent.

        Raises:
            ModelError: if another answers.
        """
        ...


WHERE = ("model", "adapter", "api_base", "url")
"""What services call the model there, and their address."""


@dataclass(frozen=True)
class Asked:
    """Whom to ask, and how."""

    service: Service
    max_tokens: int
    """Tokens of an answer; one that is longer is cut, and counted. A service that thinks
    does so within them."""
    temperature: float
    as_text: bool = False
    """Whether a prompt is sent as the text of the local model's own template, in one message;
    else as a chat, which the server lays out."""
    proof: Proof | None = None
    """What to show before the first answer."""

    @property
    def where(self) -> str:
        """The model's name there and its address, as far as the service tells them."""
        parts = (getattr(self.service, name, None) for name in WHERE)
        return " at ".join(str(part) for part in parts if part)


def as_sent(prompts: Sequence[Example], how: Asked, local: LocalModel) -> list[Example]:
    """Return the prompts with the messages that are sent.

    Raises:
        ModelError: if a server that is sent text would answer another prompt than was tuned on.
    """
    if not how.as_text:
        return list(prompts)
    from llamaduo.local.as_text import as_text
    from llamaduo.local.load import template

    ours = template(local)
    texts = [as_text(ours, row.messages) for row in prompts]
    return [
        row.model_copy(update={"messages": (Message(role="user", content=text),)})
        for row, text in zip(prompts, texts, strict=True)
    ]


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
        for start in range(0, len(asked), caller.at_once):
            batch = asked[start : start + caller.at_once]
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
