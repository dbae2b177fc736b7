"""The stages of the loop: each a store result, named by what it depends on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from llamaduo import forgotten
from llamaduo.findings import Opening
from llamaduo.judging import Judging, part
from llamaduo.lineage import Lineage, contents, ids
from llamaduo.records import Example, Placed, Sifted
from llamaduo.store import Folder, Rows, Work
from llamaduo.tuner import Tuner, Watch
from llamaduo.tuner.untuned import Untuned


@dataclass
class Stages(Judging):
    """What the loop is made of. Objects are handed to each stage; none knows the store."""

    def split(self) -> Rows[Placed]:
        """Read the coverage rows and share them out.

        Raises:
            DataError: if one of them was forgotten here, before it is written down again.
        """
        task, home = self.exp.task, self.store.root.parent

        def place(work: Work, done: tuple[Placed, ...]) -> Iterator[Placed]:
            placed = task.place()
            forgotten.refuse(home, task, [row.example for row in placed])
            yield from placed[len(done) :]

        split = self.store.rows("split", [task.key()], Placed, place)
        forgotten.refuse(home, task, [row.example for row in split])  # unpacked, say
        return split

    def train(self, split: Rows[Placed], grown: Sequence[Rows[Sifted]]) -> Rows[Example]:
        """Put together all rows to tune on: coverage, and what every round added."""

        def rows(work: Work, done: tuple[Example, ...]) -> Iterator[Example]:
            coverage = part(split, "train")
            fresh = [row.example for more in grown for row in more if not row.dropped]
            yield from [*coverage, *fresh][len(done) :]

        inputs = [contents(part(split, "train")), [more.content for more in grown]]
        return self.store.rows("train", inputs, Example, rows)

    def tune(
        self,
        train: Rows[Example],
        tuner: Tuner,
        split: Rows[Placed],
        *,
        watch: Watch | None = None,
    ) -> Folder:
        """Tune the local model on `train`; `watch` may end it, by the loss on dev."""
        exp = self.exp
        dev = part(split, "dev") if tuner.looks_at_dev else []

        def make(work: Work) -> None:
            tuner.tune(
                exp.local,
                train,
                dev=dev,
                seed=exp.seed,
                out=work.out,
                scratch=work.scratch,
                progress=self.progress,
                watch=watch,
            )

        if isinstance(tuner, Untuned):
            return self.store.folder("adapter", tuner.inputs(exp.local), make)
        inputs = [tuner.key(), exp.local.key(), exp.seed, train.content]
        inputs += [[row.model_dump(mode="json") for row in dev]] if dev else []
        lineage = Lineage((train.content,), ids(dev))
        return self.store.folder("adapter", inputs, make, lineage)

    def grow(self, number: int, split: Rows[Placed], train: Rows[Example]) -> Rows[Sifted]:
        """Have rows written like the coverage rows of train, and sift them."""
        exp = self.exp
        seeds = part(split, "train")

        def write(work: Work, done: tuple[Example, ...]) -> Iterator[Example]:
            return exp.synth.write(
                seeds,
                self.desk(exp.service, work),
                topic=exp.task.name,
                number=number,
                seed=exp.seed,
                done=done,
                progress=self.progress,
            )

        inputs = [exp.synth.key(), exp.service.key(), exp.seed, number, contents(seeds)]
        inputs += [exp.task.name, *self.hidden(exp.service)]
        fresh = self.store.rows("synthetic", inputs, Example, write)
        self.rests_on(fresh.recipe)

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
        inputs += [train.content, fresh.content]
        inputs += [contents(part(split, "dev")), contents(part(split, "test"))]
        return self.store.rows("sifted", inputs, Sifted, sift)

    def _why_not(self, row: Example) -> str:
        if not row.question.strip() or not row.target.strip():
            return "empty"
        failed = (n for n, c in self.exp.task.checks.items() if not c.passes(row.target, row))
        return next((f"target fails {name}" for name in failed), "")


class Reading(Stages):
    """The stages for who looks at a run and does not run it: nothing is put on record."""

    def on_record(self, split: Rows[Placed], model: str, adapter: Folder) -> tuple[Opening, ...]:
        """Leave the record of looks at the test as it is; none is returned."""
        return ()
