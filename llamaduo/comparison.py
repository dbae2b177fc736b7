"""Several runs side by side: what they came to, pair by pair, by judge, by volume. Pure.

Only runs with one yardstick are set against each other: the same task, test set and
thresholds. Which judge marked is no part of it, since how much that matters is a question.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from llamaduo.findings import Measure, Result, Verdict
from llamaduo.metrics import covered, difference, mean
from llamaduo.records import Record, Score
from llamaduo.scores import ScoreRow

SHORT = 8
"""Digits of a fingerprint that tables show."""


@dataclass(frozen=True)
class Finished:
    """A run that is over: its result, and what every prompt of it scored."""

    result: Result
    scores: tuple[ScoreRow, ...] = ()
    """Empty where they were not kept."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """What it was made with, by dotted key; empty where that was not kept."""

    @property
    def name(self) -> str:
        """What tables call it: the beginning of its fingerprint."""
        return self.result.fingerprint[:SHORT]

    @property
    def rows(self) -> int:
        """Rows that the decided model was tuned on."""
        return self.result.rounds[-1].train_rows if self.result.rounds else 0

    def of(self, model: str, part: str) -> dict[str, ScoreRow]:
        """Return the judged prompts of one model and part, by id."""
        return {
            row.id: row
            for row in self.scores
            if (row.model, row.part) == (model, part) and row.score is not None
        }

    @property
    def decided(self) -> dict[str, Score]:
        """Marks of the decided model on the sealed test, by prompt; empty if not opened."""
        test = self.result.test
        found = self.of(test.name, "test") if test else {}
        return {name: row.score for name, row in found.items() if row.score is not None}


class Pair(Record):
    """One run against the first on the prompts that both have a score for."""

    run: str
    first: str
    same_judge: bool
    """If not, what differs is the judge at least in part."""
    coverage: Measure
    similarity: Measure
    precision: Measure
    """This run less the first, in points: above 0 where it is better."""


class ByJudge(Record):
    """What one judge says of a model."""

    judge: str
    run: str
    similarity: float
    precision: float
    """Means over the prompts that every judge of the group marked."""
    coverage: float
    """% of them."""
    verdict: Verdict


class Sensitivity(Record):
    """How far the figures of one and the same model hang on who judges."""

    local: str
    rows: int
    """That it was tuned on."""
    n: int
    """Prompts that all the judges marked."""
    judges: tuple[ByJudge, ...]
    similarity: Measure
    precision: Measure
    """Highest mean less lowest, in points; the interval is of these two on the same prompts,
    cut at 0, below which no range is."""
    coverage: Measure

    @property
    def agree(self) -> bool:
        """Whether the verdict is the same with every judge."""
        return len({one.verdict for one in self.judges}) == 1


def by_yardstick(runs: Sequence[Finished]) -> list[list[Finished]]:
    """Return runs that can be set against each other, together; in the order of the first."""
    found: dict[tuple[object, ...], list[Finished]] = defaultdict(list)
    for run in runs:
        r = run.result
        # A result from before there was a digest shares its test set with none for sure.
        test = r.test_set or r.fingerprint
        found[r.task, test, r.similarity, r.precision].append(run)
    return list(found.values())


def pairs(runs: Sequence[Finished]) -> list[Pair]:
    """Set each run against the first, of one yardstick, prompt by prompt."""
    if not runs:
        return []
    first = runs[0]
    theirs = first.decided
    return [
        pair for run in runs[1:] if (pair := _pair(run, first, run.decided, theirs)) is not None
    ]


def _pair(
    run: Finished, first: Finished, ours: Mapping[str, Score], theirs: Mapping[str, Score]
) -> Pair | None:
    if not ours.keys() & theirs.keys():
        return None
    coverage, similarity, precision = apart(ours, theirs, run.result)
    return Pair(
        run=run.name,
        first=first.name,
        same_judge=run.result.judge == first.result.judge,
        coverage=coverage,
        similarity=similarity,
        precision=precision,
    )


def apart(
    ours: Mapping[str, Score], theirs: Mapping[str, Score], result: Result
) -> tuple[Measure, Measure, Measure]:
    """Return the differences of coverage, similarity and precision on the shared prompts.

    Args:
        ours: marks by prompt.
        theirs: of the other, taken off.
        result: has the thresholds.
    """
    names = sorted(ours.keys() & theirs.keys())
    a, b = [ours[name] for name in names], [theirs[name] for name in names]
    held = [
        tuple(covered(score, result.similarity, result.precision) for score in both)
        for both in zip(a, b, strict=True)
    ]
    return (
        difference(held.count((True, False)), held.count((False, True)), len(names)),
        mean(
            "similarity",
            [x.similarity - y.similarity for x, y in zip(a, b, strict=True)],
            least=-100.0,
        ),
        mean(
            "precision",
            [x.precision - y.precision for x, y in zip(a, b, strict=True)],
            least=-100.0,
        ),
    )


def sensitivity(runs: Sequence[Finished]) -> list[Sensitivity]:
    """Return how much each model's figures move with the judge, where two or more judged it.

    One and the same model means: the same local model, tuned on the same rows to the same
    adapter. A judge that steers the loop otherwise makes another model, which is another run.

    Args:
        runs: of one yardstick. Where one judge has two runs of a model, the first counts.
    """
    found: dict[tuple[object, ...], dict[str, Finished]] = defaultdict(dict)
    for run in runs:
        if run.result.rounds and run.decided:
            last = run.result.rounds[-1]
            same = (run.result.local, last.adapter, last.train)
            found[same].setdefault(run.result.judge, run)
    return [
        sensed
        for by in found.values()
        if len(by) > 1 and (sensed := _sensitivity(list(by.values()))) is not None
    ]


def _sensitivity(runs: Sequence[Finished]) -> Sensitivity | None:
    marks = [run.decided for run in runs]
    names = sorted(set.intersection(*(set(of) for of in marks)))
    if not names:
        return None
    shared = [{name: of[name] for name in names} for of in marks]
    judges = [_by_judge(run, of) for run, of in zip(runs, shared, strict=True)]
    first = runs[0].result

    def widest(what: str, at: int) -> Measure:
        values = [getattr(one, what) for one in judges]
        high, low = values.index(max(values)), values.index(min(values))
        found = apart(shared[high], shared[low], first)[at]
        low_end = None if found.low is None else max(found.low, 0.0)
        return found.model_copy(update={"low": low_end})

    return Sensitivity(
        local=first.local,
        rows=runs[0].rows,
        n=len(names),
        judges=tuple(judges),
        coverage=widest("coverage", 0),
        similarity=widest("similarity", 1),
        precision=widest("precision", 2),
    )


def _by_judge(run: Finished, marks: Mapping[str, Score]) -> ByJudge:
    r = run.result
    held = [covered(score, r.similarity, r.precision) for score in marks.values()]
    return ByJudge(
        judge=r.judge,
        run=run.name,
        similarity=fmean(score.similarity for score in marks.values()),
        precision=fmean(score.precision for score in marks.values()),
        coverage=100 * fmean(held),
        verdict=r.decision.verdict,
    )
