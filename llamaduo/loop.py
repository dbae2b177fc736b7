"""The LlamaDuo loop: tune, answer, judge, and grow the data until the goal is met.

Read this first. Each call on `stages` is one stage whose result is kept; a run that stops
goes on from the last stage that finished, and inside one that did not.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

from llamaduo.component import file_sha256
from llamaduo.decision import decide, undecided
from llamaduo.errors import OverBudget
from llamaduo.experiment import Experiment
from llamaduo.findings import Assessment, Decision, Result, Round
from llamaduo.records import Example, Placed, Sifted, Tally, Usage
from llamaduo.scores import prompts_digest
from llamaduo.stages import Judged, Stages, part, training
from llamaduo.store import Folder, Rows
from llamaduo.tracker import Run
from llamaduo.tuner.untuned import Untuned


def run(exp: Experiment, stages: Stages, split: Rows[Placed], shown: Run) -> Result:
    """Run `exp` to its goal, its last round or the end of its budget, and decide."""
    rounds: list[Round] = []
    grown: list[Rows[Sifted]] = []
    adapters: list[Folder] = []
    test: Judged | None = None
    baselines: list[Assessment] = []
    decision: Decision | None = None
    stopped = "rounds"
    try:
        for number in range(exp.rounds):
            train = stages.train(split, grown)
            adapters.append(stages.tune(train, exp.tuner))
            judged = stages.judge(f"round {number}", adapters[-1], split, exp.judge.on)
            rounds.append(as_round(number, train, grown, adapters[-1], judged, stages.tallies()))
            shown.round(rounds[-1], train=train, adapter=adapters[-1].path, judgements=judged.rows)
            stages.progress.say(in_a_line(rounds[-1], exp))
            if met(judged.assessment, exp):
                stopped = "goal"
                break
            if number + 1 < exp.rounds:
                grown.append(stages.grow(number, split, train))
        test = stages.judge(f"round {rounds[-1].number}", adapters[-1], split, "test")
        decision = decide(test.assessment, exp.goal)
        for assessment in compare(exp, stages, split, adapters):
            baselines.append(assessment)
    except OverBudget as stop:
        stopped = "budget"
        if decision is None:
            decision = undecided(str(stop), exp.goal.at_least)
        else:
            said = (*decision.reasons, f"not every baseline was judged: {stop}")
            decision = decision.model_copy(update={"reasons": said})
    return result(exp, stages, split, rounds, stopped, test, baselines, decision, grown)


def met(assessment: Assessment, exp: Experiment) -> bool:
    """Whether the coverage of what steers the loop has reached the goal."""
    reached = assessment.coverage.value
    return reached is not None and reached >= exp.goal.at_least


def compare(
    exp: Experiment, stages: Stages, split: Rows[Placed], adapters: Sequence[Folder]
) -> Iterator[Assessment]:
    """Judge the baselines on the test prompts, one by one; the same model is judged once.

    The gain that synthetic rows may claim is the one over coverage rows tuned on for as
    many steps as the last round: much of what a later round gains is longer training.
    """
    steps = training(adapters[-1]).steps
    coverage = stages.train(split, [])
    models: dict[str, tuple[str, Folder]] = {}
    for baseline in exp.baselines:
        if baseline == "untuned":
            name, adapter = "untuned", stages.tune(coverage, Untuned())
        elif baseline == "coverage":
            name, adapter = "coverage rows alone", adapters[0]
        else:
            name = "coverage rows alone, at equal steps"
            equal = exp.tuner.for_steps(steps)
            adapter = stages.tune(coverage, equal) if len(adapters) > 1 else adapters[0]
        models[adapter.content] = (name, adapter)
    models.pop(adapters[-1].content, None)
    for name, model in models.values():
        yield stages.judge(name, model, split, "test").assessment


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


def result(
    exp: Experiment,
    stages: Stages,
    split: Rows[Placed],
    rounds: Sequence[Round],
    stopped: str,
    test: Judged | None,
    baselines: Sequence[Assessment],
    decision: Decision,
    grown: Sequence[Rows[Sifted]],
) -> Result:
    """Put together what the run came to."""
    notes = Counter(
        row.example.origin.note for more in grown for row in more if row.example.origin.note
    )
    return Result.model_validate(
        {
            "fingerprint": stages.run,
            "task": exp.task.name,
            "service": exp.service.name,
            "judge": exp.judge.name,
            "local": exp.local.name,
            "licence": exp.local.licence,
            "simulated": exp.simulated,
            "goal": exp.goal.at_least,
            "similarity": exp.goal.similarity,
            "precision": exp.goal.precision,
            "rows": {name: len(part(split, name)) for name in ("train", "dev", "test", "out")},
            "test_set": prompts_digest(part(split, "test")),
            "steered_on": exp.judge.on,
            "rounds": tuple(rounds),
            "stopped": stopped,
            "test": test.assessment if test else None,
            "baselines": tuple(baselines),
            "decision": decision,
            "tallies": by_stage(stages.tallies()),
            "note": "; ".join(f"{note} ({n} rows)" for note, n in sorted(notes.items())),
        }
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
        )
    return tuple(summed.values())
