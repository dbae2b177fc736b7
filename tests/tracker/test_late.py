"""What a store or a server refuses: said once, tried again, and nothing else is held up by it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from many import JUDGED, ROW, round_
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from llamaduo.started import Sweep
from llamaduo.tracker import shown
from llamaduo.tracker.mlflow import MlflowTracker
from llamaduo.tracker.shown import MlflowRun

SWEEP = Sweep(id="0123456789abcdef", name="-m seed=1,2")


class NoCredentialsError(Exception):
    """As a store's own library raises it."""

    __module__ = "botocore.exceptions"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MlflowRun]:
    monkeypatch.setattr(shown, "PAUSE", 0)
    (tmp_path / "adapter").mkdir()
    made = MlflowTracker().open(
        home=tmp_path, fingerprint="f", task="t", name="n", params={}, tags={}
    )
    yield made
    made.leave()


def refuse(error: Exception) -> Callable[..., None]:
    def to(*_: object, **__: object) -> None:
        raise error

    return to


def figures(run: MlflowRun) -> list[tuple[int, float]]:
    history = run.client.get_metric_history(run.id, "judge/coverage")
    return [(one.step, one.value) for one in history]


@pytest.mark.parametrize(
    "error",
    [NoCredentialsError("no keys"), ModuleNotFoundError("boto3"), MlflowException("413 too large")],
)
def test_a_store_that_takes_no_files_holds_up_no_figures_and_no_status(
    error: Exception,
    run: MlflowRun,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "log_artifacts", refuse(error))
        for number in (0, 1):
            run.round(
                round_(number), train=[ROW], adapter=tmp_path / "adapter", judgements=[JUDGED]
            )
    rounds = run.book.all("round", {})
    assert [one.info.status for one in rounds] == ["FINISHED", "FINISHED"]
    assert figures(run) == [(0, 50), (1, 51)]
    assert capsys.readouterr().err.count("tracker: not shown for now") == 1
    assert len(run.late) == 2
    run.round(round_(2), train=[ROW], adapter=tmp_path / "adapter", judgements=[JUDGED])
    assert run.late == []
    assert figures(run) == [(0, 50), (1, 51), (2, 52)]  # none of them twice


def test_a_fault_of_our_own_is_no_store_that_is_away(
    run: MlflowRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MlflowClient, "log_inputs", refuse(TypeError("a fault")))
    with pytest.raises(TypeError, match="a fault"):
        run.round(round_(0), train=[ROW], adapter=tmp_path / "adapter", judgements=[JUDGED])


def test_what_was_refused_slowly_holds_up_the_rest(
    run: MlflowRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shown, "REFUSAL", -1.0)
    tried = []

    def away(*_: object) -> None:
        tried.append(1)
        raise OSError("timed out")

    monkeypatch.setattr(MlflowRun, "_round", away)
    for number in (0, 1):
        run.round(round_(number), train=[ROW], adapter=tmp_path / "adapter", judgements=[JUDGED])
    assert (len(tried), len(run.late)) == (2, 2)  # at each step the first alone


def test_a_round_of_other_dollars_adds_them_alone(run: MlflowRun, tmp_path: Path) -> None:
    for usd in (0.25, 0.5, 0.5):
        changed = round_(0).model_copy(update={"usd": usd})
        run.round(changed, train=[ROW], adapter=tmp_path / "adapter", judgements=[JUDGED])
    names = run.client.get_run(run.id).data.metrics
    points = {name: len(run.client.get_metric_history(run.id, name)) for name in names}
    dollars = {name for name, many in points.items() if many == 2}
    assert dollars and all("usd" in name for name in dollars)
    assert set(points.values()) == {1, 2}


def test_a_sweep_that_is_shown_again_adds_only_what_is_new(run: MlflowRun, tmp_path: Path) -> None:
    for usd in (1.0, 1.0, 2.0):
        again = MlflowTracker().sweep(SWEEP, home=tmp_path, task="t")
        again.finish(tmp_path / "adapter", {"sweep/usd": usd, "sweep/jobs": 2.0}, failed=0)
    client = run.client
    assert [one.value for one in client.get_metric_history(again.id, "sweep/usd")] == [1.0, 2.0]
    assert len(client.get_metric_history(again.id, "sweep/jobs")) == 1


def test_a_server_that_is_away_at_the_end_of_a_sweep_is_said_in_a_line(
    run: MlflowRun,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    sweep = MlflowTracker().sweep(SWEEP, home=tmp_path, task="t")
    monkeypatch.setattr(MlflowClient, "search_runs", refuse(MlflowException("it is away")))
    sweep.finish(tmp_path / "adapter", {"sweep/jobs": 2.0}, failed=0)
    said: Any = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "the sweep is not shown whole: it is away" in said


def test_a_store_that_nothing_can_be_written_to_is_said_before_a_run(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/own.db"
    tracker = MlflowTracker(uri=uri)
    assert tracker.unusable("t") == ""
    client = MlflowClient(tracking_uri=uri)
    client.create_experiment("llamaduo/t", artifact_location="nowhere://bucket/runs")
    assert "artifacts cannot be written to nowhere://bucket/runs" in tracker.unusable("t")
    client.create_experiment("llamaduo/u", artifact_location=(tmp_path / "files").as_uri())
    assert tracker.unusable("u") == ""
