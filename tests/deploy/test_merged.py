"""The folder of all the weights: what is in it, when it is made, and when it is made anew."""

import io
import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from shelved import MODEL, held

from llamaduo.deploy import merged as module
from llamaduo.deploy.merged import MANIFEST, merged
from llamaduo.errors import LlamaDuoError
from llamaduo.progress import Progress
from llamaduo.promotion.held import Held
from llamaduo.promotion.served import Answering, opened
from llamaduo.records import Message

CHATS = [(Message(role="user", content=text),) for text in ("Where is it?", "Refund me", "Hi")]


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Held:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(cache))
        return held(tmp_path_factory.mktemp("version"))


def made(version: Held, into: Path, **how: Any) -> tuple[Path, str]:
    """Return the folder, and what was said."""
    out = io.StringIO()
    return merged(version, into, Progress(out), **how), out.getvalue()


def said(answering: Answering) -> list[str]:
    quiet = Progress(io.StringIO())
    return [answer.text for _, answer in answering.say(CHATS, progress=quiet)]


def as_version(version: Held, weights: Path, under: Path) -> Held:
    """Return a version that was registered merged, with these weights."""
    local = {n: v for n, v in version.served.local.items() if n not in ("adapter", "seed")}
    names = ("name", "template", "end_of_turn")
    fields = {n: local[n] for n in names} | {"base": "b", "revision": "r", "licence": "l"}
    served = version.served.model_copy(update={"form": "merged", "base": "", "local": fields})
    shutil.copytree(weights, under / "artifacts" / "weights")
    (under / "artifacts" / "weights" / MANIFEST).unlink()
    (under / "artifacts" / "served.json").write_text(served.model_dump_json())
    return replace(version, folder=under, served=served)


def test_it_answers_as_the_version_does(version: Held, tmp_path: Path) -> None:
    (version.folder / "artifacts" / "served.json").write_text(version.served.model_dump_json())
    folder, text = made(version, tmp_path)
    assert folder == tmp_path / f"{MODEL}-3-float32" / MODEL
    assert "merging ticket_triage version 3 (float32)" in text
    whole = as_version(version, folder, tmp_path / "whole")
    answers = said(opened(version.folder / "artifacts"))
    assert said(opened(whole.folder / "artifacts")) == answers
    assert len(set(answers)) == 3


def test_a_server_that_is_told_nothing_generates_as_it_was_judged(
    version: Held, tmp_path: Path
) -> None:
    folder, _ = made(version, tmp_path)
    how = json.loads((folder / "generation_config.json").read_text())
    vocabulary = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
    assert (how["do_sample"], how["temperature"]) == (True, 0.2)
    assert how["top_k"] >= len(vocabulary)  # none is left out
    tokens = json.loads((folder / "tokenizer.json").read_text())["added_tokens"]
    [end] = [one["id"] for one in tokens if one["content"] == version.served.local["end_of_turn"]]
    assert how["eos_token_id"] == end
    greedy = version.served.model_copy(
        update={"engine": version.served.engine | {"temperature": 0.0}}
    )
    folder, _ = made(replace(version, served=greedy), tmp_path / "greedy")
    how = json.loads((folder / "generation_config.json").read_text())
    assert not how.keys() & {"do_sample", "temperature", "top_k"}


def test_it_is_made_once_and_anew_when_anything_of_it_changed(
    version: Held, tmp_path: Path
) -> None:
    folder, _ = made(version, tmp_path)
    before = (folder / MANIFEST).stat().st_mtime_ns
    (folder / "model.gguf").write_bytes(b"made of the rest")
    assert made(version, tmp_path) == (folder, "")
    assert (folder / "model.gguf").is_file()
    assert (folder / MANIFEST).stat().st_mtime_ns == before
    other = version.version.model_copy(update={"tags": {"llamaduo.adapter": "another"}})
    _, text = made(replace(version, version=other), tmp_path)
    assert "is not what this version makes; made anew" in text
    (folder / "model.safetensors").write_bytes(b"torn")
    _, text = made(replace(version, version=other), tmp_path)
    assert "made anew" in text
    assert (folder / "model.safetensors").stat().st_size > 1000


def test_two_that_want_it_at_once_make_it_once(version: Held, tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(lambda _: made(version, tmp_path), range(2))
    assert one[0] == other[0]
    assert sorted("merging" in text for _, text in (one, other)) == [False, True]


def test_another_type_of_number_stands_beside_the_promoted_one(
    version: Held, tmp_path: Path
) -> None:
    promoted, _ = made(version, tmp_path)
    half, _ = made(version, tmp_path, dtype="bfloat16")
    assert half == tmp_path / f"{MODEL}-3-bfloat16" / MODEL
    assert json.loads((half / "config.json").read_text())["dtype"] == "bfloat16"
    assert json.loads((promoted / "config.json").read_text())["dtype"] == "float32"
    sizes = [(one / "model.safetensors").stat().st_size for one in (half, promoted)]
    assert 1.8 < sizes[1] / sizes[0] < 2.2


def test_an_adapter_that_was_judged_on_four_bit_is_merged_into_the_dense_base(
    version: Held, tmp_path: Path
) -> None:
    engine = version.served.engine | {"weights": "nf4"}
    judged = version.served.model_copy(update={"engine": engine})
    four, _ = made(replace(version, served=judged), tmp_path / "four")
    dense, _ = made(version, tmp_path / "dense")
    assert (four / "model.safetensors").read_bytes() == (dense / "model.safetensors").read_bytes()


def test_a_version_that_was_registered_merged_takes_no_second_copy(
    version: Held, tmp_path: Path
) -> None:
    weights, _ = made(version, tmp_path / "first")
    whole = as_version(version, weights, tmp_path / "whole")
    how = whole.weights / "generation_config.json"  # as an older llamaduo left it: the base's
    how.write_text('{"repetition_penalty": 1.3, "eos_token_id": 1}')
    folder, text = made(whole, tmp_path / "second")
    assert "merging" not in text
    assert (folder / "model.safetensors").samefile(whole.weights / "model.safetensors")
    assert json.loads((folder / "generation_config.json").read_text()) == json.loads(
        (weights / "generation_config.json").read_text()
    )
    assert "repetition_penalty" in how.read_text()  # the registered file is not touched
    half, _ = made(whole, tmp_path / "half", dtype="bfloat16")
    plain, _ = made(version, tmp_path / "plain", dtype="bfloat16")
    size = (half / "model.safetensors").stat().st_size
    assert size == (plain / "model.safetensors").stat().st_size
    assert (half / "generation_config.json").read_text() == (
        plain / "generation_config.json"
    ).read_text()


def test_what_goes_wrong_leaves_nothing_behind(
    version: Held, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "free_disk", lambda folder: (0, 1000))
    with pytest.raises(LlamaDuoError, match=r"take \d+ MiB, and 0 MiB are free under .*; free"):
        made(version, tmp_path)
    monkeypatch.undo()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "_seal", full)
    with pytest.raises(LlamaDuoError, match="cannot be written: No space left on device; free"):
        made(version, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [f"{MODEL}-3-float32.lock"]


def test_weights_of_a_forgotten_adapter_are_known_by_their_manifest(
    version: Held, tmp_path: Path
) -> None:
    folder, _ = made(version, tmp_path)
    assert '"0123456789abcdef"' in (folder / MANIFEST).read_text()
    modes = {path.name: path.stat().st_mode & 0o444 for path in folder.iterdir()}
    assert set(modes.values()) == {0o444}, modes  # a container is another user
