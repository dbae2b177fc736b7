"""`llamaduo -m`: what is refused before a job begins, and what is shown of the sweep."""

import json
import shutil
from pathlib import Path

import pytest
from conftest import Finished

from llamaduo.errors import ConfigError, UsageError
from llamaduo.sweep import plan
from llamaduo.tracker.mlflow import MlflowTracker
from llamaduo.verbs import run

TINY = ["experiments=demo_tiny", "seed=1,2"]


@pytest.mark.parametrize(
    "launcher",
    [
        ["hydra/launcher=submitit_slurm"],
        ["hydra/launcher=ray", "hydra.launcher.ray.init.address=10.0.0.1:6379"],
    ],
)
def test_other_machines_are_refused_while_ledger_and_mlflow_are_files(
    launcher: list[str], tmp_path: Path
) -> None:
    with pytest.raises(ConfigError) as refused:
        run.main(["-m", *TINY, *launcher])
    said = str(refused.value)
    assert said.startswith(f"{launcher[0]} runs jobs on other machines, and here they share files:")
    assert "set ledger=postgresql" in said and "tracker.uri=https://..." in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["hydra/launcher=jobilb"], "did you mean `joblib`?"),
        (["hydra/launcher=joblib", "hydra.launcher.n_jobs=1,2"], "launched in one way"),
        (["hydra/sweeper=basic"], "search=qlora"),
        (["hydra/launcher=joblib", "hydra.launcher.n_job=2"], "hydra.launcher.n_job"),
    ],
)
def test_a_launcher_that_cannot_be_is_refused_before_anything_is_made(
    words: list[str], said: str, tmp_path: Path
) -> None:
    with pytest.raises((UsageError, ConfigError)) as refused:
        run.main(["-m", *TINY, *words])
    assert said in str(refused.value)
    assert list(tmp_path.iterdir()) == []


def test_without_slurm_no_job_begins_and_that_is_said(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLAMADUO_LEDGER_URL", "postgresql://user@127.0.0.1:9/none")
    words = ["ledger=postgresql", "tracker=none", "hydra/launcher=submitit_slurm"]
    assert run.main(["-m", *TINY, *words]) == 1
    said = capsys.readouterr()
    assert 'the launcher broke: RuntimeError: Could not detect "srun"' in said.err
    assert "Traceback" not in said.err
    assert said.out.count("not begun") == 2


def test_a_sweep_is_one_run_in_mlflow_with_its_comparison(
    finished: Finished, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "home"
    shutil.copytree(finished.home, home)
    typed = ["experiments=demo_tiny", "judge.repeats=2,0", f"home={home}"]
    assert run.main(["-m", *typed]) == 2
    said = capsys.readouterr().out
    assert "keep the service; nothing to do, all was there" in said
    assert f"{finished.exp.task.name}, the sweep: " in said
    sweep = plan.identity(typed)
    shown = MlflowTracker().sweep(sweep, home=home, task=finished.exp.task.name)
    book = shown.book
    [parent] = book.all("sweep", {"llamaduo.sweep": sweep.id})
    assert parent.data.tags["llamaduo.failed_jobs"] == "1"
    assert parent.data.metrics["sweep/jobs"] == 2
    assert parent.data.metrics["sweep/failed"] == 1
    assert parent.data.metrics["sweep/usd"] == pytest.approx(finished.result.usd)
    test = finished.result.test
    assert test is not None
    assert parent.data.metrics["sweep/best_coverage"] == test.coverage.value
    [place] = home.glob(".llamaduo/sweeps/*/comparison/*")
    assert {"compare.md", "jobs.json"} <= {path.name for path in place.iterdir()}
    assert [job["code"] for job in json.loads((place / "jobs.json").read_text())] == [0, 2]
