"""MLflow: one experiment a task, one run a fingerprint, a nested run a round."""

import fcntl
import json
import os
import re
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llamaduo.component import Component, digest
from llamaduo.findings import Projection, Result, Round, Searched, Trial
from llamaduo.records import Example, Judgement
from llamaduo.secrets import without_secrets
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


class MlflowTracker(Component):
    """Shows runs in an MLflow database under `home`, or on a server."""

    uri: str | None = None
    """Tracking address; None: `mlruns/mlflow.db` under home."""

    def open(
        self,
        *,
        home: Path,
        fingerprint: str,
        task: str,
        name: str,
        params: Mapping[str, str],
        tags: Mapping[str, str],
    ) -> "MlflowRun":
        """Find the run of this fingerprint, or make it; the database is made once, under a lock."""
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        from mlflow.tracking import MlflowClient

        folder = home / "mlruns"
        folder.mkdir(parents=True, exist_ok=True)
        uri = self.uri or f"sqlite:///{folder / 'mlflow.db'}"
        with (folder / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            client = MlflowClient(tracking_uri=uri)
            experiment = _experiment(client, f"llamaduo/{task}", None if self.uri else folder)
            run = _find(client, experiment, {FINGERPRINT: fingerprint}, "loop")
            if run is None:
                run = _make(client, experiment, name, tags)
            _params(client, run, params)  # a kill may have come before they were logged
        client.update_run(run, status="RUNNING", name=name)
        for key, value in tags.items():
            client.set_tag(run, key, value)
        return MlflowRun(client, experiment, run, self._look(uri, folder))

    def fingerprint_of(self, run: str, *, home: Path) -> str | None:
        """Return the fingerprint of the MLflow run `run`, or of the run it is a round of.

        None where the database, or in it such a run, is not there.
        """
        from mlflow.exceptions import MlflowException
        from mlflow.tracking import MlflowClient

        file = home / "mlruns" / "mlflow.db"
        if self.uri is None and not file.exists():
            return None
        client = MlflowClient(tracking_uri=self.uri or f"sqlite:///{file}")
        try:
            tags = client.get_run(run).data.tags
            if "mlflow.parentRunId" in tags:
                tags = client.get_run(tags["mlflow.parentRunId"]).data.tags
        except MlflowException:
            return None
        found = tags.get(FINGERPRINT)
        return None if found is None else str(found)

    def _look(self, uri: str, folder: Path) -> str:
        if self.uri:
            return f"runs: {re.sub('//[^/@]*@', '//', self.uri)}"  # no password of a database
        return f"runs: mlflow ui --backend-store-uri {uri}"


@dataclass(frozen=True)
class MlflowRun:
    """One run of the database."""

    client: Any
    experiment: str
    id: str
    where: str

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
        tags = {"mlflow.parentRunId": self.id, ROUND: str(round_.number)}
        known = _find(self.client, self.experiment, {**tags, CONTENT: content}, "round")
        if known is not None:
            return
        begun = _find(self.client, self.experiment, tags, "round")  # killed, or of other dollars
        fresh = {**tags, "llamaduo.kind": "round", "llamaduo.adapter": round_.adapter}
        fresh["llamaduo.train_sha256"] = round_.train
        name = f"round {round_.number}"
        nested = begun or _make(self.client, self.experiment, name, fresh)
        figures = of_round(round_)
        _log(self.client, self.id, figures, step=round_.number)
        _log(self.client, nested, figures, step=round_.number)
        with tempfile.TemporaryDirectory() as folder:
            rows = Path(folder) / "train.parquet"
            parquet([row.model_dump(mode="json") for row in train], rows)
            self.client.log_artifact(nested, str(rows), "data")
            scores = [judgement_row(judgement) for judgement in judgements]
            table = Path(folder) / "judgements.parquet"
            parquet(scores, table)
            self.client.log_artifact(nested, str(table), "judge")
        self.client.log_table(nested, columns(scores[:SHOWN]), "judge/judgements.json")
        for run in (self.id, nested):
            self.client.log_inputs(run, [_dataset(round_)])
        self.client.log_artifacts(nested, str(adapter), "adapter")
        self.client.set_tag(nested, CONTENT, content)
        self.client.set_terminated(nested, "FINISHED")

    def trial(self, trial: Trial) -> None:
        """Show a trial as a nested run, its loss on dev by step; a shown one stays."""
        content = digest(trial.model_dump(mode="json"))
        tags = {"mlflow.parentRunId": self.id, TRIAL: str(trial.number)}
        shown = _find(self.client, self.experiment, {**tags, CONTENT: content}, "trial")
        if shown is not None:
            return
        begun = _find(self.client, self.experiment, tags, "trial")  # and killed before its end
        fresh = {**tags, "llamaduo.kind": "trial"}
        name = f"trial {trial.number}"
        nested = begun or _make(self.client, self.experiment, name, fresh)
        settings = {key: json.dumps(value) for key, value in trial.settings.items()}
        _params(self.client, nested, settings)
        _curve(self.client, nested, "tune/dev_loss", trial.curve)
        figures: dict[str, float | None] = {
            "tune/tokens": trial.tokens,
            "search/dev_loss": trial.dev_loss,
            "search/prompts": trial.looked_at,
            **(of_assessment(trial.dev, "judge") if trial.dev is not None else {}),
        }
        _log(self.client, nested, figures, step=0)
        self.client.set_tag(nested, STATE, trial.state)
        if trial.stopped:
            self.client.set_tag(nested, "llamaduo.stopped", trial.stopped)
        if trial.error:
            self.client.set_tag(nested, ERROR, without_secrets(trial.error)[:5000])
        self.client.set_tag(nested, CONTENT, content)
        self.client.set_terminated(nested, "FAILED" if trial.state == "failed" else "FINISHED")

    def finish(self, result: Result, projection: Projection, report: Path) -> None:
        """Show the outcome; shown once, it stays until it changes."""
        content = digest(result.model_dump(mode="json"), projection.model_dump(mode="json"))
        if self.client.get_run(self.id).data.tags.get(CONTENT) != content:
            self._cost(projection)
            outcome = {"cost/break_even_month": projection.break_even_month}
            if result.test is not None:
                outcome |= of_assessment(result.test, "test")
            for other in result.baselines:
                outcome[f"baseline/{other.name}"] = other.coverage.value
            for beside in result.compared:
                outcome[f"gain/{beside.name}"] = beside.coverage.value
                outcome[f"gain_low/{beside.name}"] = beside.coverage.low
            outcome["test/needed_prompts"] = result.decision.needed
            outcome["audit/flags"] = None if result.audit is None else len(result.audit.flags)
            _log(self.client, self.id, outcome, step=0)
            self.client.log_artifacts(self.id, str(report), "report")
            self.client.set_tag(self.id, "llamaduo.verdict", result.decision.verdict)
            self.client.set_tag(self.id, "llamaduo.stopped", result.stopped)
            if result.searched is not None:
                self._search(result.searched)
            self.client.set_tag(self.id, CONTENT, content)
        if ERROR in self.client.get_run(self.id).data.tags:
            self.client.delete_tag(self.id, ERROR)
        self.client.set_terminated(self.id, "FINISHED")

    def _search(self, searched: Searched) -> None:
        """Say which trial's settings tuned, and what they are."""
        winner = searched.trial(searched.best)
        self.client.set_tag(self.id, "llamaduo.best_trial", str(winner.number))
        for key, value in winner.settings.items():
            self.client.set_tag(self.id, f"llamaduo.best.{key}", json.dumps(value))

    def _cost(self, projection: Projection) -> None:
        """Show the cost over months once: MLflow would keep every point a second time."""
        content = digest(projection.model_dump(mode="json"))
        if self.client.get_run(self.id).data.tags.get(COST) == content:
            return
        for month, service, local in zip(
            projection.months, projection.service_usd, projection.local_usd, strict=True
        ):
            figures = {"cost/service_usd": service, "cost/local_usd": local}
            _log(self.client, self.id, figures, step=month)
        self.client.set_tag(self.id, COST, content)

    def fail(self, error: BaseException) -> None:
        """Mark the run, with the error's own words."""
        words = without_secrets(f"{type(error).__name__}: {error}")
        self.client.set_tag(self.id, ERROR, words[:5000])
        self.client.set_terminated(self.id, "FAILED")


def _experiment(client: Any, name: str, folder: Path | None) -> str:
    known = client.get_experiment_by_name(name)
    if known is not None:
        return str(known.experiment_id)
    place = None if folder is None else (folder / "artifacts").as_uri()
    return str(client.create_experiment(name, artifact_location=place))


def _find(client: Any, experiment: str, tags: Mapping[str, str], kind: str) -> str | None:
    wanted = {**tags, "llamaduo.kind": kind}
    where = " and ".join(f"tags.`{key}` = '{value}'" for key, value in wanted.items())
    found = client.search_runs([experiment], filter_string=where, max_results=1)
    return str(found[0].info.run_id) if found else None


def _make(client: Any, experiment: str, name: str, tags: Mapping[str, str]) -> str:
    return str(client.create_run(experiment, run_name=name, tags=dict(tags)).info.run_id)


def _params(client: Any, run: str, params: Mapping[str, str]) -> None:
    """Log params; those that are there already stay, as MLflow wants it."""
    from mlflow.entities import Param

    there = client.get_run(run).data.params
    fresh = {_name(name): value[:6000] for name, value in params.items()}
    missing = [Param(name, value) for name, value in fresh.items() if name not in there]
    if missing:
        client.log_batch(run, params=missing)


def _log(client: Any, run: str, figures: Mapping[str, float | None], *, step: int) -> None:
    """Log in one batch what has a value; the same step again replaces nothing and adds one."""
    from mlflow.entities import Metric

    now = int(time.time() * 1000)
    there = {name: value for name, value in figures.items() if value is not None}
    client.log_batch(run, metrics=[Metric(_name(k), v, now, step) for k, v in there.items()])


def _curve(client: Any, run: str, name: str, points: Mapping[int, float]) -> None:
    """Log a figure over its steps in one batch, unless it is there."""
    from mlflow.entities import Metric

    if points and name not in client.get_run(run).data.metrics:
        now = int(time.time() * 1000)
        client.log_batch(run, metrics=[Metric(name, v, now, s) for s, v in sorted(points.items())])


def _name(name: str) -> str:
    """MLflow takes letters, digits, `_-./` and spaces."""
    return "".join(c if c.isalnum() or c in "_-./ " else "_" for c in name)


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
