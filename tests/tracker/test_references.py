"""What a served copy is held against, when one of its rows is forgotten."""

import hashlib
import json
import sqlite3
from contextlib import closing
from pathlib import Path

from mlflow.tracking import MlflowClient

from llamaduo.tracker.forgetting import Sought, shown, take_out


def test_references_and_base_lose_the_rows_line_and_the_champions_tag_and_card_say_so(
    tmp_path: Path,
) -> None:
    database = tmp_path / "mlruns/mlflow.db"
    database.parent.mkdir()
    client = MlflowClient(f"sqlite:///{database}")
    run = client.create_run(
        client.create_experiment("triage", (tmp_path / "mlruns/artifacts").as_uri())
    )
    folder = tmp_path / "mlruns/artifacts" / run.info.run_id / "artifacts/promoted/adapter"
    folder.mkdir(parents=True)
    file, card, base = (folder / name for name in ("references.jsonl", "card.md", "base.jsonl"))
    said = "the greedy answers to the {} test prompts, of which"
    file.write_text("".join(json.dumps({"id": name}) + "\n" for name in ("mine", "b", "c")))
    base.write_bytes(file.read_bytes() + b'{"id": "d"}\n')
    card.write_text(said.format(3))
    client.create_registered_model("triage")
    made = client.create_model_version(
        "triage",
        f"runs:/{run.info.run_id}/promoted/adapter",
        run.info.run_id,
        tags={
            f"llamaduo.{name}_sha256": hashlib.sha256(of.read_bytes()).hexdigest()
            for name, of in (("references", file), ("base", base))
        },
        description=said.format(3),
    )
    client.set_registered_model_alias("triage", "champion", made.version)
    found = shown(
        tmp_path,
        Sought(
            frozenset(),
            frozenset(),
            lambda text: "mine" in text,
            lambda path: b"mine" in path.read_bytes(),
            frozenset(),
        ),
    )
    assert len(found.lined) == 2
    for _, [version] in found.lined:
        assert (version.number, version.aliases) == ("1", ("champion",))
    assert not found.files
    assert not found.versions
    take_out(tmp_path, found, lambda what: None)
    assert [json.loads(line)["id"] for line in file.read_text().splitlines()] == ["b", "c"]
    assert [json.loads(line)["id"] for line in base.read_text().splitlines()] == ["b", "c", "d"]
    assert card.read_text() == said.format(2)
    now = client.get_model_version_by_alias("triage", "champion")
    assert now.tags["llamaduo.references_sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert now.tags["llamaduo.base_sha256"] == hashlib.sha256(base.read_bytes()).hexdigest()
    assert now.description == said.format(2)
    with closing(sqlite3.connect(database)) as db:
        assert db.execute("select count(*) from model_versions").fetchone() == (1,)
