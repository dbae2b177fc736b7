"""What the tests of the judge start from: a judge, answers, and a caller that plays a service."""

import io
import json
from collections.abc import Callable, Sequence
from typing import Any

from llamaduo.component import Component
from llamaduo.judge import Stop
from llamaduo.judge.marks import MarksJudge
from llamaduo.judge.paper import PaperJudge
from llamaduo.progress import Progress
from llamaduo.records import Answer, Example, Judgement, Message, Outcome, Reply, Request
from llamaduo.service import Heard, Limits

PROMPT = (
    'Grade {answer} to {instruction} by {target}, as {"tag": "{tag}", "similarity": <n>, '
    '"precision": <n>}.'
)
TAG = "5ca1ab1e"


class Nobody(Component):
    """A service that is never reached: the judge is given a caller."""

    name: str = "nobody"
    kind: str = ""
    """Tells services apart that are not the same."""
    simulated: bool = False
    concurrency: int = 1
    attempts: int = 1
    backoff: float = 0.0

    @property
    def structured(self) -> bool:
        return False

    @property
    def limits(self) -> Limits:
        return Limits(payee=self.name)

    def faults(self) -> list[str]:
        return []

    def upper_bound_usd(self, request: Request) -> float:
        return 0.0

    async def attempt(self, request: Request, seed: int, once: str) -> Heard:
        raise AssertionError("a stage reaches no service")


class Scripted:
    """A caller that gives the same replies in turn, for ever, and keeps what it was asked.

    TAG in a reply becomes the tag of the request it is for.
    """

    name = "scripted"
    spend = "$0"
    at_once = 256

    def __init__(self, *replies: str | Reply) -> None:
        self.replies = replies
        self.asked: list[Request] = []
        self.batches: list[int] = []

    def ask(
        self,
        requests: Sequence[Request],
        reads: Callable[[Request, str], str] = lambda request, text: "",
    ) -> list[Reply]:
        told = []
        for request in requests:
            said = self.replies[len(self.asked) % len(self.replies)]
            self.asked.append(request)
            if isinstance(said, str):
                text = said.replace(TAG, request.tag)
                why = reads(request, text)
                said = Reply(
                    outcome=Outcome.UNREADABLE if why else Outcome.OK, cause=why, text=text
                )
            told.append(said)
        self.batches.append(len(requests))
        return told


def judge(repeats: int = 1, prompt: str = PROMPT, **fields: Any) -> PaperJudge:
    return PaperJudge(
        service=Nobody(), prompt=prompt, repeats=repeats, max_tokens=9, temperature=0.5, **fields
    )


def answer(text: str = "Here.", name: str = "a", sample: int = 0) -> Answer:
    row = Example(id=name, messages=(Message(role="user", content="Where?"),), target="There.")
    return Answer(example=row, text=text, sample=sample)


def graded(
    by: MarksJudge, answers: Sequence[Answer], *callers: Scripted, stop: Stop | None = None
) -> list[Judgement]:
    """Have `by` judge, asking a caller for each of its services."""
    desks = dict(zip(by.services, callers, strict=True))
    return list(by.grade(answers, desks, stop=stop, progress=Progress(io.StringIO())))


def grade(caller: Scripted, *answers: Answer, repeats: int = 1) -> list[Judgement]:
    return graded(judge(repeats), answers, caller)


def request() -> Request:
    return Request(messages=(), max_tokens=1, temperature=1, tag=TAG)


def marks(similarity: Any, precision: Any, tag: str = TAG) -> str:
    return json.dumps({"tag": tag, "similarity": similarity, "precision": precision})
