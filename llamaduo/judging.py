"""The stages that answer and judge: one model on one part of the split."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

from llamaduo.audit import audit
from llamaduo.audit.parties import Parties
from llamaduo.bench import Bench
from llamaduo.decision import level_of_look, same_at_both_ends
from llamaduo.engine import LocalEngine
from llamaduo.engine.asked import Asked, as_sent
from llamaduo.engine.asked import answers as answers_of
from llamaduo.experiment import Experiment
from llamaduo.findings import Assessment, Audit, Opening
from llamaduo.intervals import LEVEL
from llamaduo.judge import Ends, Judge, Stop
from llamaduo.judge.human import read as read_human
from llamaduo.judge.probes import REPEATS, probes
from llamaduo.latency import of_calls, of_load
from llamaduo.lineage import BYTES_SAY, Lineage, contents, ids
from llamaduo.loads import Latency
from llamaduo.looks import Look, watched
from llamaduo.metrics import assess
from llamaduo.openings import record
from llamaduo.records import Answer, Example, Judgement, Part, Placed, Score, Training
from llamaduo.store import Folder, Rows, Work
from llamaduo.task.shots import examples_for, with_examples

SERVICE = "the service itself"
"""What the table calls the service's second answers, judged against its first."""


@dataclass(frozen=True)
class Judged:
    """One model's judgements on one part, and what they come to."""

    rows: Rows[Judgement]
    assessment: Assessment
    adapter: Path | None
    """Folder of the model's adapter; of an untuned one it holds none. None for the service."""
    latency: Latency | None = None
    """What 95 of 100 answers come in; None where nobody timed them, or nobody asks."""


@dataclass
class Judging(Bench):
    """Answers and judges. What it is given is in the store; what it makes goes there."""

    judged: dict[tuple[str, Part], Judged] = field(default_factory=dict)
    """What has been judged so far, by model and part."""

    def judge(
        self,
        name: str,
        adapter: Folder,
        split: Rows[Placed],
        on: Part,
        *,
        look: int = 1,
        shots: int = 0,
        watch: Look | None = None,
    ) -> Judged:
        """Answer the prompts of one part, and have the answers judged.

        Args:
            look: how often the part has been looked at for this decision, this time counted.
            shots: examples of train that each prompt begins with.
            watch: looks on while they are judged, where no repeats are spared.
        """
        answers = self.answers(adapter, split, on, shots)
        judged = self._judged(name, answers, on, adapter, look, watch)
        if self.exp.engine.asked:
            latency = of_calls(self.ledger.seconds(answers.recipe))
        elif self.exp.goal.latency_p95_ms is not None and not shots:
            latency = of_load(self.exp, self.store.root.parent, adapter.content)
        else:
            latency = None
        judged = self.judged[name, on] = replace(judged, latency=latency)
        return judged

    def answers(self, adapter: Folder, split: Rows[Placed], on: Part, shots: int) -> Rows[Answer]:
        """Have the prompts of one part answered, by the local model or by an endpoint."""
        how = self.exp.engine.asked
        if how is None:
            return self._answers(adapter, split, on, shots)
        return self._asked(how, split, on, shots)

    def ceiling(self, split: Rows[Placed]) -> Judged:
        """Have the service answer the test again, and be judged against its first answers."""
        exp = self.exp
        how = Asked(exp.service, exp.ceiling.max_tokens, exp.ceiling.temperature)
        return self._judged(SERVICE, self._asked(how, split, "test", 0), "test", None, 1)

    def on_record(self, split: Rows[Placed], model: str, adapter: Folder) -> tuple[Opening, ...]:
        """Put on record that a model's figures on the test are known; returns all looks at it."""
        folder = self.store.root.parent / "openings"
        rows = part(split, "test")
        hold = self.ledger.held
        return record(folder, rows, run=self.run, model=model, adapter=adapter.content, hold=hold)

    def _answers(self, adapter: Folder, split: Rows[Placed], on: Part, shots: int) -> Rows[Answer]:
        """Have the local model answer."""
        exp, rows = self.exp, part(split, on)
        engine = exp.engine
        assert isinstance(engine, LocalEngine), "an engine answers, or says who is asked"
        examples = self._examples(split, shots)

        def answer(work: Work, done: tuple[Answer, ...]) -> Iterator[Answer]:
            given = engine.answer(
                exp.local,
                adapter.path,
                [with_examples(row, examples) for row in rows],
                samples=exp.samples,
                max_new_tokens=exp.task.max_new_tokens,
                seed=exp.seed,
                done=done,
                progress=self.progress,
            )
            return as_asked(given, rows)

        inputs: list[object] = [engine.key(), exp.local.key(), adapter.content]
        inputs += [contents(rows), on, exp.samples, exp.task.max_new_tokens, exp.seed]
        inputs += [contents(examples)] if shots else []
        lineage = Lineage((adapter.content,), ids(examples))
        return self.store.rows("answers", inputs, Answer, answer, lineage)

    def _asked(self, how: Asked, split: Rows[Placed], on: Part, shots: int) -> Rows[Answer]:
        """Have a model behind an API answer, as often as the local one does."""
        exp, rows = self.exp, part(split, on)
        examples = self._examples(split, shots)

        def answer(work: Work, done: tuple[Answer, ...]) -> Iterator[Answer]:
            prompts = as_sent([with_examples(row, examples) for row in rows], how, exp.local)
            self._prove(how, prompts, work)
            given = answers_of(
                prompts,
                self.desk(how.service, work),
                how,
                samples=exp.samples,
                done=done,
                progress=self.progress,
            )
            return as_asked(given, rows)

        inputs = [how.service.key(), how.max_tokens, how.temperature, contents(rows), on]
        inputs += [exp.samples, exp.seed, contents(examples)]
        inputs += [exp.local.key()] if how.as_text else []
        inputs += self.hidden(how.service)
        lineage = Lineage(rows=ids(examples))
        answers = self.store.rows("asked", inputs, Answer, answer, lineage)
        if how.proof is not None:
            self.rests_on(proof_of(answers.recipe))
        self.rests_on(answers.recipe)
        return answers

    def _prove(self, how: Asked, prompts: Sequence[Example], work: Work) -> None:
        """Show who answers; its calls are counted apart, and do not time the answers."""
        if how.proof is None:
            return
        aside = replace(work, recipe=proof_of(work.recipe))
        how.proof.show(
            prompts,
            self.desk(how.service, aside),
            self.desk(how.proof.beside, aside),
            local=self.exp.local,
            progress=self.progress,
        )

    def _examples(self, split: Rows[Placed], shots: int) -> list[Example]:
        return examples_for(part(split, "train"), shots, self.exp.seed) if shots else []

    def _judged(
        self,
        name: str,
        answers: Rows[Answer],
        on: Part,
        adapter: Folder | None,
        look: int,
        watch: Look | None = None,
    ) -> Judged:
        exp = self.exp
        stop = stop_of(exp, on, look)
        rule = [exp.goal.key(), on == exp.judge.on, look if on == "test" else 0] if stop else []
        inputs = [exp.judge.key(), exp.seed, answers.content, rule]
        of = Lineage((answers.content,))
        judgements = self._graded(exp.judge, "judgements", inputs, answers, stop, watch, of)
        assessment = assess(
            name,
            judgements,
            similarity=exp.goal.similarity,
            precision=exp.goal.precision,
            checks=exp.task.checks,
            steps=training(adapter).steps if adapter else 0,
        )
        self.judged[name, on] = Judged(judgements, assessment, adapter.path if adapter else None)
        return self.judged[name, on]

    def audit(self, judged: Judged) -> Audit | None:
        """Question the judge on the decided model's test answers; None if nobody wants to."""
        exp = self.exp
        judge = exp.judge
        if not judge.audit and judge.human is None:
            return None
        asked = probes(judged.rows, judge.audit, exp.seed)
        inputs = [judge.key(), exp.seed, judged.rows.content]
        brief = judge.with_repeats(REPEATS)
        of = Lineage((judged.rows.content,))
        questioned = self._graded(brief, "audit", [*inputs, "probes"], asked, None, lineage=of)
        scored: list[tuple[Judgement, Score]] = []
        if judge.human is not None:
            rows = read_human(judge.human)
            answers = [answer for answer, _ in rows]
            judgements = self._graded(
                judge, "audit", [judge.key(), exp.seed, "human"], answers, None
            )
            scored = [(one, score) for one, (_, score) in zip(judgements, rows, strict=True)]
        return audit(
            judged.rows,
            questioned,
            parties=Parties(
                judges=tuple(service.name for service in exp.judges),
                teacher=exp.service.name,
                local=exp.answers_as,
            ),
            similarity=exp.goal.similarity,
            precision=exp.goal.precision,
            scored=scored,
        )

    def _graded(
        self,
        judge: Judge,
        stage: str,
        inputs: Sequence[object],
        answers: Sequence[Answer],
        stop: Stop | None,
        watch: Look | None = None,
        lineage: Lineage = BYTES_SAY,
    ) -> Rows[Judgement]:
        """Have answers judged, by every service of the judge."""

        def grade(work: Work, done: tuple[Judgement, ...]) -> Iterator[Judgement]:
            desks = {name: self.desk(one, work) for name, one in judge.services.items()}
            if watch is not None and stop is None:
                yield from watched(judge, answers, done, desks, watch, self.progress)
                return
            # With a rule that looks at all answers, all are judged again; what is known is free.
            begun = 0 if stop else len(done)
            graded = judge.grade(answers[begun:], desks, stop=stop, progress=self.progress)
            yield from islice(graded, len(done) - begun, None)

        inputs = [*inputs, *self.hidden(*judge.services.values())]
        judgements = self.store.rows(stage, inputs, Judgement, grade, lineage)
        self.rests_on(judgements.recipe)
        return judgements


def stop_of(exp: Experiment, on: Part, look: int) -> Stop | None:
    """Return when repeats may end: where neither the loop nor any verdict would change.

    What hangs on pairs of prompts spares none: the verdict against the service, and
    whether the last round was worth its price. Nor does dev where a search compares its
    coverage, in no trial and in no round: sparing goes by the goal, and figures that rest
    on two repeats here and on ten there are not to be set in order. A trial and a round
    with the same settings are then one result.
    """
    goal = exp.goal
    steers = on == exp.judge.on
    pairs = on == "test" and goal.against == "service"
    compared = on == "dev" and exp.search is not None and exp.search.judges
    if not exp.judge.early_stop or pairs or compared:
        return None
    if steers and exp.usd_per_point is not None:
        return None
    level = level_of_look(look) if exp.judge.on == "test" else LEVEL

    def same(ends: Sequence[Ends]) -> bool:
        low, high, prompts = ends[0]
        if steers and len({100 * hits / prompts >= goal.at_least for hits in (low, high)}) > 1:
            return False
        if on != "test":
            return True
        own = 1 - (1 - level) / max(len(ends) - 1, 1)
        return same_at_both_ends(*ends[0], goal.at_least, level) and all(
            same_at_both_ends(*part, goal.at_least, own) for part in ends[1:]
        )

    return Stop(goal.similarity, goal.precision, same)


def part(split: Sequence[Placed], name: Part) -> list[Example]:
    """Return the rows of one part of the split, in order."""
    return [row.example for row in split if row.part == name]


def training(adapter: Folder) -> Training:
    """Return what tuning this adapter came to."""
    return Training.model_validate_json((adapter.path / "training.json").read_bytes())


def proof_of(recipe: str) -> str:
    """Name what the proof of who gave these answers rests on."""
    return f"proof/{recipe.partition('/')[2]}"


def as_asked(answers: Iterator[Answer], rows: Sequence[Example]) -> Iterator[Answer]:
    """Put each answer beside the row as it is, without the examples its prompt began with."""
    plain = {row.id: row for row in rows}
    return (answer.model_copy(update={"example": plain[answer.example.id]}) for answer in answers)
