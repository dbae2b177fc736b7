"""What a run came to, put together from what its stages made."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from llamaduo.component import file_sha256
from llamaduo.experiment import Experiment
from llamaduo.findings import Assessment, Audit, Compared, Decision, Finding, Opening, Result, Round
from llamaduo.judging import Judged, part, training
from llamaduo.records import Example, Placed, Sifted, Tally, Usage
from llamaduo.scores import prompts_digest
from llamaduo.stages import Stages
from llamaduo.store import Folder, Rows


@dataclass
class Course:
    """How far a run has come."""

    rounds: list[Round] = field(default_factory=list)
    grown: list[Rows[Sifted]] = field(default_factory=list)
    adapters: list[Folder] = field(default_factory=list)
    steering: list[Judged] = field(default_factory=list)
    """Of each round, on the part that steers."""
    stopped: Literal["goal", "rounds", "budget", "plateau", "nothing to tune"] = "rounds"
    test: Judged | None = None
    audit: Audit | None = None
    decision: Decision | None = None
    baselines: list[Assessment] = field(default_factory=list)
    compared: list[Compared] = field(default_factory=list)
    openings: tuple[Opening, ...] = ()

    unfinished: str = ""
    """Why not all was judged."""

    def look(self, exp: Experiment) -> int:
        """Return how often the test has been looked at for the decision, the last time counted."""
        return max(len(self.rounds), 1) if exp.judge.on == "test" else 1


def unaudited(judge: str, why: str) -> Audit:
    """Say that the judge was not questioned, which stands against a switch as a bad answer does."""
    finding = Finding(name="audit", value=None, n=0, flagged=True, says=f"was not audited: {why}")
    return Audit(judge=judge, findings=(finding,), unjudged={})


def as_round(
    number: int,
    train: Rows[Example],
    grown: Sequence[Rows[Sifted]],
    adapter: Folder,
    judged: Judged,
    tallies: Sequence[Tally],
) -> Round:
    """Put the facts of a finished round together."""
    kept = [row for more in grown for row in more if not row.dropped]
    nearest = sorted(row.nearest_test for row in kept)
    return Round(
        number=number,
        train_rows=len(train),
        synthetic_rows=len(kept),
        dropped=dict(sorted(Counter(r.dropped for r in grown[-1] if r.dropped).items()))
        if grown
        else {},
        adapter=adapter.content,
        train=file_sha256(train.path),
        training=training(adapter),
        assessment=judged.assessment,
        usd=sum(tally.usage.usd for tally in tallies),
        nearest_test=(nearest[-1], nearest[int(0.99 * (len(nearest) - 1))]) if nearest else None,
    )


def in_a_line(round_: Round, exp: Experiment) -> str:
    """Say how a round went."""
    coverage = round_.assessment.coverage
    share = "nothing judged" if coverage.value is None else f"{coverage.value:.1f} %"
    return (
        f"round {round_.number}: {round_.train_rows} rows, coverage {share} of "
        f"{coverage.n} {exp.judge.on} prompts; the goal is {exp.goal.at_least:g} %"
    )


def result(exp: Experiment, stages: Stages, split: Rows[Placed], course: Course) -> Result:
    """Put together what the run came to."""
    assert course.decision is not None, "a run ends with a decision"
    notes = Counter(
        row.example.origin.note for more in course.grown for row in more if row.example.origin.note
    )
    return Result(
        fingerprint=stages.run,
        task=exp.task.name,
        service=exp.service.name,
        judge=exp.judge.name,
        local=exp.answers_as,
        licence=exp.local.licence if exp.engine.asked is None else "",
        simulated=exp.simulated,
        goal=exp.goal.at_least,
        similarity=exp.goal.similarity,
        precision=exp.goal.precision,
        rows={name: len(part(split, name)) for name in ("train", "dev", "test", "out")},
        test_set=prompts_digest(part(split, "test")),
        steered_on=exp.judge.on,
        rounds=tuple(course.rounds),
        stopped=course.stopped,
        unfinished=course.unfinished,
        test=course.test.assessment if course.test else None,
        baselines=tuple(course.baselines),
        compared=tuple(course.compared),
        audit=course.audit,
        openings=course.openings,
        decision=course.decision,
        tallies=by_stage(stages.tallies()),
        note="; ".join(f"{note} ({n} rows)" for note, n in sorted(notes.items())),
    )


def by_stage(tallies: Sequence[Tally]) -> tuple[Tally, ...]:
    """Add up the tallies of each stage."""
    summed: dict[str, Tally] = {}
    for tally in tallies:
        before = summed.get(
            tally.stage, Tally(stage=tally.stage, calls=0, outcomes={}, usage=Usage())
        )
        outcomes = Counter(before.outcomes) + Counter(tally.outcomes)
        summed[tally.stage] = Tally(
            stage=tally.stage,
            calls=before.calls + tally.calls,
            outcomes=dict(sorted(outcomes.items())),
            usage=before.usage + tally.usage,
            unproven=before.unproven + tally.unproven,
            by_others=dict(Counter(before.by_others) + Counter(tally.by_others)),
        )
    return tuple(summed.values())
