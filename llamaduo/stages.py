"""The stages of the loop: each a store result, named by what it depends on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from llamaduo.desk import Desk
from llamaduo.engine.asked import Asked
from llamaduo.engine.asked import answers as answers_of
from llamaduo.experiment import Experiment
from llamaduo.findings import Assessment
from llamaduo.judge import Stop
from llamaduo.ledger import Ledger
from llamaduo.metrics import assess
from llamaduo.progress import Progress
from llamaduo.records import Answer, Example, Judgement, Part, Placed, Sifted, Tally, Training
from llamaduo.service import Service
from llamaduo.store import Folder, Rows, Store, Work
from llamaduo.task.shots import examples_for, with_examples
from llamaduo.tuner import Tuner
from llamaduo.tuner.untuned import Untuned

SERVICE = "the service itself"
"""What the table calls the service's second answers, judged against its first."""


@dataclass(frozen=True)
class Judged:
    """One model's judgements on one part, and what they come to."""

    rows: Rows[Judgement]
    assessment: Assessment
    adapter: Path | None
    """Folder of the model's adapter; of an untuned one it holds none. None for the service."""


@dataclass
class Stages:
    """What the loop is made of. Objects are handed to each stage; none knows the store."""

    exp: Experiment
    store: Store
    ledger: Ledger
    progress: Progress
    run: str
    """Fingerprint of the run: taken once, so that a file edited meanwhile does not move it."""
    paid: list[str] = field(default_factory=list)
    """Recipes that rest on service calls, in the order they came up."""
    judged: dict[tuple[str, Part], Judged] = field(default_factory=dict)
    """What has been judged so far, by model and part."""

    def split(self) -> Rows[Placed]:
        """Read the coverage rows and share them out."""
        task = self.exp.task
        return self.store.rows(
            "split", [task.key()], Placed, lambda work, done: task.place()[len(done) :]
        )

    def train(self, split: Rows[Placed], grown: Sequence[Rows[Sifted]]) -> Rows[Example]:
        """Put together all rows to tune on: coverage, and what every round added."""

        def rows(work: Work, done: tuple[Example, ...]) -> Iterator[Example]:
            coverage = part(split, "train")
            fresh = [row.example for more in grown for row in more if not row.dropped]
            yield from [*coverage, *fresh][len(done) :]

        inputs = [split.content, [more.content for more in grown]]
        return self.store.rows("train", inputs, Example, rows)

    def tune(self, train: Rows[Example], tuner: Tuner) -> Folder:
        """Tune the local model on `train`."""
        exp = self.exp

        def make(work: Work) -> None:
            tuner.tune(
                exp.local,
                train,
                seed=exp.seed,
                out=work.out,
                scratch=work.scratch,
                progress=self.progress,
            )

        if isinstance(tuner, Untuned):
            return self.store.folder("adapter", [tuner.key()], make)
        inputs = [tuner.key(), exp.local.key(), exp.seed, train.content]
        return self.store.folder("adapter", inputs, make)

    def judge(
        self,
        name: str,
        adapter: Folder,
        split: Rows[Placed],
        on: Part,
        *,
        stop: Stop | None = None,
        shots: int = 0,
    ) -> Judged:
        """Answer the prompts of one part, and have the answers judged.

        Args:
            stop: None has every answer judged as often as the next.
            shots: examples of train that each prompt begins with.
        """
        how = self.exp.engine.asked
        if how is None:
            answers = self._answers(adapter, split, on, shots)
        else:
            answers = self._asked(how, split, on, shots)
        return self._judged(name, answers, on, adapter, stop)

    def ceiling(self, split: Rows[Placed], on: Part, *, stop: Stop | None = None) -> Judged:
        """Have the service answer again, and its answers judged like any model's."""
        exp = self.exp
        how = Asked(exp.service, exp.ceiling.max_tokens, exp.ceiling.temperature)
        return self._judged(SERVICE, self._asked(how, split, on, 0), on, None, stop)

    def _answers(self, adapter: Folder, split: Rows[Placed], on: Part, shots: int) -> Rows[Answer]:
        """Have the local model answer."""
        exp, rows = self.exp, part(split, on)

        def answer(work: Work, done: tuple[Answer, ...]) -> Iterator[Answer]:
            given = exp.engine.answer(
                exp.local,
                adapter.path,
                self._with_examples(rows, split, shots),
                samples=exp.samples,
                max_new_tokens=exp.task.max_new_tokens,
                seed=exp.seed,
                done=done,
                progress=self.progress,
            )
            return as_asked(given, rows)

        inputs = [exp.engine.key(), exp.local.key(), adapter.content, split.content, on]
        how = [exp.samples, exp.task.max_new_tokens, exp.seed, *([shots] if shots else [])]
        return self.store.rows("answers", [*inputs, *how], Answer, answer)

    def _asked(self, how: Asked, split: Rows[Placed], on: Part, shots: int) -> Rows[Answer]:
        """Have a model behind an API answer, as often as the local one does."""
        exp, rows = self.exp, part(split, on)

        def answer(work: Work, done: tuple[Answer, ...]) -> Iterator[Answer]:
            given = answers_of(
                self._with_examples(rows, split, shots),
                self._desk(how.service, work),
                how,
                samples=exp.samples,
                done=done,
                progress=self.progress,
            )
            return as_asked(given, rows)

        inputs = [how.service.key(), how.max_tokens, how.temperature, split.content, on]
        inputs += [exp.samples, exp.seed, shots]
        answers = self.store.rows("asked", inputs, Answer, answer)
        self._rests_on(answers.recipe)
        return answers

    def _with_examples(
        self, rows: Sequence[Example], split: Rows[Placed], shots: int
    ) -> list[Example]:
        examples = examples_for(part(split, "train"), shots, self.exp.seed)
        return [with_examples(row, examples) for row in rows]

    def _judged(
        self,
        name: str,
        answers: Rows[Answer],
        on: Part,
        adapter: Folder | None,
        stop: Stop | None,
    ) -> Judged:
        exp = self.exp
        early = stop is not None and exp.judge.early_stop
        inputs = [exp.judge.key(), exp.seed, answers.content, [exp.goal.key(), on] if early else []]
        judgements = self._graded("judgements", inputs, answers, stop if early else None)
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

    def _graded(
        self, stage: str, inputs: Sequence[object], answers: Sequence[Answer], stop: Stop | None
    ) -> Rows[Judgement]:
        """Have answers judged, by every service of the judge."""
        judge = self.exp.judge

        def grade(work: Work, done: tuple[Judgement, ...]) -> Iterator[Judgement]:
            desks = {name: self._desk(one, work) for name, one in judge.services.items()}
            # With a rule that looks at all answers, all are judged again; what is known is free.
            begun = 0 if stop else len(done)
            graded = judge.grade(answers[begun:], desks, stop=stop, progress=self.progress)
            return islice(graded, len(done) - begun, None)

        judgements = self.store.rows(stage, inputs, Judgement, grade)
        self._rests_on(judgements.recipe)
        return judgements

    def grow(self, number: int, split: Rows[Placed], train: Rows[Example]) -> Rows[Sifted]:
        """Have rows written like the coverage rows of train, and sift them."""
        exp = self.exp
        seeds = part(split, "train")

        def write(work: Work, done: tuple[Example, ...]) -> Iterator[Example]:
            return exp.synth.write(
                seeds,
                self._desk(exp.service, work),
                topic=exp.task.name,
                number=number,
                seed=exp.seed,
                done=done,
                progress=self.progress,
            )

        inputs = [exp.synth.key(), exp.service.key(), exp.seed, number, split.content]
        fresh = self.store.rows("synthetic", [*inputs, exp.task.name], Example, write)
        self._rests_on(fresh.recipe)

        def sift(work: Work, done: tuple[Sifted, ...]) -> Iterator[Sifted]:
            sifted = exp.dedup.sift(
                fresh,
                train=train,
                dev=part(split, "dev"),
                test=part(split, "test"),
                why_not=self._why_not,
            )
            yield from list(sifted)[len(done) :]

        inputs = [exp.dedup.key(), [c.key() for c in exp.task.checks.values()]]
        inputs += [train.content, fresh.content, split.content]
        return self.store.rows("sifted", inputs, Sifted, sift)

    def tallies(self) -> list[Tally]:
        """Count the calls of all paid stages so far; one that two rest on, with the first."""
        paid = self.paid
        return [self.ledger.tally(name, beside=paid[:i]) for i, name in enumerate(paid)]

    def _desk(self, service: Service, work: Work) -> Desk:
        exp = self.exp
        self._rests_on(work.recipe)  # now, so that a stage the budget stops is counted too
        return Desk(
            ledger=self.ledger,
            service=service,
            recipe=work.recipe,
            run=self.run,
            seed=exp.seed,
            budget=exp.budget_usd,
        )

    def _rests_on(self, recipe: str) -> None:
        if recipe not in self.paid:
            self.paid.append(recipe)

    def _why_not(self, row: Example) -> str:
        if not row.question.strip() or not row.target.strip():
            return "empty"
        failed = (n for n, c in self.exp.task.checks.items() if not c.passes(row.target, row))
        return next((f"target fails {name}" for name in failed), "")


def part(split: Sequence[Placed], name: Part) -> list[Example]:
    """Return the rows of one part of the split, in order."""
    return [row.example for row in split if row.part == name]


def as_asked(answers: Iterator[Answer], rows: Sequence[Example]) -> Iterator[Answer]:
    """Put each answer beside the row as it is, without the examples its prompt began with."""
    plain = {row.id: row for row in rows}
    return (answer.model_copy(update={"example": plain[answer.example.id]}) for answer in answers)


def training(adapter: Folder) -> Training:
    """Return what tuning this adapter came to."""
    return Training.model_validate_json((adapter.path / "training.json").read_bytes())
