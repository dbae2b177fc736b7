"""Many jobs that begin at once with no database: none is lost, and each is where it belongs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from many import ROUNDS, SWEEP
from mlflow.tracking import MlflowClient
from mlflow_server import MlflowServer

JOBS = 8


def at_once(home: Path, uri: str) -> None:
    script = Path(__file__).with_name("many.py")
    jobs = subprocess.run(
        [sys.executable, str(script), str(home), uri, str(JOBS)],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        timeout=300,
        check=False,
    )
    assert jobs.returncode == 0, jobs.stderr


def all_there(client: MlflowClient) -> None:
    known = client.get_experiment_by_name("llamaduo/many")
    runs = client.search_runs([known.experiment_id], max_results=1000)
    by_kind: dict[str, list[str]] = {}
    for run in runs:
        by_kind.setdefault(run.data.tags["llamaduo.kind"], []).append(run.info.run_id)
    assert {kind: len(ids) for kind, ids in by_kind.items()} == {
        "sweep": 1,
        "loop": JOBS,
        "round": JOBS * ROUNDS,
    }
    [sweep] = by_kind["sweep"]
    for run in runs:
        tags = run.data.tags
        if tags["llamaduo.kind"] == "loop":
            assert (tags["mlflow.parentRunId"], tags["llamaduo.sweep"]) == (sweep, SWEEP.id)
            assert {one.dataset.name for one in run.inputs.dataset_inputs} >= {"dev", "test"}
        if tags["llamaduo.kind"] == "round":
            assert tags["mlflow.parentRunId"] in by_kind["loop"]
            losses = client.get_metric_history(run.info.run_id, "tune/step_loss")
            assert [(one.step, one.value) for one in losses] == [(1, 3.0), (2, 2.0), (3, 1.0)]
        if tags["llamaduo.kind"] != "sweep":
            assert run.info.status == "FINISHED"
    assert {run.data.params.get("seed") for run in runs} == {None, *map(str, range(JOBS))}


def test_eight_processes_on_no_file(tmp_path: Path) -> None:
    at_once(tmp_path, "")
    all_there(MlflowClient(tracking_uri=f"sqlite:///{tmp_path}/mlruns/mlflow.db"))


def test_eight_processes_on_a_server_with_nothing_on_it(
    tmp_path: Path, server: MlflowServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in server.credentials.items():
        monkeypatch.setenv(name, value)
    at_once(tmp_path, server.url)
    client = MlflowClient(tracking_uri=server.url)
    all_there(client)
    known = client.get_experiment_by_name("llamaduo/many")
    assert known.artifact_location.startswith("mlflow-artifacts:")
    where = "tags.`llamaduo.kind` = 'round'"
    [shown] = client.search_runs([known.experiment_id], where, max_results=1)
    got = Path(client.download_artifacts(shown.info.run_id, "adapter", str(tmp_path)))
    assert (got / "adapter_model.safetensors").read_bytes() == b"weights"
    assert not (tmp_path / "mlruns/mlflow.db").exists()
