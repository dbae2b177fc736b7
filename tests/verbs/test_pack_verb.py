"""`llamaduo run --until`, `pack` and `unpack` as typed."""

from pathlib import Path

import pytest

from llamaduo.errors import UsageError
from llamaduo.verbs import pack, run, unpack

WORDS = ["experiments=demo_tiny", "tracker=none", "rounds=1", "tuner.steps=2", "samples=1"]


def test_a_run_goes_there_and_back_as_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("laptop", "gpu"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "laptop")
    assert run.main(["--until", "data", *WORDS]) == 0
    said = capsys.readouterr().out
    assert "all rows are there; tuning comes next" in said
    assert f"to go on elsewhere: llamaduo pack DIR {' '.join(WORDS)}" in said
    assert pack.main([f"{tmp_path}/there", *WORDS]) == 0
    said = capsys.readouterr().out
    assert "2 results, 0 paid calls ($0.0000), 0 files of settings and data" in said
    assert "not in it: any key; the base model tiny-random (llamaduo/tiny-random)" in said
    assert "there: llamaduo unpack there" in said

    monkeypatch.chdir(tmp_path / "gpu")
    assert unpack.main([f"{tmp_path}/there"]) == 0
    said = capsys.readouterr().out
    assert "results: 2 new, 0 there already" in said
    last = said.splitlines()[-1]
    assert last == f"to go on: llamaduo run --until answers {' '.join(WORDS)}"
    assert run.main(last.partition(" run ")[2].split()) == 0
    assert "the answers are there; judging comes next" in capsys.readouterr().out
    assert pack.main([f"{tmp_path}/back.tar.gz", *WORDS]) == 0

    monkeypatch.chdir(tmp_path / "laptop")
    assert unpack.main([f"{tmp_path}/back.tar.gz"]) == 0
    said = capsys.readouterr().out
    assert "results: 2 new, 2 there already" in said
    assert said.splitlines()[-1] == f"to go on: llamaduo run --until data {' '.join(WORDS)}"


def test_each_job_of_a_sweep_stops_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run.main(["-m", "seed=1,2", *WORDS, "--until", "data"]) == 0
    assert capsys.readouterr().out.count("all rows are there; tuning comes next") == 2
    assert not list(tmp_path.glob(".llamaduo/store/adapter"))


def test_a_place_where_no_run_stops_is_named_with_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"a run stops at data, .*; did you mean `answers`"):
        run.main(["--until", "anwsers", *WORDS])


def test_checkpoints_of_a_tuning_under_way_are_left_and_it_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run.main(["--until", "data", *WORDS])
    pack.main(["first", *WORDS])
    from llamaduo.parcel.opened import opened

    with opened(tmp_path / "first") as (_, manifest):
        work = tmp_path / ".llamaduo/store" / manifest.due / "work"
    work.mkdir(parents=True)
    (work / "optimizer.pt").write_bytes(b"pickled")
    assert pack.main(["second", *WORDS]) == 0
    assert "checkpoints of the tuning under way; it begins anew" in capsys.readouterr().out
    assert not list((tmp_path / "second").rglob("*.pt"))


@pytest.mark.parametrize("words", [[], ["one", "two"], ["home=x"]])
def test_one_place_is_named(words: list[str]) -> None:
    with pytest.raises(UsageError, match="name one folder"):
        pack.main(words)
    with pytest.raises(UsageError, match="name one folder"):
        unpack.main(words)


def test_a_run_that_was_never_begun_is_said_and_no_other_archive_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert pack.main([f"{tmp_path}/there", *WORDS]) == 0
    assert "look: this run was not begun here" in capsys.readouterr().out
    with pytest.raises(UsageError, match=r"an archive is a \.tar\.gz"):
        pack.main([f"{tmp_path}/there.zip", *WORDS])


def test_the_trials_of_a_search_are_not_packed(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the trials of a search are not packed"):
        pack.main([f"{tmp_path}/there", *WORDS, "search=qlora"])
