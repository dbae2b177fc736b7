"""Two marks of an answer by one or more services, the mean of several repeats.

What is judged is hostile until shown otherwise: each text stands between marks that carry a
tag it cannot know, since the tag is a digest of it, and of a reply only the object that
repeats the tag is read. Nothing a candidate says can end its fence or pass for a verdict.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Literal, Self

from pydantic import Field, field_validator

from llamaduo.audit.repeats import by_member
from llamaduo.component import Component, DataFile, digest
from llamaduo.judge import Stop
from llamaduo.judge.stopping import FEWEST, Tallies, to_judge_again
from llamaduo.progress import Progress
from llamaduo.prompt import fill, tagged_objects
from llamaduo.records import Answer, Judgement, Mark, Message, Outcome, Reply, Request, Score
from llamaduo.service import Caller, Service

HOLES = ("{instruction}", "{target}", "{answer}", "{tag}")

_UNSEEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f\U000e0100-\U000e01ef]|\r(?!\n)"
)
"""Characters that nobody sees: controls, breaks that are no newline, turns of direction, halves,
and the letters of the tag block, which people cannot read and some models can."""


_MARK: dict[str, Any] = {
    "type": "object",
    "properties": {"reason": {"type": "string"}, "score": {"type": "integer"}},
    "required": ["reason", "score"],
    "additionalProperties": False,
}
FORM: dict[str, Any] = {
    "type": "object",
    "properties": {"tag": {"type": "string"}, "similarity": _MARK, "precision": _MARK},
    "required": ["tag", "similarity", "precision"],
    "additionalProperties": False,
}
"""JSON schema of a verdict. It is the same for all answers, since providers prepare each new one
for seconds; so it does not hold the tag, and no limits of a score, which some do not take."""


@dataclass(frozen=True)
class Given:
    """What one call came to."""

    mark: Mark | None
    why: str = ""
    """Why there is no mark."""


class MarksJudge(Component, ABC):
    """Asks for two marks in one JSON object, `repeats` times an answer."""

    prompt: str
    """Template with `{instruction}`, `{target}`, `{answer}` and `{tag}`. The three texts come
    with their fences; the reply has to repeat the tag."""
    repeats: int = Field(ge=1)
    """Calls to each service per answer; the judgement is their mean."""
    early_stop: bool = True
    """Spare repeats that could not change the verdict; each answer still gets two."""
    max_tokens: int = Field(ge=1)
    """Tokens of a reply; one that is longer is cut, and its repeat unjudged."""
    temperature: float = Field(ge=0)
    on: Literal["dev", "test"] = "dev"
    """What steers the loop. `test` is the paper's protocol: it looks at the test set every
    round, and the error level is shared out over the looks."""
    audit: int = Field(30, ge=0)
    """Test prompts on which the judge itself is questioned; 0 trusts it unseen."""
    human: DataFile | None = None
    """Answers that a person scored, JSON lines; the judge's marks are held against them."""

    @property
    @abstractmethod
    def services(self) -> Mapping[str, Service]:
        """The services that judge, by the name their marks carry."""

    @property
    def name(self) -> str:
        """What reports call it."""
        return " + ".join(service.name for service in self.services.values())

    @field_validator("prompt")
    @classmethod
    def _names_its_fields(cls, prompt: str) -> str:
        missing = [hole for hole in HOLES if hole not in prompt]
        if missing:
            raise ValueError(f"the judge would not see {', '.join(missing)}: name it in the prompt")
        if isinstance(read_score(fill(prompt, tag="a tag"), "a tag"), Score):
            raise ValueError(
                "its example would pass for a verdict where a judge repeats it: write a word, "
                "such as <1 to 100>, where the marks stand"
            )
        return prompt

    def with_repeats(self, repeats: int) -> Self:
        """Return the same judge, asking each service so often for an answer at most."""
        return self.model_copy(update={"repeats": min(repeats, self.repeats)})

    def grade(
        self,
        answers: Sequence[Answer],
        callers: Mapping[str, Caller],
        *,
        stop: Stop | None,
        progress: Progress,
    ) -> Iterator[Judgement]:
        """Judge `answers`, in order; equal answers to one prompt are the same calls."""
        if stop is not None and self.early_stop and self.repeats > FEWEST:
            yield from self._by_turns(answers, callers, stop, progress)
            return
        wide = _answers_at_once(callers, self.repeats)
        with progress.stage("judge", len(answers), "answers") as meter:
            for start in range(0, len(answers), wide):
                batch = answers[start : start + wide]
                asked = self._ask(batch, range(self.repeats), callers)
                for answer, came in zip(batch, asked, strict=True):
                    yield judgement(answer, came)
                meter.step(len(batch), note=_spend(callers))

    def _by_turns(
        self,
        answers: Sequence[Answer],
        callers: Mapping[str, Caller],
        stop: Stop,
        progress: Progress,
    ) -> Iterator[Judgement]:
        """Ask for one more repeat of all that is open, until nothing is.

        The ledger keeps what a kill would lose: a second start asks the same again, free.
        """
        so_far: list[list[Given]] = [[] for _ in answers]
        categories = {answer.example.id: answer.example.category for answer in answers}
        number = {name: i for i, name in enumerate(categories)}
        prompt_of = [number[answer.example.id] for answer in answers]
        members = {name: place for place, name in enumerate(callers)}
        cells = [prompt for prompt in prompt_of for _ in members]
        seen = Tallies(cells, list(categories.values()))
        asked = [0] * len(answers)
        again, turn = list(range(len(answers))), range(FEWEST)
        wide = _answers_at_once(callers, FEWEST)
        with progress.stage("judge", self.repeats * len(answers), "repeats") as meter:
            while again:
                for start in range(0, len(again), wide):
                    some = again[start : start + wide]
                    fresh = self._ask([answers[i] for i in some], turn, callers)
                    for i, came in zip(some, fresh, strict=True):
                        so_far[i] += came
                        for mark in marks_of(came):
                            seen.add(i * len(members) + members[mark.by], mark)
                        asked[i] = turn.stop
                    meter.step(len(some) * len(turn), note=_spend(callers))
                if turn.stop == self.repeats:
                    break
                still = set(to_judge_again(seen, self.repeats, stop))
                again = [i for i, prompt in enumerate(prompt_of) if prompt in still]
                turn = range(turn.stop, turn.stop + 1)
        for answer, came, times in zip(answers, so_far, asked, strict=True):
            spared = 0 if answer.finish == "none" else self.repeats - times
            yield judgement(answer, came, spared * len(callers))

    def _ask(
        self, answers: Sequence[Answer], repeats: range, callers: Mapping[str, Caller]
    ) -> list[list[Given]]:
        """Return what the calls on each answer came to, the members' side by side."""
        requests = [
            self.request(answer, repeat)
            for answer in answers
            if answer.finish != "none"
            for repeat in repeats
        ]
        replies = [
            [given(request, reply, name) for request, reply in zip(requests, asked, strict=True)]
            for name, asked in ((n, c.ask(requests, reads)) for n, c in callers.items())
        ]
        turns = iter(zip(*replies, strict=True))
        return [
            [] if answer.finish == "none" else [one for _ in repeats for one in next(turns)]
            for answer in answers
        ]

    def request(self, answer: Answer, repeat: int) -> Request:
        """Return what is asked of one answer for one repeat."""
        row = answer.example
        tag = digest(row.instruction, row.target, answer.text)
        text = fill(
            self.prompt,
            instruction=fence("instruction", tag, row.instruction),
            target=fence("reference", tag, row.target),
            answer=fence("candidate", tag, answer.text),
            tag=tag,
        )
        return Request(
            messages=(Message(role="user", content=text),),
            max_tokens=self.max_tokens,
            temperature=self.temperature,
            sample=repeat,
            row=row.id,
            tag=tag,
            form=FORM,
        )


def fence(name: str, tag: str, text: str) -> str:
    """Put `text` between marks; what nobody would see in it is written out."""
    seen = _UNSEEN.sub(lambda found: _written_out(ord(found[0])), text)
    return f"<{name}-{tag}>\n{seen}\n</{name}-{tag}>"


def _written_out(code: int) -> str:
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def judgement(answer: Answer, came: Sequence[Given], spared: int = 0) -> Judgement:
    """Mean over the services of each one's mean; with no marks the answer is unjudged."""
    marks = marks_of(came)
    by = by_member(marks)
    mean = None
    if marks:
        mean = Score(
            similarity=fmean(fmean(m.similarity for m in of) for of in by.values()),
            precision=fmean(fmean(m.precision for m in of) for of in by.values()),
        )
    why = [answer.why] if answer.finish == "none" else [one.why for one in came if not one.mark]
    return Judgement(answer=answer, score=mean, marks=tuple(marks), why=tuple(why), spared=spared)


def marks_of(came: Sequence[Given]) -> list[Mark]:
    """Return the marks among what calls came to."""
    return [one.mark for one in came if one.mark is not None]


def given(request: Request, reply: Reply, by: str) -> Given:
    """Read one reply; without a mark, in words why, and of a panel, whose."""
    whose = f"{by}: " if by else ""
    cause = f"{reply.outcome}: {reply.cause}" if reply.cause else str(reply.outcome)
    if reply.outcome is not Outcome.OK:
        return Given(None, whose + cause)
    found = read_score(reply.text, request.tag)
    if isinstance(found, str):
        return Given(None, f"{whose}{Outcome.UNREADABLE}: {found}")
    return Given(Mark(similarity=found.similarity, precision=found.precision, by=by))


def reads(request: Request, reply: str) -> str:
    """Return why `reply` holds no score; empty where it holds one."""
    score = read_score(reply, request.tag)
    return "" if isinstance(score, Score) else score


def read_score(reply: str, tag: str) -> Score | str:
    """Return the score in the object of `reply` that repeats `tag`, or why there is none.

    A mark is a number in 0..100 (or the same as text), bare or as `{"score": ...}`. An
    object without the tag is something the judge quotes, and is passed over.
    """
    found = tagged_objects(reply, tag)
    if not found:
        return "no JSON object that repeats the tag"
    scores = [_score(one) for one in found]
    if any(score != scores[0] for score in scores):
        return f"{len(found)} JSON objects repeat the tag"
    return scores[0]


def _score(found: Mapping[str, Any]) -> Score | str:
    marks = {}
    for name in ("similarity", "precision"):
        mark = _mark(found.get(name))
        if mark is None:
            return f"`{name}` is no number in 0..100"
        marks[name] = mark
    return Score(**marks)


def _mark(value: Any) -> float | None:
    if isinstance(value, Mapping):
        value = value.get("score")
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 100:
        return None
    return float(value)


def _answers_at_once(callers: Mapping[str, Caller], repeats: int) -> int:
    """Return how many answers are judged at once, so often each, by all members of a panel."""
    calls = min(caller.at_once for caller in callers.values())
    return max(calls // (repeats * len(callers)), 1)


def _spend(callers: Mapping[str, Caller]) -> str:
    """Return the run's spend: every caller of a run says the same."""
    return next(iter(callers.values())).spend
