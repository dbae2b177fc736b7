"""A team's server: who may not, and what is not there, is said before anything is spent."""

import io
import time
from pathlib import Path

import pytest
import requests
from many import JUDGED, ROW, round_
from mlflow.tracking import MlflowClient
from mlflow_server import MlflowServer, free_port

from llamaduo import session
from llamaduo.config import from_overrides
from llamaduo.errors import ConfigError, TrackerError
from llamaduo.progress import Progress
from llamaduo.tracker import shown
from llamaduo.tracker.mlflow import MlflowTracker
from llamaduo.tracker.shown import MlflowRun
from llamaduo.verbs import doctor


@pytest.fixture
def signed_in(server: MlflowServer, monkeypatch: pytest.MonkeyPatch) -> MlflowServer:
    for name, value in server.credentials.items():
        monkeypatch.setenv(name, value)
    return server


def opened(server: MlflowServer, home: Path, task: str = "t") -> MlflowRun:
    return MlflowTracker(uri=server.url).open(
        home=home, fingerprint="f", task=task, name="n", params={}, tags={}
    )


def refusal(uri: str, home: Path) -> str:
    """What a run says that is to be shown at `uri`; nothing of it is begun."""
    words = ["experiments=demo_tiny", f"home={home}/run", f"tracker.uri={uri}"]
    began = time.monotonic()
    with pytest.raises(ConfigError) as error:
        session.run(from_overrides(words), Progress(io.StringIO()))
    assert time.monotonic() - began < 30, "it is not asked for minutes"
    assert not (home / "run").exists()
    return str(error.value)


def test_no_password_a_wrong_one_and_no_server_are_said_before_a_run_begins(
    server: MlflowServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "it wants a user and a password: set MLFLOW_TRACKING_USERNAME" in refusal(
        server.url, tmp_path
    )
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "admin")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "wrong-password")
    said = refusal(server.url, tmp_path)
    assert "it does not know this user with this password" in said
    assert "wrong-password" not in said
    nobody = f"http://127.0.0.1:{free_port()}"
    said = refusal(nobody, tmp_path)
    assert f"tracker: {nobody}: it does not answer like a tracking server within 5 s" in said
    assert "Connection refused" in said


def test_one_who_may_not_write_is_told_so(
    server: MlflowServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin = ("admin", server.password)
    made = requests.post(
        f"{server.url}/api/2.0/mlflow/experiments/create",
        json={"name": "llamaduo/ticket_triage"},
        auth=admin,
        timeout=30,
    ).json()
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "guest")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", server.user("guest"))
    said = refusal(server.url, tmp_path)
    assert "guest may not write to the experiment llamaduo/ticket_triage" in said
    for permission, fault in (("READ", True), ("EDIT", False)):
        on = {"username": "guest", "resource_type": "experiment"}
        on["resource_id"] = made["experiment_id"]
        for verb in ("revoke", "grant") if permission == "EDIT" else ("grant",):
            requests.post(
                f"{server.url}/api/3.0/mlflow/users/permissions/{verb}",
                json={**on, **({"permission": permission} if verb == "grant" else {})},
                auth=admin,
                timeout=30,
            ).raise_for_status()
        assert bool(MlflowTracker(uri=server.url).unusable("ticket_triage")) == fault


def test_doctor_has_a_line_on_the_tracker(
    signed_in: MlflowServer, capsys: pytest.CaptureFixture[str]
) -> None:
    doctor.main(["experiments=demo_tiny", f"tracker.uri={signed_in.url}"])
    assert f"ok       tracker: {signed_in.url}\n" in capsys.readouterr().out
    doctor.main(["experiments=demo_tiny", f"tracker.uri=http://127.0.0.1:{free_port()}"])
    assert "MISSING  tracker: http://127.0.0.1:" in capsys.readouterr().out


def test_a_deleted_experiment_is_said_with_what_brings_it_back(
    signed_in: MlflowServer, tmp_path: Path
) -> None:
    opened(signed_in, tmp_path, "gone").leave()
    client = MlflowClient(tracking_uri=signed_in.url)
    client.delete_experiment(client.get_experiment_by_name("llamaduo/gone").experiment_id)
    with pytest.raises(TrackerError, match=r"mlflow experiments restore --experiment-id \d+"):
        opened(signed_in, tmp_path, "gone")
    assert "was deleted there" in MlflowTracker(uri=signed_in.url).unusable("gone")


def test_a_server_that_goes_away_loses_nothing(
    signed_in: MlflowServer,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shown, "PAUSE", 0)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    run = opened(signed_in, tmp_path, "away")
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    signed_in.stop()
    try:
        for number in (0, 1):
            run.round(round_(number), train=[ROW], adapter=adapter, judgements=[JUDGED])
        said = capsys.readouterr().err
        assert said.count("tracker: not shown for now") == 1
        assert signed_in.password not in said
        assert run.where.endswith("(not all of it: the same command shows the rest)")
        run.leave()
    finally:
        signed_in.start()
    again = opened(signed_in, tmp_path, "away")
    assert again.id == run.id
    again.round(round_(0), train=[ROW], adapter=adapter, judgements=[JUDGED])
    run.round(round_(2), train=[ROW], adapter=adapter, judgements=[JUDGED])  # and what was late
    assert run.where == f"runs: {signed_in.url}"
    again.leave()
    rounds = run.book.all("round", {"mlflow.parentRunId": run.id})
    assert sorted(one.data.tags["llamaduo.round"] for one in rounds) == ["0", "1", "2"]
    history = run.client.get_metric_history(run.id, "judge/coverage")
    assert sorted((one.step, one.value) for one in history) == [(0, 50), (1, 51), (2, 52)]


@pytest.mark.parametrize(
    "uri", ["http://me:hunter2hunter2@tracking:5000", "postgresql://me:hunter2hunter2@db/mlflow"]
)
def test_an_address_with_a_password_is_refused_without_showing_it(uri: str) -> None:
    with pytest.raises(ConfigError) as error:
        from_overrides([f"tracker.uri='{uri}'"])
    assert "there is a password in it" in str(error.value)
    assert "MLFLOW_TRACKING_PASSWORD" in str(error.value)
    assert "hunter2" not in str(error.value)


def test_a_server_that_is_away_is_not_waited_for_again_and_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = MlflowTracker().open(
        home=tmp_path, fingerprint="f", task="t", name="n", params={}, tags={}
    )
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    tried: list[int] = []

    def away(kind: str, known_by: object, name: str, tags: object) -> None:
        tried.append(1)
        time.sleep(0.2)
        raise OSError("no route to host")

    with monkeypatch.context() as patch:
        patch.setattr(type(run.book), "find_or_make", lambda self, *asked: away(*asked))
        for number in range(5):
            run.round(round_(number), train=[ROW], adapter=adapter, judgements=[JUDGED])
    assert (len(tried), len(run.late)) == (1, 5)
    run.fail(ValueError("no money"))  # the last there is: it is tried, with all that is late
    assert run.late == []
    assert len(run.book.all("round", {})) == 5
    assert run.client.get_run(run.id).info.status == "FAILED"
