"""The rows that flow round the loop. Frozen, flat, and JSON in both directions."""

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


def writable(text: str) -> str:
    """Return a text as files and databases can hold it: half a surrogate pair becomes `?`."""
    return text.encode("utf-8", "replace").decode("utf-8")


Said = Annotated[str, BeforeValidator(lambda said: writable(said) if type(said) is str else said)]
"""A text from outside, which may have been cut in the middle of a character."""


class Record(BaseModel):
    """A row: immutable, no key beyond its fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Message(Record):
    """One turn of a chat."""

    role: Literal["system", "user", "assistant"]
    content: str


class Origin(Record):
    """Where a row came from."""

    by: str = "coverage"
    """`coverage`, or the name of the service that wrote the row."""
    seeds: tuple[str, ...] = ()
    """Ids of the rows it was written in the likeness of."""
    prompt: str = ""
    """Digest of the template that asked for it; empty for coverage rows."""
    note: str = ""
    """What the writer said about the row, in its own words."""


class Example(Record):
    """A prompt as a chat, and the answer users were satisfied with."""

    id: str
    messages: tuple[Message, ...]
    """The prompt: system turn and earlier turns kept, the answer left out."""
    target: str
    category: str = ""
    """The stratum of the split; one empty string when the task has none."""
    origin: Origin = Origin()

    @property
    def instruction(self) -> str:
        """The prompt as one text: its turns, joined by blank lines."""
        return "\n\n".join(m.content for m in self.messages)

    @property
    def question(self) -> str:
        """The prompt without its system turns, which many rows share; what near copies share."""
        return "\n\n".join(m.content for m in self.messages if m.role != "system")


Part = Literal["train", "dev", "test", "out"]


class Placed(Record):
    """A coverage row and the part of the split it stands in."""

    example: Example
    part: Part
    """`out`: left out, as a near copy of a row that its source put in the test set, or as more
    than `task.volume` asks for."""


class Sifted(Record):
    """A fresh row after deduplication: kept, or dropped for a reason."""

    example: Example
    dropped: str = ""
    """Empty for a kept row; else why it went, e.g. `near copy of test`."""
    nearest: str = ""
    """Id of the known row most like it; empty where none shares a shingle."""
    similarity: float = 0.0
    """Jaccard similarity to `nearest`, 0..1."""
    nearest_test: float = 0.0
    """Jaccard similarity to the most similar test row, 0..1."""


class Training(Record):
    """What tuning came to; `training.json` beside an adapter."""

    rows: int
    """Rows tuned on."""
    too_long: tuple[str, ...]
    """Ids of the rows that did not fit, and were left out."""
    steps: int
    """Optimiser steps; 0 for an untuned model."""
    loss: float | None
    """Mean of the last ten steps' loss; None where there was no step."""
    tokens: int = 0
    """Tokens of prompts and answers that went through in all steps, padding left out."""
    kept_step: int = 0
    """Step whose adapter this is: the last, or the one with the lowest loss on dev."""
    dev_rows: int = 0
    """Dev rows the loss was measured on; 0 where dev was not looked at."""
    dev_loss: float | None = None
    """Loss of the kept adapter on them, in nats per answer token."""
    looks: tuple[tuple[int, float], ...] = ()
    """(step, loss) of every look at them."""
    dtype: str = ""
    """Type of the numbers it was computed with; empty where nothing was."""


class Answer(Record):
    """What a model said to one `Example`."""

    example: Example
    text: str
    sample: int = 0
    """Which draw this is, when one prompt is answered several times."""
    finish: Literal["stop", "length", "none"] = "stop"
    """`stop`: ended by its own end of turn. `length`: cut at the token limit. `none`: no
    answer came, and there is nothing to judge."""
    why: str = ""
    """Why no answer came, e.g. `refused: content policy`."""


class Score(Record):
    """A judge's two marks."""

    similarity: float = Field(ge=0, le=100)
    """0 to 100: how close in meaning to the target."""
    precision: float = Field(ge=0, le=100)
    """0 to 100: how fully it does what the instruction asks."""


class Mark(Score):
    """The two marks of one reply of a judge."""

    by: str = ""
    """Which member of a panel gave them; empty with one judge."""


class Judgement(Record):
    """A judge's mean over its repeats on one `Answer`."""

    answer: Answer
    score: Score | None
    """None when no reply could be read: unjudged, which is not a score of 0."""
    marks: tuple[Mark, ...] = ()
    """Of every reply that could be read, in the order they were asked for."""
    why: tuple[str, ...] = ()
    """One cause for each repeat that gave no score, e.g. `refused: content policy`."""
    spared: int = 0
    """Repeats that were not asked for, since they could not have changed the verdict."""


class Outcome(StrEnum):
    """How a call to a service ended."""

    OK = "ok"
    UNREADABLE = "unreadable"
    TRUNCATED = "truncated"
    REFUSED = "refused"
    FILTERED = "filtered"
    FAILED = "failed"


class Usage(Record):
    """Tokens and dollars. `usd` is what the calls cost when they were first bought."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    usd: float = 0.0
    cached_tokens: int = 0
    """Of the prompt tokens, those that came out of the provider's cache."""
    cache_write_tokens: int = 0
    """Of the prompt tokens, those that were written into it."""
    thinking_tokens: int = 0
    """Of the completion tokens, those that were thought and not said."""

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            completion_tokens=self.completion_tokens + other.completion_tokens,
            usd=self.usd + other.usd,
            cached_tokens=self.cached_tokens + other.cached_tokens,
            cache_write_tokens=self.cache_write_tokens + other.cache_write_tokens,
            thinking_tokens=self.thinking_tokens + other.thinking_tokens,
        )


class Request(Record):
    """One question to a service."""

    messages: tuple[Message, ...]
    max_tokens: int
    temperature: float
    sample: int = 0
    """Tells repeats of one question apart: ten repeats are ten samples, and ten calls."""
    row: str = ""
    """Id of the row it is asked for; not part of what is sent."""
    tag: str = ""
    """What the reply has to repeat, so that no text it quotes passes for it; part of what is
    sent only where a message holds it."""
    form: dict[str, Any] | None = None
    """JSON schema that the reply should satisfy; part of what is sent, and of the call's key, only
    with a service that is asked for structured replies."""

    def __hash__(self) -> int:
        return hash((self.messages, self.max_tokens, self.temperature, self.sample, self.row))


class Reply(Record):
    """What came back for one `Request`."""

    outcome: Outcome
    cause: Said = ""
    """Why it is not ok, in the provider's words where there are some."""
    text: Said = ""
    usage: Usage = Usage()
    model: Said = ""
    """What the provider says answered; empty where it does not say."""


class Tally(Record):
    """The calls a stage rests on, counted."""

    stage: str
    calls: int
    outcomes: dict[str, int]
    usage: Usage
    unproven: float = 0.0
    """Dollars, at most, that tries may have cost of which nobody saw the end."""
    by_others: dict[str, int] = {}
    """Replies by models of another name than was asked, by that name."""
