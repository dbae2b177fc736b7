"""Forgetting a row on runs of a small world: all that holds it or came of it goes, and no more."""

import io
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from kept_world import (
    DEV,
    TEST,
    TRAIN,
    Remembers,
    bytes_under,
    forgotten,
    holding,
    made,
    planned,
    question,
)
from small_world import Diary

from llamaduo import running
from llamaduo.errors import LlamaDuoError, UsageError
from llamaduo.keeping.forget import forget
from llamaduo.ledger import Ledger
from llamaduo.locks import flocked
from llamaduo.progress import Progress
from llamaduo.stages import Stages
from llamaduo.store import Store
from llamaduo.verbs import store as verb


@pytest.mark.parametrize("name", [TRAIN[3], DEV[2], TEST[1]])
def test_nothing_that_holds_the_row_is_left_and_the_rest_stays_byte_for_byte(
    name: str, home: Path
) -> None:
    differing = home / ".llamaduo" / "probes" / "triage-1.differing.jsonl"  # what a probe shows
    differing.parent.mkdir()
    differing.write_text(json.dumps({"messages": [{"content": question(name)}]}) + "\n")
    before = bytes_under(home)
    assert len(holding(home, question(name))) > 3
    found, proof = forgotten(home, name)
    assert not differing.exists()
    assert not proof.left
    assert not holding(home, question(name))
    gone = {unit.recipe for unit in found.units}
    after = bytes_under(home)
    for path, said in before.items():
        if path.startswith(".llamaduo/store/"):
            recipe = "/".join(path.split("/")[2:4])
            assert (path in after) == (recipe not in gone), path
            if path in after:
                assert after[path] == said
    assert not list((home / ".llamaduo/store").glob("split/*/out"))


def test_weights_tuned_on_the_row_go_with_all_they_answered_and_others_stay(home: Path) -> None:
    found, _ = forgotten(home, TRAIN[3])
    stages = [unit.stage for unit in found.units]
    assert stages.count("adapter") == 2  # of both rounds; the untuned one stays
    left = {path.parts[-3] for path in (home / ".llamaduo/store").glob("*/*/manifest.json")}
    assert {"adapter", "answers", "asked", "judgements"} <= left
    order = [stages.index(one) for one in ("judgements", "answers", "adapter", "train", "split")]
    assert order == sorted(order)


def test_a_dev_row_takes_no_adapter_that_never_looked_at_it(home: Path) -> None:
    found, _ = forgotten(home, DEV[2])
    assert "adapter" not in {unit.stage for unit in found.units}


def test_the_ledger_keeps_what_calls_cost_and_nothing_of_what_was_said(home: Path) -> None:
    path = home / ".llamaduo/ledger.sqlite"

    def figures() -> list[object]:
        ledger = Ledger(path)
        with ledger.transaction() as db:
            runs = db.execute("select * from runs").fetchall()
            recipes = [r for (r,) in db.execute("select distinct recipe from uses order by 1")]
            times = db.execute("select round(sum(seconds), 6), count(*) from replies").fetchall()
        tallies = [ledger.tally(recipe) for recipe in recipes]
        ledger.close()
        return [runs, tallies, times]

    before = figures()
    found, _ = forgotten(home, TRAIN[3])
    assert figures() == before
    assert found.calls.keys
    said = path.read_bytes()
    assert question(TRAIN[3]).encode() not in said
    ledger = Ledger(path)
    assert [ledger.reply(key) for key in found.calls.keys] == [None] * len(found.calls.keys)
    with ledger.transaction() as db:
        rows = db.execute(
            "select c.request, c.row, r.text, r.cause from calls c join replies r on r.key = c.key"
            " where c.key like 'forgotten-%'"
        ).fetchall()
    ledger.close()
    assert set(rows) == {("", "", "", "")}
    assert len(rows) == len(found.calls.keys)


def test_rows_written_in_the_likeness_of_the_row_go_too(home: Path) -> None:
    store = home / ".llamaduo/store"
    [file] = store.glob("synthetic/*/out/rows.jsonl")
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    name = rows[0]["origin"]["seeds"][0]
    mine = {r["messages"][-1]["content"] for r in rows if name in r["origin"]["seeds"]}
    fresh = [text for text in mine if text.startswith("fresh")]
    assert fresh
    forgotten(home, name)
    assert not [path for text in fresh for path in holding(home, text)]


def test_killed_at_any_kind_of_step_the_same_command_finishes(home: Path, tmp_path: Path) -> None:
    steps: list[str] = []
    shutil.copytree(home, tmp_path / "whole")
    forgotten(tmp_path / "whole", TRAIN[3], step=steps.append)
    kinds = {step.partition("/")[0]: number for number, step in reversed([*enumerate(steps)])}
    assert len(kinds) > 10
    left = recipes(tmp_path / "whole")
    for number in kinds.values():
        there = tmp_path / f"killed{number}"
        shutil.copytree(home, there)
        child = os.fork()
        if child == 0:
            passed = iter(range(number))

            def die(what: str, passed: Iterator[int] = passed) -> None:
                if next(passed, None) is None:
                    os._exit(9)

            with suppress(BaseException):
                forgotten(there, TRAIN[3], step=die)
            os._exit(1)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 9
        _, proof = forgotten(there, TRAIN[3])
        assert not proof.left
        assert not holding(there, question(TRAIN[3]))
        assert recipes(there) == left  # wherever it was killed, the same is left
        shutil.rmtree(there)


def recipes(home: Path) -> set[str]:
    return {path.parent.name for path in (home / ".llamaduo/store").glob("*/*/manifest.json")}


def test_answers_to_prompts_that_showed_it_as_an_example_go(home: Path) -> None:
    store = home / ".llamaduo/store"
    said = {
        path.parent: json.loads(path.read_text()) for path in store.glob("answers/*/manifest.json")
    }
    [(place, shown)] = [(place, one["rows"]) for place, one in said.items() if one["rows"]]
    assert len(shown) == 4
    found = planned(home, shown[0])
    assert f"answers/{place.name}" in {unit.recipe for unit in found.units}
    other = next(name for name in TRAIN if name not in shown)
    assert f"answers/{place.name}" not in {unit.recipe for unit in planned(home, other).units}


def test_an_adapter_that_was_chosen_by_a_dev_row_goes_with_it(tmp_path: Path) -> None:
    home = tmp_path / "home"
    exp = made(home, Diary())
    ledger = Ledger(tmp_path / "ledger.sqlite")
    stages = Stages(exp, Store(home / ".llamaduo/store"), ledger, Progress(io.StringIO()), "run")
    split = stages.split()
    looks = stages.tune(stages.train(split, []), LooksAtDev(diary=Diary()), split)
    blind = stages.tune(stages.train(split, []), exp.tuner, split)
    ledger.close()
    gone = {unit.recipe for unit in planned(home, DEV[2]).units}
    assert looks.recipe in gone
    assert blind.recipe not in gone


class LooksAtDev(Remembers):
    """One that ends by what dev says; dev's rows are not in its adapter's bytes."""

    @property
    def looks_at_dev(self) -> bool:
        return True


def test_an_unwritten_step_of_removal_leaves_no_result_without_its_manifest(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.rmtree", lambda *given, **more: os._exit(9))
    child = os.fork()
    if child == 0:
        forgotten(home, TEST[0])
        os._exit(0)
    os.waitpid(child, 0)
    for out in (home / ".llamaduo/store").glob("*/*/out"):
        assert (out.parent / "manifest.json").exists()


def test_nothing_is_forgotten_while_a_run_goes_on(home: Path) -> None:
    place = home / ".llamaduo/store/adapter/0123456789abcdef"
    (place / "draft").mkdir(parents=True)
    with flocked(place / "lock"), pytest.raises(LlamaDuoError, match="a run is going on"):
        planned(home, TRAIN[3])


def test_what_a_killed_one_had_put_away_goes_though_no_trace_of_the_row_is_left(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    forgotten(home, TRAIN[3])
    shutil.rmtree(home / ".llamaduo/runs")
    away = home / ".llamaduo/going/1"
    away.mkdir(parents=True)
    (away / "rows.jsonl").write_text(question(TRAIN[3]))
    assert verb.main(["forget", TRAIN[3], f"home={home}"]) == 0
    assert "--yes removes it" in capsys.readouterr().out
    with monkeypatch.context() as patch:
        patch.setattr("shutil.rmtree", lambda *given, **more: None)
        with pytest.raises(LlamaDuoError, match=r"rows.jsonl was put away .* cannot be \(1 files"):
            verb.main(["forget", TRAIN[3], "--yes", f"home={home}"])
    assert verb.main(["forget", TRAIN[3], "--yes", f"home={home}"]) == 0
    assert not holding(home, question(TRAIN[3]))


@pytest.mark.parametrize("words", [["forget", TRAIN[3]], ["gc"]])
def test_nothing_goes_beside_a_run_between_its_stages(home: Path, words: list[str]) -> None:
    private = home / ".llamaduo"
    before = bytes_under(private / "store")
    with running.beside(private, "run 0123"), running.beside(private, "run 4567"):
        with pytest.raises(LlamaDuoError, match=r"(?s)store .*\n  run 0123\n  run 4567\n.*again"):
            verb.main([*words, "--yes", f"home={home}"])
        assert bytes_under(private / "store") == before


def test_what_an_older_version_made_goes_if_it_may_be_of_the_row(home: Path) -> None:
    for path in (home / ".llamaduo/store").glob("answers/*/manifest.json"):
        said = json.loads(path.read_text())
        del said["from"], said["rows"]
        path.write_text(json.dumps(said))
    answers = len(list((home / ".llamaduo/store").glob("answers/*")))
    found = planned(home, TRAIN[3])
    assert sum(unit.stage == "answers" for unit in found.units) == answers


def test_without_yes_nothing_changes_and_all_is_listed(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = bytes_under(home)
    assert verb.main(["forget", TRAIN[3], f"home={home}"]) == 0
    assert bytes_under(home) == before
    said = capsys.readouterr().out
    assert "adapter: 2" in said
    assert "at most at the former prices" in said
    assert "take line 4 out of" in said
    assert "nothing was removed" in said


def test_with_yes_it_says_what_is_left_and_ends_with_1_for_a_copy_under_home(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = home / "notes" / "mine.txt"
    copy.parent.mkdir()
    copy.write_text(f"to look into: {question(TRAIN[3])}\n")
    names = tmp_path / "ids"
    names.write_text(f"{TRAIN[3]}\n\n{TEST[0]}\n")
    assert verb.main(["forget", f"@{names}", "--yes", f"home={home}"]) == 1
    assert f"LEFT: {copy}" in capsys.readouterr().out
    copy.unlink()
    assert verb.main(["forget", TRAIN[3], "--yes", f"home={home}"]) == 0
    assert "nothing is left of them there" in capsys.readouterr().out


def test_a_row_that_is_gone_everywhere_is_said_to_be_forgotten(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    forgotten(home, TRAIN[3])
    shutil.rmtree(home / ".llamaduo/runs")
    assert verb.main(["forget", TRAIN[3], "--yes", f"home={home}"]) == 0
    assert "r3: forgotten on 20" in capsys.readouterr().out


def test_a_name_of_no_row_or_of_several_and_a_question_twice_are_refused(
    home: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=r"nobody: no row of this id .*\(40 rows are\)"):
        planned(home, "nobody")
    [split] = (home / ".llamaduo/store").glob("split/*/out/rows.jsonl")
    lines = [json.loads(line) for line in split.read_text().splitlines()]
    twin = json.loads(json.dumps(lines[3]))
    twin["example"]["id"] = "twin"
    other = json.loads(json.dumps(lines[4]))
    other["example"]["target"] = "another one"
    split.write_text("".join(json.dumps(one) + "\n" for one in [*lines, twin, other]))
    with pytest.raises(UsageError, match="row twin asks what row r3 asks"):
        planned(home, "r3")
    assert {row.id for row in planned(home, "r3", "twin").rows} == {"r3", "twin"}
    with pytest.raises(UsageError, match=r"r4 stands for 2 rows; name which:\n  r4@") as error:
        planned(home, "r4")
    both = [line.split()[0] for line in str(error.value).split("\n")[1:]]
    assert len(planned(home, *both).rows) == 2


def test_what_is_forgotten_twice_is_on_record_once(home: Path) -> None:
    found = planned(home, TRAIN[3])
    forget(found)
    forgotten(home, TRAIN[3])  # known from the file of rows
    assert len((home / ".llamaduo/forgotten.jsonl").read_text().splitlines()) == 1


def test_a_ledger_on_a_server_is_not_passed_over_in_silence(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    [config] = (home / ".llamaduo/runs").glob("*/config.yaml")
    config.write_text(json.dumps({**json.loads(config.read_text()), "ledger": "postgresql"}))
    with pytest.raises(LlamaDuoError, match="its ledger is on a server"):
        planned(home, TRAIN[3])
    assert verb.main(["ls", f"home={home}"]) == 0
    assert "what runs need is not known" in capsys.readouterr().out
