"""What MLflow is given of a search, and its pictures."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from figures import axes_of, words
from mlflow.tracking import MlflowClient
from search_world import DIVERGES, searched, searching, whole
from small_world import Diary, altered

from llamaduo.experiment import Experiment
from llamaduo.findings import Searched
from llamaduo.plots import search_front, search_history, search_importance
from llamaduo.tracker.mlflow import MlflowTracker

SPACE = {"tuner.lr": {"choices": [1e-5, 1e-4, 3e-4, 1e-3, 1e-2, DIVERGES]}}


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> tuple[Experiment, Searched, MlflowClient]:
    """A search with trials of all ends, shown and shown again."""
    home = tmp_path_factory.mktemp("shown") / "home"
    exp = searching(
        home,
        Diary(),
        trials=6,
        space=SPACE,
        prune=["tuning", "judging"],
        tuner={"eval_steps": 10, "lr": 1e-3},
    )
    exp = altered(exp, tracker=MlflowTracker())
    _, found, _ = whole(exp)
    whole(exp)
    return exp, found, MlflowClient(tracking_uri=f"sqlite:///{home}/mlruns/mlflow.db")


def runs(client: MlflowClient, kind: str) -> list[Any]:
    experiment = client.get_experiment_by_name("llamaduo/sorting")
    where = f"tags.`llamaduo.kind` = '{kind}'"
    found = client.search_runs([experiment.experiment_id], filter_string=where)
    return sorted(found, key=lambda run: int(run.data.tags.get("llamaduo.trial", 0)))


def test_each_trial_is_one_nested_run_and_only_what_failed_is_failed(
    shown: tuple[Experiment, Searched, MlflowClient],
) -> None:
    _, found, client = shown
    [parent] = runs(client, "loop")
    nested = runs(client, "trial")
    assert [run.info.run_name for run in nested] == [f"trial {i}" for i in range(6)]
    assert {run.data.tags["mlflow.parentRunId"] for run in nested} == {parent.info.run_id}
    ends = {"complete": "FINISHED", "pruned": "FINISHED", "failed": "FAILED"}
    for run, trial in zip(nested, found.trials, strict=True):
        assert run.data.tags["llamaduo.state"] == trial.state
        assert run.info.status == ends[trial.state]
        assert run.data.params == {"tuner.lr": repr(trial.settings["tuner.lr"])}
    assert {trial.state for trial in found.trials} == {"complete", "pruned", "failed"}
    [failed] = [run for run in nested if run.data.tags["llamaduo.state"] == "failed"]
    assert failed.data.tags["llamaduo.error"].startswith("the loss became nan")
    assert parent.data.tags["llamaduo.best_trial"] == str(found.best)
    assert parent.data.params["search.objective"] == "coverage"
    assert parent.data.tags["llamaduo.trials"] == "6"
    assert "search.trials" not in parent.data.params, "a limit is no param"


def test_a_trial_has_its_loss_by_step_and_its_coverage(
    shown: tuple[Experiment, Searched, MlflowClient],
) -> None:
    _, found, client = shown
    for run, trial in zip(runs(client, "trial"), found.trials, strict=True):
        history = client.get_metric_history(run.info.run_id, "tune/dev_loss")
        assert {(point.step, point.value) for point in history} == set(trial.curve.items())
        assert len(history) == len(trial.curve), "shown once"
        coverage = run.data.metrics.get("judge/coverage_low")
        assert coverage == (trial.dev.coverage.low if trial.dev else None)
        assert run.data.metrics.get("tune/tokens") == trial.tokens


def test_the_pictures_are_kept_with_the_run(
    shown: tuple[Experiment, Searched, MlflowClient],
) -> None:
    _, _, client = shown
    [parent] = runs(client, "loop")
    names = {file.path for file in client.list_artifacts(parent.info.run_id, "report")}
    assert {"report/search.png", "report/report.md"} <= names


def test_the_history_marks_every_end(shown: tuple[Experiment, Searched, MlflowClient]) -> None:
    _, found, _ = shown
    said = words(search_history(found))
    assert "failed" in said
    assert "stopped while" in said
    assert "best lower end so far" in said
    assert ("as given" in said) if found.best == 0 else (f"Trial {found.best} is the best" in said)


def test_importance_and_front_are_drawn_from_what_was_found(tmp_path: Path) -> None:
    exp = searching(tmp_path / "home", Diary(), trials=8, objective="coverage_and_cost")
    found = searched(exp).found
    assert found.importance
    bars = [bar.get_window_extent().width for bar in axes_of(search_importance(found)).patches]
    shares = list(found.importance.values())
    assert [bar / bars[0] for bar in bars] == pytest.approx([of / shares[0] for of in shares])
    figure = search_front(found)
    [line] = axes_of(figure).lines
    tokens = [found.trial(number).tokens for number in found.front]
    assert np.asarray(line.get_xdata()).tolist() == tokens
    assert "0, as given" in words(figure)
