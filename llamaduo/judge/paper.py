"""The paper's judge: similarity and precision of an answer, the mean of several repeats."""

from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean
from typing import Any, Literal

from pydantic import Field, field_validator

from llamaduo.component import Component
from llamaduo.progress import Progress
from llamaduo.prompt import fill, json_objects
from llamaduo.records import Answer, Judgement, Message, Outcome, Reply, Request, Score
from llamaduo.service import Caller, Service

AT_ONCE = 256
"""Calls handed over at once: a kill loses no reply, only the order of work."""


class PaperJudge(Component):
    """Asks a service for two marks in one JSON object, `repeats` times an answer."""

    service: Service
    prompt: str
    """Template with `{instruction}`, `{target}` and `{answer}`."""
    repeats: int = Field(ge=1)
    """Judge calls per answer; the judgement is their mean."""
    max_tokens: int = Field(ge=1)
    """Tokens of a reply; one that is longer is cut, and its repeat unjudged."""
    temperature: float = Field(ge=0)
    on: Literal["dev", "test"] = "dev"
    """What steers the loop. `test` is the paper's protocol: it looks at the test set every
    round, so the verdict at the end is over-fitted to it."""

    @field_validator("prompt")
    @classmethod
    def _names_its_fields(cls, prompt: str) -> str:
        missing = [f for f in ("{instruction}", "{target}", "{answer}") if f not in prompt]
        if missing:
            raise ValueError(f"the judge would not see {', '.join(missing)}: name it in the prompt")
        return prompt

    def grade(
        self, answers: Sequence[Answer], caller: Caller, *, progress: Progress
    ) -> Iterator[Judgement]:
        """Judge `answers`, in order; equal answers to one prompt are the same calls."""
        wide = max(AT_ONCE // self.repeats, 1)
        with progress.stage("judge", len(answers), "answers") as meter:
            for start in range(0, len(answers), wide):
                batch = answers[start : start + wide]
                requests = [self._request(a, m) for a in batch for m in range(self.repeats)]
                replies = caller.ask(requests, why_unreadable)
                for i, answer in enumerate(batch):
                    yield judgement(answer, replies[i * self.repeats : (i + 1) * self.repeats])
                meter.step(len(batch), note=caller.spend)

    def _request(self, answer: Answer, repeat: int) -> Request:
        text = fill(
            self.prompt,
            instruction=answer.example.instruction,
            target=answer.example.target,
            answer=answer.text,
        )
        return Request(
            messages=(Message(role="user", content=text),),
            max_tokens=self.max_tokens,
            temperature=self.temperature,
            sample=repeat,
            row=answer.example.id,
        )


def judgement(answer: Answer, replies: Sequence[Reply]) -> Judgement:
    """Mean of the replies that hold a score; with none of them the answer is unjudged."""
    scores: list[Score] = []
    why: list[str] = []
    for reply in replies:
        score = read_score(reply.text) if reply.outcome is Outcome.OK else None
        if isinstance(score, Score):
            scores.append(score)
        else:
            why.append(f"{reply.outcome}: {reply.cause}" if reply.cause else str(reply.outcome))
    mean = None
    if scores:
        mean = Score(
            similarity=fmean(s.similarity for s in scores),
            precision=fmean(s.precision for s in scores),
        )
    return Judgement(answer=answer, score=mean, replies=len(scores), why=tuple(why))


def why_unreadable(reply: str) -> str:
    """Return why `reply` holds no score; empty where it holds one."""
    score = read_score(reply)
    return "" if isinstance(score, Score) else score


def read_score(reply: str) -> Score | str:
    """Return the one score in `reply`, or in words why there is none.

    A mark is a number in 0..100 (or the same as text), bare or as `{"score": ...}`.
    """
    objects = [o for o in json_objects(reply) if "similarity" in o or "precision" in o]
    if not objects:
        return "no JSON object with `similarity` and `precision`"
    if len(objects) > 1:
        return f"{len(objects)} JSON objects with scores"
    marks = {}
    for name in ("similarity", "precision"):
        mark = _mark(objects[0].get(name))
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
