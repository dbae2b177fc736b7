"""Captured calls, served weights and pinned prompts: what of them goes with a row, and no more."""

import fcntl
import json
import os
import threading
from pathlib import Path

import pytest
from kept_world import TEST, TRAIN, bytes_under, forgotten, holding, planned, question, same
from kept_world import made as experiment_made
from small_world import Diary

from llamaduo.errors import UsageError
from llamaduo.keeping import garbage, sizes, words
from llamaduo.keeping.captured import blank


def call(name: str, said: str, answer: str = "An answer to that.", trace: str = "") -> str:
    row = {
        "litellm_call_id": name,
        "trace_id": trace or f"trace-{name}",
        "messages": [{"role": "user", "content": [{"type": "text", "text": said}]}],
        "response": {"choices": [{"message": {"content": answer}}]},
    }
    return json.dumps(row) + "\n"


def captured(home: Path, *lines: str) -> Path:
    folder = home / ".llamaduo/rollout/triage/logs"
    folder.mkdir(parents=True)
    file = folder / "calls-2026-11-24.jsonl"
    file.write_text("".join(lines), encoding="utf-8")
    return file


OTHERS = [call(f"c{n}", f"another customer entirely, number {n}") for n in range(20)]


def test_of_a_day_of_captured_calls_only_the_line_of_the_row_goes(home: Path) -> None:
    file = captured(home, *OTHERS[:10], call("mine", question(TRAIN[3])), *OTHERS[10:])
    found, proof = forgotten(home, TRAIN[3])
    assert [(one.path, one.gone) for one in found.captured] == [(file, 1)]
    assert f"captured calls: {file}: stays, without 1 of its lines" in words.of_plan(found)
    left = [line + "\n" for line in file.read_text().splitlines() if line.strip()]
    assert left == OTHERS
    assert not proof.left


def test_a_line_that_a_gateway_writes_meanwhile_is_kept(home: Path) -> None:
    file = captured(home, *OTHERS[:2], call("mine", question(TRAIN[3])))
    needles = planned(home, TRAIN[3]).left
    writer = os.open(file, os.O_RDWR | os.O_APPEND)
    fcntl.flock(writer, fcntl.LOCK_EX)
    other = threading.Thread(target=blank, args=(file, needles))
    other.start()
    other.join(0.2)
    assert other.is_alive(), "it waits for the writer"
    assert question(TRAIN[3]) in file.read_text()
    os.write(writer, OTHERS[2].encode())
    os.close(writer)
    other.join()
    assert [line + "\n" for line in file.read_text().splitlines() if line.strip()] == OTHERS[:3]


def test_who_was_only_captured_is_forgotten_by_the_name_of_the_call_and_its_copy_with_it(
    home: Path,
) -> None:
    mine = "my name is Anna Quill and my parcel is lost"
    copy = call("copy", mine, "The copy says so.", "trace-anna")
    captured(home, *OTHERS, call("anna", mine, trace="trace-anna"), copy)
    before = bytes_under(home / ".llamaduo/store")
    found, proof = forgotten(home, "anna")
    assert {row.id for row in found.rows} == {"anna", "copy"}
    assert not proof.left
    assert not holding(home, "Anna Quill") and not holding(home, "The copy says so.")
    assert all(holding(home, f"another customer entirely, number {n}") for n in range(20))
    assert bytes_under(home / ".llamaduo/store") == before


def test_a_greeting_goes_by_the_name_of_its_call_and_not_with_everybodys(home: Path) -> None:
    file = captured(home, call("a", "hello", "Hi."), call("b", "hello", "Hi."), *OTHERS)
    _, proof = forgotten(home, "a")
    left = [
        json.loads(line)["litellm_call_id"] for line in file.read_text().split("\n") if line.strip()
    ]
    assert left == ["b", *(f"c{n}" for n in range(20))]
    assert not proof.left


def test_a_name_that_is_nowhere_is_said_with_where_was_looked(home: Path) -> None:
    captured(home, *OTHERS)
    with pytest.raises(UsageError, match=r"litellm_call_id of a captured call \(20 are\)"):
        planned(home, "nobody")


def adapter_of(home: Path, name: str) -> tuple[bytes, str]:
    """Return the bytes and the content of weights that were tuned on a row."""
    unit = next(unit for unit in planned(home, name).units if unit.stage == "adapter")
    [file] = (unit.place / "out").glob("*.safetensors")
    return file.read_bytes(), unit.content


def test_weights_that_were_brought_or_rendered_go_by_their_bytes(home: Path) -> None:
    weights, content = adapter_of(home, TRAIN[3])
    brought = home / ".llamaduo/versions/run1/promoted/triage/artifacts/weights"
    other = home / ".llamaduo/versions/run2/promoted/triage/artifacts/weights"
    rendered, merged = home / "out/models/triage", home / "out2/models/triage"
    for folder in (brought, other, rendered, merged):
        folder.mkdir(parents=True)
        (folder / "adapter_model.safetensors").write_bytes(weights)
    (other / "adapter_model.safetensors").write_bytes(b"of others")
    (merged / "adapter_model.safetensors").write_bytes(b"merged")
    (merged / "tuned.json").write_text(json.dumps({"content": content}))
    forgotten(home, TRAIN[3])
    assert not (home / ".llamaduo/versions/run1").exists(), "whole, so that it is brought anew"
    assert (other / "adapter_model.safetensors").exists()
    assert not list(rendered.glob("*.safetensors")) and not list(merged.glob("*.safetensors"))


def test_a_brought_version_whose_references_hold_the_row_goes_whole(home: Path) -> None:
    folder = home / ".llamaduo/versions/run1/promoted/triage"
    folder.mkdir(parents=True)
    (folder / "references.jsonl").write_text(call("x", question(TEST[1])))
    (folder / "config.yaml").write_text("seed: 1")
    found, proof = forgotten(home, TEST[1])
    assert found.folders == (home / ".llamaduo/versions/run1",)
    assert not found.folders[0].exists() and not proof.left


def test_pinned_prompts_name_a_forgotten_row_no_more(home: Path) -> None:
    folder = home / ".llamaduo/sentinel/triage-1"
    folder.mkdir(parents=True)
    (folder / "pinned.json").write_text(json.dumps({"ids": [TEST[0], TEST[1]]}, indent=1))
    (folder / "looks.jsonl").write_text("{}\n")
    forgotten(home, TEST[1])
    assert [path.name for path in folder.iterdir()] == ["looks.jsonl"]


def test_merged_weights_are_listed_and_freed(home: Path) -> None:
    folder = home / ".llamaduo/served/triage-1-float32/triage"
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"0" * 5000)
    log = home / ".llamaduo/served/serve-8080.log"
    log.write_text("a server's words")
    build = same(experiment_made(home, Diary()))
    assert "merged weights: `gc` frees them" in sizes.text(home, build)
    found = garbage.garbage(home, build)
    assert found.folders == (folder.parent,)
    garbage.remove(found)
    assert not folder.parent.exists() and log.exists()
