"""One run in MLflow, and below it its rounds and its trials."""

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llamaduo.component import digest
from llamaduo.findings import Projection, Result, Round, Searched, Trial
from llamaduo.records import Example, Judgement
from llamaduo.secrets import without_secrets
from llamaduo.tracker.book import PARENT, Book, at
from llamaduo.tracker.figures import columns, judgement_row, of_assessment, of_round, parquet

SHOWN = 200
"""Judgements in the table of MLflow's page; the Parquet file beside it has them all."""

FINGERPRINT = "llamaduo.fingerprint"
ROUND = "llamaduo.round"
TRIAL = "llamaduo.trial"
STATE = "llamaduo.state"
"""How a trial ended. MLflow knows no pruned runs, and one that was stopped has not failed."""
CONTENT = "llamaduo.content"
"""Tag with a digest of what is shown, so that showing it again does nothing."""
ERROR = "llamaduo.error"
COST = "llamaduo.cost"
"""The same, of the cost over months."""


@dataclass(frozen=True)
class MlflowRun:
    """One run of the database."""

    book: Book
    id: str
    where: str

    @property
    def client(self) -> Any:
        """MLflow's own."""
        return self.book.client

    def round(
        self,
        round_: Round,
        *,
        train: Sequence[Example],
        adapter: Path,
        judgements: Sequence[Judgement],
    ) -> None:
        """Show a round as a nested run and as a step of this one; a shown one stays."""
        content = digest(round_.model_dump(mode="json"))
        known_by = {PARENT: self.id, ROUND: str(round_.number)}
        tags = {"llamaduo.adapter": round_.adapter, "llamaduo.train_sha256": round_.train}
        nested = self.book.find_or_make("round", known_by, f"round {round_.number}", tags)
        if nested.data.tags.get(CONTENT) == content:
            return
        name = nested.info.run_id  # new, or of a killed process, or of other dollars
        with tempfile.TemporaryDirectory() as folder:
            rows = Path(folder) / "train.parquet"
            parquet([row.model_dump(mode="json") for row in train], rows)
            self.client.log_artifact(name, str(rows), "data")
            scores = [judgement_row(judgement) for judgement in judgements]
            table = Path(folder) / "judgements.parquet"
            parquet(scores, table)
            self.client.log_artifact(name, str(table), "judge")
        self.client.log_table(name, columns(scores[:SHOWN]), "judge/judgements.json")
        for run in (self.id, name):
            self.client.log_inputs(run, [_dataset(round_)])
        self.client.log_artifacts(name, str(adapter), "adapter")
        figures = at(round_.number, of_round(round_))
        self.book.write(self.id, curves=figures)
        self.book.write(name, curves=figures, tags={CONTENT: content})
        self.client.set_terminated(name, "FINISHED")

    def trial(self, trial: Trial) -> None:
        """Show a trial as a nested run, its loss on dev by step; a shown one stays."""
        content = digest(trial.model_dump(mode="json"))
        known_by = {PARENT: self.id, TRIAL: str(trial.number)}
        nested = self.book.find_or_make("trial", known_by, f"trial {trial.number}", {})
        if nested.data.tags.get(CONTENT) == content:
            return
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

    def finish(self, result: Result, projection: Projection, report: Path) -> None:
        """Show the outcome; shown once, it stays until it changes."""
        shown = self.client.get_run(self.id).data.tags
        content = digest(result.model_dump(mode="json"), projection.model_dump(mode="json"))
        if shown.get(CONTENT) != content:
            curves = at(0, _outcome(result, projection))
            cost = digest(projection.model_dump(mode="json"))
            if shown.get(COST) != cost:  # MLflow would keep every point a second time
                curves |= _cost(projection)
            self.client.log_artifacts(self.id, str(report), "report")
            tags = {
                "llamaduo.verdict": result.decision.verdict,
                "llamaduo.stopped": result.stopped,
                **(_best(result.searched) if result.searched is not None else {}),
                COST: cost,
                CONTENT: content,
            }
            self.book.write(self.id, curves=curves, tags=tags)
        if ERROR in shown:
            self.client.delete_tag(self.id, ERROR)
        self.client.set_terminated(self.id, "FINISHED")

    def fail(self, error: BaseException) -> None:
        """Mark the run, with the error's own words."""
        words = without_secrets(f"{type(error).__name__}: {error}")
        self.book.write(self.id, tags={ERROR: words})
        self.client.set_terminated(self.id, "FAILED")

    def leave(self) -> None:
        """Let go of it; it stays one that is running."""


def _outcome(result: Result, projection: Projection) -> dict[str, float | None]:
    """Return the figures of the whole run."""
    outcome: dict[str, float | None] = {"cost/break_even_month": projection.break_even_month}
    if result.test is not None:
        outcome |= of_assessment(result.test, "test")
    for other in result.baselines:
        outcome[f"baseline/{other.name}"] = other.coverage.value
    for beside in result.compared:
        outcome[f"gain/{beside.name}"] = beside.coverage.value
        outcome[f"gain_low/{beside.name}"] = beside.coverage.low
    outcome["test/needed_prompts"] = result.decision.needed
    outcome["audit/flags"] = None if result.audit is None else len(result.audit.flags)
    return outcome


def _cost(projection: Projection) -> dict[str, dict[int, float | None]]:
    """Return the cost over months."""
    return {
        "cost/service_usd": dict(zip(projection.months, projection.service_usd, strict=True)),
        "cost/local_usd": dict(zip(projection.months, projection.local_usd, strict=True)),
    }


def _best(searched: Searched) -> Mapping[str, str]:
    """Say which trial's settings tuned, and what they are."""
    winner = searched.trial(searched.best)
    settings = {f"llamaduo.best.{key}": json.dumps(v) for key, v in winner.settings.items()}
    return {"llamaduo.best_trial": str(winner.number), **settings}


def _dataset(round_: Round) -> Any:
    """Name the train rows by our sha256: MLflow's own digests do not see every row."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    dataset = Dataset(
        name=f"train-round-{round_.number}",
        digest=round_.train[:36],
        source_type="llamaduo",
        source=f'{{"sha256": "{round_.train}"}}',
        profile=f'{{"rows": {round_.train_rows}}}',
    )
    return DatasetInput(dataset, [InputTag("mlflow.data.context", f"round {round_.number}")])
