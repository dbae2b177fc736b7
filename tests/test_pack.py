"""A run taken to another machine and back: nothing lost, nothing paid or made twice."""

import json
import shutil
from pathlib import Path

import pytest
from machines import KEY, SECRET, WORDS, Machines, calls, go, packed, results, unpacked

from llamaduo.config import from_overrides
from llamaduo.errors import LlamaDuoError, UsageError
from llamaduo.openings import add
from llamaduo.store import _content, _hashes


def test_a_run_that_was_carried_about_comes_to_what_one_in_one_place_comes_to(
    tmp_path: Path, machines: Machines
) -> None:
    alone = machines.sit_at("alone")
    whole, _ = go(WORDS)

    laptop = machines.sit_at("laptop")
    assert go(WORDS, "data")[0] is None
    packed(tmp_path / "there", WORDS)

    gpu = machines.sit_at("gpu", key=False)
    words = list(unpacked(tmp_path / "there").words)
    assert go(words, "answers")[0] is None
    assert calls(gpu) == (0, 0, 0)
    packed(tmp_path / "back", words)

    machines.sit_at("laptop")
    unpacked(tmp_path / "back")
    before = set(results(laptop))
    assert "adapter" in {name.partition("/")[0] for name in before}
    assert go(WORDS, "data")[0] is None, "the test's answers are due"
    packed(tmp_path / "there2.tar.gz", WORDS)

    machines.sit_at("gpu", key=False)
    again = unpacked(tmp_path / "there2.tar.gz")
    assert again.calls.new > 0
    go(list(again.words), "answers")
    packed(tmp_path / "back2.tar.gz", list(again.words))

    machines.sit_at("laptop")
    out = unpacked(tmp_path / "back2.tar.gz")
    assert (out.calls.new, out.other) == (0, ())
    made_there = set(results(laptop))
    result, _ = go(WORDS)
    made_here = {name.partition("/")[0] for name in set(results(laptop)) - made_there}
    assert made_here == {"judgements", "audit"}
    assert result == whole
    assert results(laptop) == results(alone)
    assert calls(laptop) == calls(alone)
    reports = [
        next(home.glob(".llamaduo/runs/*/report.md")).read_text() for home in (laptop, alone)
    ]
    assert reports[0] == reports[1]


def test_a_finished_run_is_finished_elsewhere_too(parcel: Path, machines: Machines) -> None:
    laptop = machines.sit_at("laptop")
    gpu = machines.sit_at("gpu", key=False)
    out = unpacked(parcel)
    assert out.manifest.due == ""
    assert results(gpu) == results(laptop)
    assert calls(gpu) == calls(laptop)
    looks = [add(home / ".llamaduo/openings", []) for home in (gpu, laptop)]
    assert looks[0] == looks[1] != []
    machines.sit_at("elsewhere with the key")
    unpacked(parcel)
    result, exp = go(list(out.words))
    assert result is not None
    assert result.fingerprint == exp.fingerprint() == out.manifest.fingerprint
    assert calls(Path.cwd()) == calls(laptop), "nothing was bought"


def test_unpacking_twice_adds_nothing(parcel: Path, machines: Machines) -> None:
    first = unpacked(parcel)
    assert (first.results, first.there, first.calls.known) == (first.results, 0, 0)
    state = results(Path.cwd()), calls(Path.cwd())
    second = unpacked(parcel)
    assert (second.results, second.calls.new, second.looks, second.settings) == (0, 0, 0, 0)
    assert (second.there, second.calls.known) == (first.results, first.calls.new)
    assert (results(Path.cwd()), calls(Path.cwd())) == state


def test_nothing_of_it_is_a_pickle_or_a_key(parcel: Path) -> None:
    files = [path for path in parcel.rglob("*") if path.is_file()]
    ends = {path.suffix for path in files}
    assert ends <= {".json", ".jsonl", ".safetensors", ".jinja"}
    assert not [path for path in files if SECRET.encode() in path.read_bytes()]


def test_data_and_settings_of_ones_own_stand_where_the_run_finds_them(
    tmp_path: Path, machines: Machines
) -> None:
    laptop = machines.sit_at("laptop")
    rows = [json.dumps({"instruction": f"count {i}", "response": str(i)}) for i in range(40)]
    for place in (laptop / "data/rows.jsonl", tmp_path / "my marks.jsonl"):
        place.parent.mkdir(exist_ok=True)
        place.write_text("\n".join(rows))
    scored = {"instruction": "a", "target": "b", "answer": "c", "similarity": 3, "precision": 4}
    (tmp_path / "my marks.jsonl").write_text(json.dumps(scored))
    (laptop / "experiments").mkdir()
    (laptop / "experiments/mine.yaml").write_text(
        "# @package _global_\n"
        "defaults:\n  - demo_tiny\n  - override /dedup: mine\n"
        "task:\n  name: counting\n  rows: {path: data/rows.jsonl, limit: null}\n"
    )
    (laptop / "conf/dedup").mkdir(parents=True)
    (laptop / "conf/dedup/mine.yaml").write_text(
        "_target_: llamaduo.dedup.minhash.Minhash\ncopies: 0.8\nleaks: 0.8\n"
    )
    words = ["experiments=mine", "tracker=none", f"judge.human={tmp_path}/my marks.jsonl"]
    words += [f"home={laptop}/kept", f"service.key_env={KEY}"]
    go(words, "data")
    packed(tmp_path / "there", words)

    gpu = machines.sit_at("gpu", key=False)
    out = unpacked(tmp_path / "there")
    assert out.settings == 4
    assert out.home == gpu
    exp = from_overrides(list(out.words))
    assert exp.judge.human == next((gpu / "packed").glob("*-my-marks.jsonl"))
    assert exp.fingerprint() == out.manifest.fingerprint
    assert not any("home" in word or str(tmp_path) in word for word in out.words)
    packed(tmp_path / "back", list(out.words))

    machines.sit_at("laptop")
    mine = laptop / "experiments/mine.yaml"
    mine.write_text(mine.read_text() + "# a remark, since\n")
    back = unpacked(tmp_path / "back", f"home={laptop}/kept")
    assert (back.settings, list(back.words)) == (0, words), "what was typed here is known"


def test_a_file_that_stands_in_the_way_is_named(tmp_path: Path, machines: Machines) -> None:
    laptop = machines.sit_at("laptop")
    (laptop / "experiments").mkdir()
    mine = "# @package _global_\ndefaults:\n  - demo_tiny\nseed: 5\n"
    (laptop / "experiments/mine.yaml").write_text(mine)
    packed(tmp_path / "there", ["experiments=mine"])
    gpu = machines.sit_at("gpu", key=False)
    (gpu / "experiments").mkdir()
    (gpu / "experiments/mine.yaml").write_text(mine.replace("5", "6"))
    with pytest.raises(UsageError, match=r"experiments/mine\.yaml: stands here with other content"):
        unpacked(tmp_path / "there")
    assert "seed: 6" in (gpu / "experiments/mine.yaml").read_text()
    assert not (gpu / ".llamaduo/store").exists()


def test_a_secret_in_a_file_is_refused_and_nothing_is_left(
    tmp_path: Path, machines: Machines
) -> None:
    laptop = machines.sit_at("laptop")
    (laptop / "experiments").mkdir()
    (laptop / "experiments/old.yaml").write_text(f"# {SECRET}\n")
    with pytest.raises(LlamaDuoError, match=rf"files/experiments/old\.yaml holds what {KEY} holds"):
        packed(tmp_path / "there", WORDS)
    assert not (tmp_path / "there").exists()
    assert not list(tmp_path.glob(".packing*"))


def test_a_place_that_is_taken_is_not_packed_into(tmp_path: Path, machines: Machines) -> None:
    machines.sit_at("laptop")
    (tmp_path / "there").mkdir()
    packed(tmp_path / "there", WORDS)
    with pytest.raises(UsageError, match="there is something"):
        packed(tmp_path / "there", WORDS)


def test_a_result_that_differs_stays_and_is_said(parcel: Path, machines: Machines) -> None:
    unpacked(parcel)
    home = Path.cwd() / ".llamaduo/store"
    [kept] = home.glob("split/*")
    other = parcel / "store" / kept.relative_to(home)
    shutil.rmtree(kept)
    said = json.loads((other / "manifest.json").read_text())
    shutil.copytree(other, kept)
    rows = kept / "out/rows.jsonl"
    rows.write_text("".join(rows.read_text().splitlines(keepends=True)[:-1]))
    files = _hashes(kept / "out")
    mine = said | {"files": files, "content": _content(files)}
    (kept / "manifest.json").write_text(json.dumps(mine))
    out = unpacked(parcel)
    assert out.other == (kept.relative_to(home).as_posix(),)
    assert json.loads((kept / "manifest.json").read_text()) == mine


def test_a_call_that_both_machines_paid_for_keeps_its_reply_and_is_said(
    parcel: Path, machines: Machines
) -> None:
    machines.sit_at("elsewhere")
    go(WORDS)
    before = calls(Path.cwd())
    out = unpacked(parcel)
    assert out.calls.twice == out.calls.known == before[0]
    number, tries, usd = calls(Path.cwd())  # no call more, and what both have paid counts
    assert (number, tries) == (before[0], 2 * before[1])
    assert usd == pytest.approx(2 * before[2])
    assert not out.other


def test_an_adapter_to_begin_from_is_carried_and_its_pickles_are_not(
    tmp_path: Path, machines: Machines, whole: Path
) -> None:
    machines.sit_at("laptop")
    adapter, *_ = whole.glob("parcel/store/adapter/*/out/adapter_config.json")
    shutil.copytree(adapter.parent, tmp_path / "mine")
    words = [*WORDS, f"local.adapter={tmp_path}/mine"]
    packed(tmp_path / "there", words)
    gpu = machines.sit_at("gpu", key=False)
    out = unpacked(tmp_path / "there")
    begun = from_overrides(list(out.words)).local.adapter
    assert begun is not None
    assert begun.is_relative_to(gpu / "packed")
    machines.sit_at("laptop")
    (tmp_path / "mine/optimizer.pt").write_bytes(b"pickled")
    packed(tmp_path / "again", words)
    assert not list((tmp_path / "again").rglob("optimizer.pt"))
