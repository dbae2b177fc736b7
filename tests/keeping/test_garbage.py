"""What no run needs goes, and a rerun finds all it had."""

import json
import os
import shutil
import time
from pathlib import Path

import pytest
from kept_world import TRAIN, bytes_under, forgotten, go, made, same
from small_world import BrokenError, Diary

from llamaduo.errors import LlamaDuoError, UsageError
from llamaduo.experiment import Experiment
from llamaduo.keeping import garbage, sizes, words
from llamaduo.keeping.garbage import Garbage
from llamaduo.ledger import Ledger
from llamaduo.lineage import Lineage
from llamaduo.locks import flocked
from llamaduo.parcel.walk import walk
from llamaduo.store import Store
from llamaduo.verbs import store as verb


@pytest.fixture
def exp(home: Path) -> Experiment:
    """The run whose home it is."""
    return made(home, Diary())


def collected(home: Path, exp: Experiment, *, damaged: bool = False) -> Garbage:
    found = garbage.garbage(home, same(exp), damaged=damaged)
    garbage.remove(found)
    return found


def test_a_rerun_makes_nothing_after_what_no_run_needs_is_gone(home: Path, exp: Experiment) -> None:
    other = made(home, Diary(), samples=1)
    wide = go(other)
    shutil.rmtree(home / ".llamaduo/runs" / other.fingerprint())
    assert wide.made
    found = collected(home, exp)
    assert {unit.recipe.partition("/")[0] for unit in found.units} >= {"answers", "judgements"}
    again = go(exp)
    assert again.made == []
    assert again.calls == 0
    assert not collected(home, exp).units


def test_a_result_with_damage_above_it_stays(home: Path, exp: Experiment) -> None:
    [file] = (home / ".llamaduo/store").glob("split/*/out/rows.jsonl")
    file.write_text(file.read_text().replace("word0", "wordO", 1))
    assert not garbage.garbage(home, same(exp)).units


def test_a_run_that_was_broken_off_keeps_what_it_has(tmp_path: Path) -> None:
    home, diary = tmp_path / "home", Diary()
    exp = made(home, diary)
    diary.breaks = {"answer": 20}
    with pytest.raises(BrokenError):
        go(exp)
    before = bytes_under(home / ".llamaduo/store")
    assert any("/draft/" in name for name in before)
    collected(home, exp)
    assert bytes_under(home / ".llamaduo/store") == before


def test_what_promote_made_of_a_runs_adapter_stays_while_the_run_stands(
    home: Path, exp: Experiment
) -> None:
    store = Store(home / ".llamaduo/store")
    said = [json.loads(path.read_text()) for path in store.root.glob("adapter/*/manifest.json")]
    for content in (said[-1]["content"], "of no run"):
        store.folder("references", [content], lambda work: None, Lineage((content,)))
    mine, other = store.wanted
    assert [unit.recipe for unit in collected(home, exp).units] == [other]
    assert (store.root / mine).is_dir()


def test_looking_at_what_runs_need_puts_no_look_on_record(home: Path, exp: Experiment) -> None:
    record = home / ".llamaduo/openings/openings.jsonl"
    record.unlink()
    garbage.garbage(home, same(exp))
    ledger = Ledger(home / ".llamaduo/ledger.sqlite")
    walk(exp, Store(home / ".llamaduo/store"), ledger)
    ledger.close()
    assert not record.exists()


def test_what_was_not_touched_by_a_forgotten_row_waits_for_the_next_run(
    home: Path, exp: Experiment
) -> None:
    forgotten(home, TRAIN[3])
    assert not garbage.garbage(home, same(exp)).units
    go(made(home, Diary(), without=[TRAIN[3]]))


def test_what_a_process_makes_is_not_touched_and_what_a_dead_one_left_goes(
    home: Path, exp: Experiment
) -> None:
    live, dead = (home / ".llamaduo/store/adapter" / (name * 16) for name in "ab")
    for place in (live, dead):
        (place / "work").mkdir(parents=True)
        (place / "work" / "checkpoint").write_bytes(b"x" * 1000)
    with flocked(live / "lock"):
        found = collected(home, exp)
    assert found.in_the_making == 1
    assert live.is_dir()
    assert not dead.exists()


def test_what_is_damaged_goes_only_where_it_is_said(home: Path, exp: Experiment) -> None:
    [file] = (home / ".llamaduo/store").glob("split/*/out/rows.jsonl")
    file.write_text("spoilt\n")
    go(exp)
    [aside] = (home / ".llamaduo/store").glob("split/*/damaged-*")
    assert collected(home, exp).damaged == 1
    assert aside.is_dir()
    assert len(collected(home, exp, damaged=True).units) == 1
    assert not aside.exists()
    assert go(exp).made == []


def test_folders_of_launchers_go_when_they_are_old(home: Path, exp: Experiment) -> None:
    old, new = (home / ".llamaduo/sweeps" / name for name in ("1", "2"))
    for place in (old, new):
        place.mkdir(parents=True)
        (place / "end.json").write_text("{}")
    before = time.time() - 2 * garbage.A_DAY
    for path in (old / "end.json", old):
        os.utime(path, (before, before))
    assert collected(home, exp).folders == (old,)
    assert new.is_dir()
    assert not old.exists()


def test_a_run_that_cannot_be_read_keeps_everything_until_it_is_given_up(
    home: Path, exp: Experiment, capsys: pytest.CaptureFixture[str]
) -> None:
    name = exp.fingerprint()
    with pytest.raises(
        LlamaDuoError, match=f"(?s){name}.*\n    or give it up: --forget-run {name}"
    ):
        verb.main(["gc", "--yes", f"home={home}"])
    assert verb.main(["gc", "--forget-run", name[:6], f"home={home}"]) == 0
    assert (home / ".llamaduo/runs" / name).is_dir()
    ledger = (home / ".llamaduo/ledger.sqlite").read_bytes()
    assert verb.main(["gc", "--yes", "--forget-run", name[:6], f"home={home}"]) == 0
    assert not list((home / ".llamaduo/store").glob("*/*"))
    assert not (home / ".llamaduo/runs" / name).exists()
    assert (home / ".llamaduo/ledger.sqlite").read_bytes() == ledger
    assert "stays: the ledger" in capsys.readouterr().out


def test_a_run_that_starts_meanwhile_ends_the_removal(home: Path, exp: Experiment) -> None:
    (home / ".llamaduo/store/adapter" / ("c" * 16) / "draft").mkdir(parents=True)
    found = garbage.garbage(home, same(exp))
    config = home / ".llamaduo/runs" / exp.fingerprint() / "config.yaml"
    os.utime(config, ns=(1, 1))
    with pytest.raises(LlamaDuoError, match="a run was started meanwhile"):
        garbage.remove(found)


def test_nothing_goes_without_yes_and_flags_are_for_what_they_are_for(
    home: Path, exp: Experiment
) -> None:
    (home / ".llamaduo/store/adapter" / ("c" * 16) / "draft").mkdir(parents=True)
    before = bytes_under(home)
    said = list(words.of_garbage(garbage.garbage(home, same(exp))))
    assert said[0] == "  adapter: 1, of them 1 begun (0 B)"
    assert bytes_under(home) == before
    for wrong, why in (
        (["ls", "--yes"], "removes nothing"),
        (["ls", "--damaged"], "for `store gc`"),
        (["gc", "r1"], "takes no rows"),
        (["lss"], "did you mean `ls`"),
        ([], "say what"),
        (["forget"], "name rows"),
        (["gc", "--forget-run", "beef"], "no run under"),
    ):
        with pytest.raises(UsageError, match=why):
            verb.main([*wrong, f"home={home}"])


def test_the_table_adds_up(home: Path, exp: Experiment) -> None:
    Store(home / ".llamaduo/store").folder("adapter", ["of no run"], lambda work: None)
    said = sizes.text(home, same(exp))
    count = len(list((home / ".llamaduo/store").glob("*/*/manifest.json")))
    [line] = [line for line in said.split("\n") if line.startswith("in all")]
    assert line.split()[2] == str(count)
    [line] = [line for line in said.split("\n") if line.startswith(exp.fingerprint())]
    assert line.split()[1:3] == ["finished", str(count - 1)]
    assert "no run" in said
    assert "never garbage" in said


def test_ten_thousand_results_are_summed_up_without_reading_them(tmp_path: Path) -> None:
    for number in range(2000):
        out = tmp_path / f".llamaduo/store/judgements/{number:016x}/out"
        out.mkdir(parents=True)
        (out / "rows.jsonl").write_text("{}")
        (out.parent / "manifest.json").write_text('{"content": "x"}')
    began = time.perf_counter()
    said = sizes.text(tmp_path, same(made(tmp_path / "h", Diary())))
    assert time.perf_counter() - began < 4
    assert "2000" in said


def test_without_its_ledger_nobody_knows_what_a_run_needs(home: Path, exp: Experiment) -> None:
    (home / ".llamaduo/ledger.sqlite").unlink()
    with pytest.raises(LlamaDuoError, match="there is no ledger under home any more"):
        garbage.garbage(home, same(exp))
    assert "not known: there is no ledger" in sizes.text(home, same(exp))
