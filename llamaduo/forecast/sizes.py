"""How large the requests are that a run would make: built by the very code that makes them.

Judge and synth are handed a caller that asks nobody, and only measures what it is given.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from io import StringIO

from llamaduo.engine.asked import Asked, answers
from llamaduo.flow.window import tokens_of
from llamaduo.judge import Judge
from llamaduo.progress import Progress
from llamaduo.records import Answer, Example, Outcome, Reply, Request
from llamaduo.service import Service
from llamaduo.synth import Synth

PER_MESSAGE = 16
"""Tokens that a provider puts round a message, at most; as a service's upper bound has it."""

UNASKED = Reply(outcome=Outcome.FAILED, cause="nobody was asked: it is only measured")


def reply_tokens(service: Service, request: Request) -> int:
    """Return the tokens that a reply is billed for at most."""
    return request.max_tokens + int(getattr(service, "thinking_tokens", 0))


@dataclass
class Sizes:
    """A caller that asks nobody, and measures what it would have asked."""

    service: Service
    calls: int = 0
    """Requests."""
    bytes: int = 0
    """Of all messages, in UTF-8."""
    reply_tokens: int = 0
    """Of all replies at most: their `max_tokens`, and what may be thought beyond them."""
    usd: float = 0.0
    """What they can cost at most: what a budget reserves for them."""
    largest: int = 0
    """Tokens that the largest of them counts as in a limit of tokens a minute."""
    first: Request | None = None
    _seen: set[int] = field(default_factory=set)

    @property
    def name(self) -> str:
        """What rows would say they are by."""
        return self.service.name

    @property
    def spend(self) -> str:
        """Nothing."""
        return ""

    @property
    def at_once(self) -> int:
        """Requests that it takes at once; how many changes nothing."""
        return 256

    @property
    def different(self) -> int:
        """Requests that are not the same as another one, so calls."""
        return len(self._seen)

    @property
    def prompt_tokens(self) -> int:
        """Tokens that prompts have at most: no token is shorter than a byte."""
        return self.bytes + PER_MESSAGE * self.calls

    def ask(
        self, requests: Sequence[Request], reads: Callable[[Request, str], str] = lambda r, t: ""
    ) -> list[Reply]:
        """Measure `requests`; no reply holds anything."""
        for request in requests:
            self.first = self.first or request
            self.calls += 1
            self.bytes += sum(len(message.content.encode()) for message in request.messages)
            self.reply_tokens += reply_tokens(self.service, request)
            self.largest = max(self.largest, tokens_of(request, self.service.limits))
            self.usd += self.service.upper_bound_usd(request)
            self._seen.add(hash((request.messages, request.sample)))
        return [UNASKED for _ in requests]


@dataclass(frozen=True)
class Four:
    """The requests of a stage, in four cases of lengths and numbers; see `figures.Range`."""

    least: Sizes
    low: Sizes
    high: Sizes
    most: Sizes


def alike(sizes: Sizes) -> Four:
    """Return requests that are known."""
    return Four(sizes, sizes, sizes, sizes)


def judged(judge: Judge, given: Sequence[Answer]) -> dict[str, Sizes]:
    """Measure what judging `given` asks of each service, with no repeat spared."""
    sizes = {name: Sizes(service) for name, service in judge.services.items()}
    for _ in judge.grade(given, sizes, stop=None, progress=Progress(StringIO())):
        pass
    return sizes


def turns(judge: Judge, row: Example) -> Mapping[str, int]:
    """Return how many calls one answer takes of each service, with no repeat spared."""
    answer = Answer(example=row, text=row.target)
    return {name: sizes.calls for name, sizes in judged(judge, [answer]).items()}


def written(
    synth: Synth, service: Service, seeds: Sequence[Example], *, topic: str, number: int, seed: int
) -> Sizes:
    """Measure what writing rows after round `number` asks."""
    sizes = Sizes(service)
    for _ in synth.write(
        seeds,
        sizes,
        topic=topic,
        number=number,
        seed=seed,
        done=(),
        progress=Progress(StringIO()),
    ):
        pass
    return sizes


def asked(how: Asked, prompts: Sequence[Example], samples: int) -> Sizes:
    """Measure what having `prompts` answered asks."""
    sizes = Sizes(how.service)
    for _ in answers(prompts, sizes, how, samples=samples, done=(), progress=Progress(StringIO())):
        pass
    return sizes
