"""A sweep in MLflow: a run of its own, and its jobs below it."""

from pathlib import Path
from typing import Any

import pytest
from mlflow.tracking import MlflowClient

from llamaduo.started import Sweep
from llamaduo.tracker.mlflow import MlflowTracker
from llamaduo.tracker.shown import MlflowRun

FIRST = Sweep(id="0123456789abcdef", name="-m local=tiny,smollm2_135m " + "tuner.r=4,8 " * 20)
LATER = Sweep(id="fedcba9876543210", name="-m tuner.r=4,8")


@pytest.fixture
def client(tmp_path: Path) -> MlflowClient:
    return MlflowClient(tracking_uri=f"sqlite:///{tmp_path}/mlruns/mlflow.db")


def job(home: Path, fingerprint: str, sweep: Sweep | None) -> MlflowRun:
    return MlflowTracker().open(
        home=home,
        fingerprint=fingerprint,
        task="t",
        name=f"job {fingerprint}",
        params={},
        tags={"llamaduo.fingerprint": fingerprint},
        sweep=sweep,
    )


def tags(client: MlflowClient, run: str) -> dict[str, str]:
    found: dict[str, str] = client.get_run(run).data.tags
    return found


def runs(client: MlflowClient, kind: str) -> list[Any]:
    experiment = client.get_experiment_by_name("llamaduo/t").experiment_id
    return list(client.search_runs([experiment], f"tags.`llamaduo.kind` = '{kind}'"))


def test_jobs_are_below_the_run_of_their_sweep_whoever_comes_first(
    tmp_path: Path, client: MlflowClient
) -> None:
    early = job(tmp_path, "a", FIRST)
    shown = MlflowTracker().sweep(FIRST, home=tmp_path, task="t")
    late = job(tmp_path, "b", FIRST)
    [parent] = runs(client, "sweep")
    assert parent.info.run_id == shown.id
    assert parent.info.status == "RUNNING"
    assert len(parent.info.run_name) == 120
    assert parent.data.tags["mlflow.source.name"] == FIRST.name
    for one in (early, late):
        assert tags(client, one.id)["mlflow.parentRunId"] == shown.id
        assert tags(client, one.id)["llamaduo.sweep"] == FIRST.id


def test_a_run_that_ran_in_a_later_sweep_moves_to_it(tmp_path: Path, client: MlflowClient) -> None:
    run = job(tmp_path, "a", FIRST)
    job(tmp_path, "a", LATER)
    later = MlflowTracker().sweep(LATER, home=tmp_path, task="t")
    job(tmp_path, "a", None)  # by itself: it stays where it was compared last
    assert tags(client, run.id)["mlflow.parentRunId"] == later.id
    assert len(runs(client, "loop")) == 1
    assert MlflowTracker().fingerprint_of(run.id, home=tmp_path) == "a"
    assert MlflowTracker().fingerprint_of(later.id, home=tmp_path) is None


@pytest.mark.parametrize(("good", "status"), [(1, "FINISHED"), (0, "FAILED")])
def test_a_sweep_ends_with_its_comparison_and_is_failed_where_all_jobs_are(
    tmp_path: Path, client: MlflowClient, good: int, status: str
) -> None:
    shown = MlflowTracker().sweep(FIRST, home=tmp_path, task="t")
    for name in "ab"[:good]:
        client.set_terminated(job(tmp_path, name, FIRST).id, "FINISHED")
    folder = tmp_path / "compare"
    folder.mkdir()
    (folder / "compare.md").write_text("| table |")
    shown.finish(folder, {"test/coverage/best": 91.5}, failed=2 - good)
    parent = client.get_run(shown.id)
    assert parent.info.status == status
    assert parent.data.tags["llamaduo.failed_jobs"] == str(2 - good)
    assert parent.data.metrics == {"test/coverage/best": 91.5}
    assert [file.path for file in client.list_artifacts(shown.id, "comparison")] == [
        "comparison/compare.md"
    ]


def test_two_machines_that_began_a_sweep_at_once_end_with_one(
    tmp_path: Path, client: MlflowClient
) -> None:
    shown = MlflowTracker().sweep(FIRST, home=tmp_path, task="t")
    experiment = client.get_experiment_by_name("llamaduo/t").experiment_id
    known = {"llamaduo.kind": "sweep", "llamaduo.sweep": FIRST.id}
    other = client.create_run(experiment, tags=known)
    child = job(tmp_path, "a", FIRST)
    client.set_tag(child.id, "mlflow.parentRunId", other.info.run_id)
    folder = tmp_path / "compare"
    folder.mkdir()
    shown.finish(folder, {}, failed=0)
    assert [run.info.run_id for run in runs(client, "sweep")] == [shown.id]
    assert tags(client, child.id)["mlflow.parentRunId"] == shown.id
