"""The rows that flow round the loop. Frozen, flat, and JSON in both directions."""

from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


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
    """`out`: left out, as a near copy of a row that its source put in the test set."""


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
    dtype: str = ""
    """Type of the numbers it was computed with; empty where nothing was."""


class Answer(Record):
    """What a model said to one `Example`."""

    example: Example
    text: str
    sample: int = 0
    """Which draw this is, when one prompt is answered several times."""
    finish: Literal["stop", "length"] = "stop"
    """`stop`: ended by its own end of turn. `length`: cut at the token limit."""


class Score(Record):
    """A judge's two marks."""

    similarity: float = Field(ge=0, le=100)
    """0 to 100: how close in meaning to the target."""
    precision: float = Field(ge=0, le=100)
    """0 to 100: how fully it does what the instruction asks."""


class Judgement(Record):
    """A judge's mean over its repeats on one `Answer`."""

    answer: Answer
    score: Score | None
    """None when no reply could be read: unjudged, which is not a score of 0."""
    replies: int
    """How many replies the mean is over."""
    why: tuple[str, ...] = ()
    """One cause for each repeat that gave no score, e.g. `refused: content policy`."""


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

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            completion_tokens=self.completion_tokens + other.completion_tokens,
            usd=self.usd + other.usd,
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


class Reply(Record):
    """What came back for one `Request`."""

    outcome: Outcome
    cause: str = ""
    """Why it is not ok, in the provider's words where there are some."""
    text: str = ""
    usage: Usage = Usage()


class Tally(Record):
    """The calls a stage rests on, counted."""

    stage: str
    calls: int
    outcomes: dict[str, int]
    usage: Usage


class Measure(Record):
    """A share or mean with its interval and how many prompts it is over."""

    name: str
    value: float | None
    """None where n is 0."""
    low: float | None
    high: float | None
    n: int


class Assessment(Record):
    """How one model did on one set of prompts."""

    name: str
    """Which model: `round 1`, `untuned`, ..."""
    prompts: int
    """Prompts asked."""
    coverage: Measure
    """Share of judged prompts at or over both thresholds, in %, Wilson 95 %."""
    similarity: float | None
    precision: float | None
    """Mean over judged prompts of the mean over their answers; None with none judged."""
    unjudged: int
    """Answers without a score."""
    answers: int
    cut: int
    """Answers cut at the token limit."""
    checks: dict[str, float]
    """Share of answers, in %, that pass each check of the task that needs no judge."""
    steps: int
    """Optimiser steps behind the model; 0 for an untuned one."""


class Round(Record):
    """One turn of the loop."""

    number: int
    train_rows: int
    synthetic_rows: int
    dropped: dict[str, int]
    """Fresh rows of the turn before that were dropped, by reason."""
    adapter: str
    """Content digest of the adapter."""
    train: str
    """sha256 of the rows it was tuned on."""
    training: Training
    assessment: Assessment
    usd: float
    """Service dollars up to the end of this turn, at the price when first bought."""
    nearest_test: tuple[float, float] | None = None
    """Largest and 99th percentile similarity of synthetic rows to any test row, 0..1."""


Verdict = Literal["switch", "keep the service", "not enough data"]


class Decision(Record):
    """What the run says should be done, and why."""

    verdict: Verdict
    measure: Measure
    """The figure the verdict hangs on."""
    goal: float
    reasons: tuple[str, ...]


class Result(Record):
    """What a run came to; all that its report says of it."""

    fingerprint: str
    task: str
    service: str
    judge: str
    """Name of the service that judged."""
    local: str
    licence: str
    simulated: bool
    """Whether a simulated service had a part in it."""
    goal: float
    similarity: float
    """Threshold of a covered prompt."""
    precision: float
    rows: dict[str, int]
    """Coverage rows by part of the split."""
    steered_on: str
    """`dev`, or `test` in the paper's protocol."""
    rounds: tuple[Round, ...]
    stopped: Literal["goal", "rounds", "budget"]
    test: Assessment | None
    """The last round's model on the sealed test; None where it was not opened."""
    baselines: tuple[Assessment, ...]
    """Other models on the same test prompts, judged the same way."""
    decision: Decision
    tallies: tuple[Tally, ...]
    """Service calls by stage, over the whole run."""
    note: str = ""
    """What the service said of its own synthetic rows, and how often; empty if nothing."""

    @property
    def usd(self) -> float:
        """Service dollars behind the run, at the price when each call was first bought."""
        return sum(tally.usage.usd for tally in self.tallies)


class Projection(Record):
    """Money over months: the service against a model of one's own."""

    months: tuple[int, ...]
    service_usd: tuple[float, ...]
    """Cumulative, one entry a month in `months`."""
    local_usd: tuple[float, ...]
    break_even_month: float | None
    """None where the local model never pays for itself."""
