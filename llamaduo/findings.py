"""What a run finds out: measures with intervals, rounds, the audit, the decision, the cost."""

from typing import Literal

from llamaduo.curves import Curve as Curve
from llamaduo.curves import Point as Point
from llamaduo.curves import Reach as Reach
from llamaduo.projection import Projection as Projection
from llamaduo.records import Record, Tally, Training

Verdict = Literal["switch", "keep the service", "not enough data"]


class Measure(Record):
    """A share or mean with its interval and how many prompts it is over."""

    name: str
    value: float | None
    """None where n is 0."""
    low: float | None
    high: float | None
    n: int
    level: float = 0.95
    """Of the two-sided interval."""


class Category(Record):
    """One category of prompts."""

    name: str
    prompts: int
    """Prompts asked."""
    coverage: Measure
    """Of the judged ones, at a level corrected for the number of categories."""


class Assessment(Record):
    """How one model did on one set of prompts."""

    name: str
    """Which model: `round 1`, `untuned`, ..."""
    prompts: int
    """Prompts asked."""
    coverage: Measure
    """Share of judged prompts at or over both thresholds, in %."""
    similarity: Measure
    precision: Measure
    """Mean over judged prompts of the mean over their answers, 0..100."""
    unjudged: int
    """Answers without a score."""
    answers: int
    cut: int
    """Answers cut at the token limit."""
    missing: int = 0
    """Prompts that were asked and not answered: refused, filtered, failed. Part of `unjudged`."""
    checks: dict[str, Measure]
    """Share of answers, in %, that pass each check of the task that needs no judge."""
    categories: tuple[Category, ...] = ()
    """Where there are two or more."""
    marks: int = 0
    """Replies of the judge that gave marks."""
    spared: int = 0
    """Replies that were not asked for, since they could not have changed the verdict."""
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


class PairedCategory(Record):
    """The pairs of one category that differ between two models."""

    name: str
    only_ours: int
    only_theirs: int
    n: int
    """Prompts judged for both."""


class Compared(Record):
    """The decided model against another on the same prompts, pair by pair."""

    name: str
    """Of the other model."""
    only_ours: int
    """Prompts, of those judged for both, that only the decided model covers."""
    only_theirs: int
    """Prompts that only the other covers."""
    categories: tuple[PairedCategory, ...] = ()
    """Where there are two or more."""
    coverage: Measure
    """Difference of coverage in points; above 0 where the decided model is better."""
    similarity: Measure
    precision: Measure
    """Differences of the mean marks, in points."""
    match: Measure
    """P-Match: its mean precision in % of the other's."""


class CategoryVerdict(Record):
    """The verdict on one category of prompts, at a level corrected for their number."""

    category: str
    verdict: Verdict
    measure: Measure


class Decision(Record):
    """What the run says should be done, and why."""

    verdict: Verdict
    measure: Measure
    """The figure the verdict hangs on: coverage, or its difference to the service's."""
    goal: float
    """What the measure has to reach: %, or points under the service's where negative."""
    reasons: tuple[str, ...]
    needed: int | None = None
    """Test prompts that would settle it with a power of 80 %, if the measure is the truth."""
    blocked: tuple[str, ...] = ()
    """Why a switch is not said though the figures would allow it."""
    categories: tuple[CategoryVerdict, ...] = ()

    @property
    def beside(self) -> bool:
        """Whether the measure is a distance to the service's coverage, and the goal a margin."""
        return self.goal < 0


class Finding(Record):
    """One question that was put to the judge about itself."""

    name: str
    """E.g. `spread between repeats`."""
    value: float | None
    """None for a plain fact, and where it could not be measured; `says` has the cause."""
    low: float | None = None
    """Of the interval at the audit's level, 99 %."""
    high: float | None = None
    n: int
    """Prompts, pairs of texts, or answers a person scored, that it is measured on."""
    unit: str = ""
    """Of value and interval, e.g. `points`; empty for a plain fact."""
    flagged: bool = False
    """Whether it speaks against relying on the judge."""
    says: str
    """What was found, in words, with the limit it was held against."""


class Audit(Record):
    """What is known of the judge itself."""

    judge: str
    findings: tuple[Finding, ...]
    unjudged: dict[str, int]
    """Judge calls without marks, by outcome and cause."""

    @property
    def flags(self) -> tuple[str, ...]:
        """What speaks against relying on it, in words."""
        return tuple(finding.says for finding in self.findings if finding.flagged)


class Opening(Record):
    """A time that the sealed test was looked at."""

    run: str
    """Fingerprint."""
    model: str
    """E.g. `round 1`."""
    adapter: str
    """Content digest; a model that is looked at again is on record once."""
    prompts: int = 0
    """Prompts of this run's test that it has seen: all, or some where rows came or went."""


class Trial(Record):
    """One set of settings that was tried, and what came of it."""

    number: int
    """From 0 on; the first has the settings as given. A trial that was taken over keeps its."""
    settings: dict[str, bool | int | float | str | None]
    """By dotted key."""
    state: Literal["complete", "pruned", "failed"]
    stopped: Literal["", "tuning", "judging"] = ""
    """Where a pruned trial was stopped."""
    error: str = ""
    """Why a failed one could not be tuned or judged."""
    dev: Assessment | None = None
    """On dev; None where nothing was judged, or not all."""
    looked_at: int = 0
    """Prompts of dev that were judged, of a pruned trial too."""
    dev_loss: float | None = None
    """Lowest loss on dev; None where it was not looked at."""
    curve: dict[int, float] = {}
    """Loss on dev by optimiser step."""
    tokens: int | None = None
    """That tuning worked through; None where it did not end."""


class Searched(Record):
    """What a search came to."""

    objective: Literal["coverage", "dev_loss", "coverage_and_cost"]
    wanted: int
    """Finished trials that were asked for."""
    points: int | None = None
    """Settings that there are in all, where they are fewer than `wanted`."""
    trials: tuple[Trial, ...]
    """Finished ones, by number; the first has the settings as given."""
    best: int
    """Number of the trial whose settings tune every round."""
    front: tuple[int, ...] = ()
    """With two objectives, the trials that no other beats in both; by rising tokens."""
    importance: dict[str, float] = {}
    """Share of what the settings explain of the objective, most first; empty with few trials."""

    def trial(self, number: int) -> Trial:
        """Return the trial of that number."""
        return next(trial for trial in self.trials if trial.number == number)


class Result(Record):
    """What a run came to; all that its report says of it."""

    fingerprint: str
    task: str
    service: str
    judge: str
    """Name of the service that judged, or of all in a panel."""
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
    test_set: str = ""
    """Digest of the test prompts and targets; empty in results of before there was one."""
    steered_on: str
    """`dev`, or `test` in the paper's protocol."""
    rounds: tuple[Round, ...]
    stopped: Literal["goal", "rounds", "budget", "plateau", "nothing to tune"]
    """What ended the loop. `budget` only where it ended in the loop."""
    unfinished: str = ""
    """Why not all was judged; empty where all was."""
    test: Assessment | None
    """The last round's model on the sealed test; None where it was not opened."""
    baselines: tuple[Assessment, ...]
    """Other models on the same test prompts, judged the same way."""
    compared: tuple[Compared, ...] = ()
    """The decided model against each of them."""
    audit: Audit | None = None
    """Of the judge; None where the test was not judged, or no audit was asked for."""
    openings: tuple[Opening, ...] = ()
    """Every look at this test set, of all runs under this home, oldest first."""
    decision: Decision
    tallies: tuple[Tally, ...]
    """Service calls by stage, over the whole run."""
    note: str = ""
    """What the service said of its own synthetic rows, and how often; empty if nothing."""
    searched: Searched | None = None
    """The search whose best settings tuned every round; None where there was none."""

    @property
    def usd(self) -> float:
        """Service dollars behind the run, at the price when each call was first bought."""
        return sum(tally.usage.usd for tally in self.tallies)
