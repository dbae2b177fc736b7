"""One run in MLflow, and below it its rounds and its trials."""

import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from llamaduo.component import digest
from llamaduo.findings import Projection, Result, Round, Trial
from llamaduo.progress import Progress
from llamaduo.records import Example, Judgement
from llamaduo.secrets import without_secrets
from llamaduo.tracker.book import PARENT, Book, at
from llamaduo.tracker.data import dataset, of_part
from llamaduo.tracker.database import in_a_line, is_ours
from llamaduo.tracker.figures import (
    best,
    browsable,
    cost_curves,
    judgement_row,
    note,
    of_assessment,
    of_outcome,
    of_round,
    parquet,
    tables,
    tuning_curves,
    whose,
)
from llamaduo.tracker.machine import Machine

FINGERPRINT = "llamaduo.fingerprint"
ROUND = "llamaduo.round"
TRIAL = "llamaduo.trial"
STATE = "llamaduo.state"
"""How a trial ended. MLflow knows no pruned runs, and one that was stopped has not failed."""
CONTENT = "llamaduo.content"
"""Tag with a digest of what is shown, so that showing it again does nothing."""
ERROR = "llamaduo.error"
COST, COST_OF = "llamaduo.cost", "llamaduo.cost_of"
"""The same, of the cost over months; and which pair it is of."""
MADE_BY = "llamaduo.made_by"
"""The same, of what the run is made from."""
FIGURES = "llamaduo.figures"
"""The same, of what is shown but for files: those go last, and a store may refuse them for good."""
REFUSAL = 5.0
"""Seconds; what fails sooner was refused, and others may not be. What takes longer is away."""
PAUSE = 10
"""Times as long as a failed try took, it is not tried again: an eleventh of a run at most waits for
a server that is away."""


@dataclass
class MlflowRun:
    """One run of the database.

    What cannot be shown, since the server is away, is said once and tried again before what
    comes next; what is never shown is, by the same command, later: nothing is lost by it.
    """

    book: Book
    id: str
    at: str
    """Where it is shown, for people."""
    machine: Machine
    late: list[Callable[[], None]] = field(default_factory=list)
    """What could not be shown yet, in order."""
    again: float = 0.0
    """When it is tried again, by the monotonic clock."""

    @property
    def where(self) -> str:
        """How to look at it, for people."""
        if self.late:
            return f"{self.at} (not all of it: the same command shows the rest)"
        return self.at

    @property
    def client(self) -> Any:
        """MLflow's own."""
        return self.book.client

    def begin(self, config: Path, parts: Mapping[str, Sequence[Example]]) -> None:
        """Show what the run is made from: its config, and the rows that are set aside."""
        text = without_secrets(config.read_text(encoding="utf-8"))
        sets = {part: of_part(rows) for part, rows in parts.items()}
        content = digest(text, {part: sha256 for part, (sha256, _) in sets.items()})

        def show() -> None:
            if self.client.get_run(self.id).data.tags.get(MADE_BY) == content:
                return
            self.client.log_inputs(
                self.id, [dataset(part, *about, part) for part, about in sets.items()]
            )
            self.client.log_text(self.id, text, config.name)
            self.book.write(self.id, tags={MADE_BY: content})

        self._show(show)

    def round(
        self,
        round_: Round,
        *,
        train: Sequence[Example],
        adapter: Path,
        judgements: Sequence[Judgement],
    ) -> None:
        """Show a round as a nested run and as a step of this one; a shown one stays."""
        self._show(lambda: self._round(round_, train, adapter, judgements))

    def _round(
        self,
        round_: Round,
        train: Sequence[Example],
        adapter: Path,
        judgements: Sequence[Judgement],
    ) -> None:
        content = digest(round_.model_dump(mode="json"))
        known_by = {PARENT: self.id, ROUND: str(round_.number)}
        tags = {"llamaduo.adapter": round_.adapter, "llamaduo.train_sha256": round_.train}
        nested = self.book.find_or_make("round", known_by, f"round {round_.number}", tags)
        if nested.data.tags.get(CONTENT) == content:
            return
        self.machine.wanted.set()
        name = nested.info.run_id  # new, or of a killed process, or of other dollars
        of = dataset(
            f"train-round-{round_.number}",
            round_.train,
            round_.train_rows,
            f"round {round_.number}",
        )
        for run in (self.id, name):
            self.client.log_inputs(run, [of])
        if nested.data.tags.get(FIGURES) != content:
            figures = at(round_.number, of_round(round_))
            known = FIGURES in nested.data.tags
            curves = {} if known else tuning_curves(adapter, round_.training.looks)
            self.book.write(self.id, curves=self.book.news(self.id, figures))
            news: dict[str, Mapping[int, float | None]] = {
                **self.book.news(name, figures),
                **curves,
            }
            table = browsable("judge/judgements.json")
            self.book.write(name, curves=news, tags={**table, FIGURES: content})
        self.client.set_terminated(name, "FINISHED")
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "data").mkdir()
            rows = [row.model_dump(mode="json") for row in train]
            parquet(rows, Path(folder) / "data" / "train.parquet")
            tables([judgement_row(judgement) for judgement in judgements], Path(folder) / "judge")
            self.client.log_artifacts(name, folder)
        self.client.log_artifacts(name, str(adapter), "adapter")
        self.book.write(name, tags={CONTENT: content})

    def trial(self, trial: Trial) -> None:
        """Show a trial as a nested run, its loss on dev by step; a shown one stays."""
        self._show(lambda: self._trial(trial))

    def _trial(self, trial: Trial) -> None:
        content = digest(trial.model_dump(mode="json"))
        known_by = {PARENT: self.id, TRIAL: str(trial.number)}
        nested = self.book.find_or_make("trial", known_by, f"trial {trial.number}", {})
        if nested.data.tags.get(CONTENT) == content:
            return
        self.machine.wanted.set()
        figures: dict[str, float | None] = {
            "tune/tokens": trial.tokens,
            "search/dev_loss": trial.dev_loss,
            "search/prompts": trial.looked_at,
            **(of_assessment(trial.dev, "judge") if trial.dev is not None else {}),
        }
        tags = {STATE: trial.state, CONTENT: content}
        if trial.stopped:
            tags["llamaduo.stopped"] = trial.stopped
        if trial.error:
            tags[ERROR] = without_secrets(trial.error)
        self.book.write(
            nested.info.run_id,
            curves={"tune/dev_loss": trial.curve, **at(0, figures)},
            params={key: json.dumps(value) for key, value in trial.settings.items()},
            tags=tags,
        )
        end = "FAILED" if trial.state == "failed" else "FINISHED"
        self.client.set_terminated(nested.info.run_id, end)

    def finish(
        self,
        result: Result,
        projection: Projection,
        report: Path,
        *,
        test: Mapping[str, Sequence[Judgement]],
    ) -> None:
        """Show the outcome; shown once, it stays until it changes."""
        self._show(lambda: self._finish(result, projection, report, test), last=True)
        self.machine.stop()

    def _finish(
        self,
        result: Result,
        projection: Projection,
        report: Path,
        test: Mapping[str, Sequence[Judgement]],
    ) -> None:
        shown = self.client.get_run(self.id).data.tags
        content = digest(result.model_dump(mode="json"), projection.model_dump(mode="json"))
        if shown.get(FIGURES) != content:
            self.machine.wanted.set()
            curves = at(0, of_outcome(result, projection))
            cost = digest(projection.model_dump(mode="json"))
            if shown.get(COST) != cost:  # MLflow would keep every point a second time
                curves |= cost_curves(projection)
            tags = {
                "llamaduo.verdict": result.decision.verdict,
                "llamaduo.stopped": result.stopped,
                "mlflow.note.content": note(report / "report.md"),
                **(browsable("test/judgements.json") if test else {}),
                **(best(result.searched) if result.searched is not None else {}),
                COST: cost,
                COST_OF: whose(projection),
                FIGURES: content,
            }
            self.book.write(self.id, curves=self.book.news(self.id, curves), tags=tags)
        if ERROR in shown:
            self.client.delete_tag(self.id, ERROR)
        self.client.set_terminated(self.id, "FINISHED")
        if shown.get(CONTENT) != content:
            with _of_the_report(report, test) as folder:
                self.client.log_artifacts(self.id, str(folder))
            self.book.write(self.id, tags={CONTENT: content})

    def fail(self, error: BaseException) -> None:
        """Mark the run, with the error's own words."""
        words = without_secrets(f"{type(error).__name__}: {error}")

        def show() -> None:
            self.book.write(self.id, tags={ERROR: words})
            self.client.set_terminated(self.id, "FAILED")

        self._show(show, last=True)
        self.machine.stop()

    def leave(self) -> None:
        """Let go of it; it stays one that is running."""
        self.machine.stop()

    def _show(self, show: Callable[[], None], *, last: bool = False) -> None:
        """Show what is late, and then this; what fails is late, and what comes after it is shown.

        Args:
            last: nothing comes after it, so that it is tried even right after a failure.
        """
        away = bool(self.late)
        self.late.append(show)
        if time.monotonic() < self.again and not last:
            return
        began, failed = time.monotonic(), ""
        waiting, self.late = self.late, []
        while waiting:
            tried = time.monotonic()
            try:
                waiting[0]()
            except Exception as error:
                if is_ours(error):  # what ends the run can still be shown
                    raise
                failed = failed or in_a_line(error) or type(error).__name__
                self.late.append(waiting[0])
                if time.monotonic() - tried > REFUSAL:
                    self.late += waiting[1:]
                    break
            waiting.pop(0)
        if failed:
            self.again = time.monotonic() + PAUSE * (time.monotonic() - began)
        if failed and not away:
            Progress().say(
                f"tracker: not shown for now: {failed}; the run goes on, and what "
                "was not shown is by the next step, or by the same command later"
            )


@contextmanager
def _of_the_report(report: Path, test: Mapping[str, Sequence[Judgement]]) -> Iterator[Path]:
    """Put the report, its figures, and the judgements on the test into a folder.

    What made the run is shown from the beginning, and folders beside the report have other uses.
    """
    left_out = ("config.yaml", "overrides.json", "error.json")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "report").mkdir()
        for path in report.iterdir():
            if path.is_file() and path.name not in left_out:
                shutil.copyfile(path, folder / "report" / path.name)
        if test:
            rows = [{"model": of, **judgement_row(one)} for of in test for one in test[of]]
            tables(rows, folder / "test")
        yield folder
