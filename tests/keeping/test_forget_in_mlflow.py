"""Forgetting in MLflow: on a copy of a real run of `demo_tiny`, weights and all."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pyarrow.parquet
import pytest
from conftest import Finished, move_in
from kept_world import bytes_under, planned

from llamaduo.records import Placed
from llamaduo.session import run
from llamaduo.tracker.forgetting import on_server
from llamaduo.verbs import doctor
from llamaduo.verbs import store as verb


@pytest.fixture
def shown(finished: Finished, tmp_path: Path) -> Path:
    (tmp_path / "shown").mkdir()
    move_in(finished.home, tmp_path / "shown")  # what is forgotten is gone from the copy alone
    return tmp_path / "shown"


def row(home: Path, part: str) -> Placed:
    """Return the first row of a part of the split."""
    [file] = (home / ".llamaduo/store").glob("split/*/out/rows.jsonl")
    rows = [Placed.model_validate_json(line) for line in file.read_bytes().split(b"\n") if line]
    return next(one for one in rows if one.part == part)


def everything_said(home: Path) -> Iterator[tuple[str, str]]:
    """Yield (file, text) of all that can be read under home, tables of Parquet as JSON."""
    for name, said in bytes_under(home).items():
        yield name, said.decode("utf-8", "replace")
        if name.endswith(".parquet"):
            rows = pyarrow.parquet.read_table(home / name).to_pylist()
            yield name, json.dumps(rows, ensure_ascii=False)


def where(home: Path, text: str) -> set[str]:
    once = json.dumps(text, ensure_ascii=False)[1:-1]
    twice = json.dumps(once, ensure_ascii=False)[1:-1]
    ways = (text, once, twice, json.dumps(text)[1:-1])
    return {name for name, said in everything_said(home) if any(way in said for way in ways)}


def register(uri: str, run_id: str, source: str) -> None:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    client.create_registered_model("triage")
    made = client.create_model_version("triage", source, run_id)
    client.set_registered_model_alias("triage", "champion", made.version)


def round_of(database: Path) -> tuple[str, str]:
    """Return the MLflow run of the last round, and where its artifacts are."""
    with closing(sqlite3.connect(database)) as db:
        (found,) = db.execute(
            "select r.run_uuid, r.artifact_uri from runs r join tags t on t.run_uuid = r.run_uuid"
            " where t.key = 'llamaduo.round' order by t.value desc limit 1"
        ).fetchall()
    return str(found[0]), str(found[1])


def test_a_train_rows_weights_and_tables_go_and_its_champion_is_said_loud(
    shown: Path, finished: Finished, capsys: pytest.CaptureFixture[str]
) -> None:
    database = shown / "mlruns/mlflow.db"
    run_id, source = round_of(database)
    register(f"sqlite:///{database}", run_id, f"{source}/adapter")
    one = row(shown, "train").example
    held = where(shown, one.question)
    assert any(name.endswith("train.parquet") for name in held)
    weights = set(shown.glob("mlruns/**/*.safetensors"))
    assert len(weights) == 2  # of both rounds, and both are tuned on it
    assert verb.main(["forget", one.id, "--yes", f"home={shown}"]) == 0
    said = capsys.readouterr().out
    assert "LOOK: it is the champion of triage" in said
    assert not where(shown, one.question)
    assert not any(path.exists() for path in weights)
    with closing(sqlite3.connect(database)) as db:
        assert db.execute("select count(*) from registered_model_aliases").fetchone() == (0,)
        (stage,) = db.execute("select current_stage from model_versions").fetchone()
        assert db.execute("select count(*) from metrics").fetchone()[0] > 10
    assert stage == "Deleted_Internal"
    assert not (shown / ".llamaduo/runs" / finished.exp.fingerprint() / "result.json").exists()


def test_its_text_in_tags_goes_and_other_tags_stay(shown: Path) -> None:
    one = row(shown, "test").example
    database = shown / "mlruns/mlflow.db"
    run_id, _ = round_of(database)
    with closing(sqlite3.connect(database)) as db:
        (tags,) = db.execute("select count(*) from tags").fetchone()
        db.execute(
            "insert into tags (key, value, run_uuid) values ('note', ?, ?)",
            (f"look at: {one.question}", run_id),
        )
        db.commit()
    assert planned(shown, one.id).shown.cells
    assert verb.main(["forget", one.id, "--yes", f"home={shown}"]) == 0
    with closing(sqlite3.connect(database)) as db:
        assert db.execute("select count(*) from tags").fetchone() == (tags,)
    assert one.question.encode() not in database.read_bytes()
    assert list(shown.glob("mlruns/**/*.safetensors"))  # they never saw a test row


def test_no_report_of_a_touched_run_stays_and_what_is_shown_passes_no_more_for_all(
    shown: Path, finished: Finished
) -> None:
    one = row(shown, "test").example
    dossier = shown / ".llamaduo/runs" / finished.exp.fingerprint() / "dossier.html"
    dossier.write_text(f"{one.question[:20]} ... (shortened)")
    assert list(shown.glob("mlruns/**/report/report.md"))
    assert verb.main(["forget", one.id, "--yes", f"home={shown}"]) == 0
    assert {path.name for path in dossier.parent.iterdir()} <= {"config.yaml", "overrides.json"}
    assert not list(shown.glob("mlruns/**/report/*"))
    with closing(sqlite3.connect(shown / "mlruns/mlflow.db")) as db:
        said = "select distinct value from tags where key in ('llamaduo.content', ?)"
        assert db.execute(said, ("llamaduo.made_by",)).fetchall() == [("forgotten",)]


def test_the_same_run_is_refused_by_doctor_and_by_the_run_itself(
    shown: Path,
    finished: Finished,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from llamaduo.errors import DataError
    from llamaduo.progress import Progress

    one = row(shown, "dev").example
    assert verb.main(["forget", one.id, "--yes", f"home={shown}"]) == 0
    capsys.readouterr()
    assert doctor.main(["experiments=demo_tiny", "tracker=none", f"home={shown}"]) == 1
    assert f"row {one.id} of " in capsys.readouterr().out
    with pytest.raises(DataError, match=f"row {one.id} of .* was forgotten on"):
        run(finished.exp.model_copy(update={"home": shown}), Progress())


def test_on_a_server_what_the_api_deletes_is_deleted_and_the_rest_is_said(
    shown: Path, finished: Finished
) -> None:
    from mlflow.tracking import MlflowClient

    uri = f"sqlite:///{shown / 'mlruns/mlflow.db'}"
    run_id, source = round_of(shown / "mlruns/mlflow.db")
    register(uri, run_id, source)
    name = [finished.exp.fingerprint()]
    listed = on_server(uri, name, frozenset(), yes=False)
    assert MlflowClient(uri).get_run(run_id).info.lifecycle_stage == "active"
    said = on_server(uri, name, frozenset(), yes=True)
    assert said == listed
    assert any(f"run {run_id}, its artifacts with it" in line for line in said)
    assert any("version 1 of triage" in line for line in said)
    assert any("`mlflow gc`" in line for line in said)
    assert MlflowClient(uri).get_run(run_id).info.lifecycle_stage == "deleted"
    assert not Path(source).is_dir()
    assert "not reached" in on_server("http://127.0.0.1:9", name, frozenset(), yes=True)[-1]
