"""A home that is moved or copied: its runs are there, and nothing goes to the old place."""

import re
import shutil
from pathlib import Path

import pytest
from many import JUDGED, ROW, round_
from mlflow import __version__
from mlflow.tracking import MlflowClient

from llamaduo.local import cache_home
from llamaduo.tracker import database
from llamaduo.tracker.mlflow import MlflowTracker
from llamaduo.tracker.shown import MlflowRun


def opened(home: Path, fingerprint: str) -> MlflowRun:
    return MlflowTracker().open(
        home=home, fingerprint=fingerprint, task="t", name="n", params={}, tags={}
    )


def shown(home: Path, fingerprint: str, number: int) -> MlflowRun:
    """A run with a round that has an adapter."""
    adapter = home / "adapter"
    adapter.mkdir(parents=True, exist_ok=True)
    (adapter / "adapter_model.safetensors").write_bytes(fingerprint.encode())
    run = opened(home, fingerprint)
    run.round(round_(number), train=[ROW], adapter=adapter, judgements=[JUDGED])
    run.leave()
    assert not run.late
    return run


def adapter_of(home: Path, run: MlflowRun, into: Path) -> bytes:
    client = MlflowClient(tracking_uri=f"sqlite:///{home}/mlruns/mlflow.db")
    [nested] = client.search_runs([run.book.experiment], f"tags.`mlflow.parentRunId` = '{run.id}'")
    into.mkdir()
    got = Path(client.download_artifacts(nested.info.run_id, "adapter", str(into)))
    return (got / "adapter_model.safetensors").read_bytes()


@pytest.mark.parametrize("how", ["moved", "copied"])
def test_old_artifacts_are_found_and_new_ones_are_written_where_home_is_now(
    how: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = tmp_path / "an old  home", tmp_path / "new"
    first = shown(old, "a", 0)
    (shutil.move if how == "moved" else shutil.copytree)(old, new)
    before = sorted(str(path) for path in old.rglob("*"))
    second = shown(new, "b", 0)
    said = capsys.readouterr().err
    assert said.count(f"tracker: the runs of {old} are in {new} now") == 1
    assert adapter_of(new, first, tmp_path / "got a") == b"a"
    assert adapter_of(new, second, tmp_path / "got b") == b"b"
    assert sorted(str(path) for path in old.rglob("*")) == before
    assert not named(new, old)
    opened(new, "b").leave()
    assert "tracker:" not in capsys.readouterr().err


def named(home: Path, old: Path) -> bool:
    """Whether a row of the database, and not only free space in its file, names `old`."""
    from sqlalchemy import create_engine

    raw = create_engine(f"sqlite:///{home}/mlruns/mlflow.db").raw_connection()
    try:
        dump = "\n".join(raw.driver_connection.iterdump())  # type: ignore[union-attr]
    finally:
        raw.close()
    return old.as_uri() in dump


def test_a_place_whose_name_only_begins_alike_stays(
    tmp_path: Path,
) -> None:
    old, new = tmp_path / "home", tmp_path / "new"
    run = shown(old, "a", 0)
    beside = f"{(old / 'mlruns/artifacts').as_uri()}-of-another"
    run.client.create_experiment("not ours", artifact_location=beside)
    shutil.move(old, new)
    opened(new, "a").leave()
    client = MlflowClient(tracking_uri=f"sqlite:///{new}/mlruns/mlflow.db")
    assert client.get_experiment_by_name("not ours").artifact_location == beside
    ours = client.get_run(run.id).info.artifact_uri
    assert re.match(f"{(new / 'mlruns/artifacts').as_uri()}/{run.id}/artifacts$", ours)


def test_an_experiment_whose_artifacts_were_put_elsewhere_on_purpose_stays(tmp_path: Path) -> None:
    home = tmp_path / "home"
    run = shown(home, "a", 0)
    far = (tmp_path / "a large disk").as_uri()
    run.client.create_experiment("llamaduo/large", artifact_location=far)
    opened(home, "a").leave()
    assert run.client.get_experiment_by_name("llamaduo/large").artifact_location == far


def test_an_empty_database_is_made_once_and_names_no_other_home(tmp_path: Path) -> None:
    for name in ("one", "two"):
        with database.opened(None, tmp_path / name, "t") as book:
            default = book.client.get_experiment("0").artifact_location
        assert default == f"{(tmp_path / name / 'mlruns/artifacts').as_uri()}/0"
    kept = cache_home() / "mlflow" / f"{__version__}.db"
    assert b"llamaduo/t" not in kept.read_bytes()
    assert (tmp_path / "two/mlruns/mlflow.db").stat().st_size == kept.stat().st_size
    assert [path.name for path in kept.parent.iterdir()] == [kept.name], "no draft is left"
