"""What the next run makes again after a row was forgotten: only what the row touched."""

import json
import shutil
from pathlib import Path

import pytest
from kept_world import DEV, TEST, TRAIN, World, forgotten, go, made, question
from small_world import Diary

from llamaduo.errors import DataError, UsageError
from llamaduo.experiment import Experiment
from llamaduo.task.coverage import CoverageTask
from llamaduo.task.rows import FileRows
from llamaduo.verbs import store as verb


def test_without_a_train_row_the_untuned_models_answers_and_judgements_are_found(
    first: World, home: Path
) -> None:
    diary = Diary()
    forgotten(home, TRAIN[3])
    again = go(made(home, diary, without=[TRAIN[3]]))
    assert "asked" in first.run.made
    assert "asked" not in again.made  # the service's own second answers
    assert first.run.made.count("answers") - again.made.count("answers") == 1  # the untuned model's
    assert first.run.made.count("judgements") - again.made.count("judgements") == 2
    by = {one.name: one for one in first.run.result.baselines}
    there = {one.name: one for one in again.result.baselines}
    assert there.keys() == by.keys()
    for name in ("untuned", "the service itself"):
        assert there[name] == by[name]


def test_without_a_test_row_adapters_and_what_steers_are_found_and_no_other_row_is_paid_again(
    first: World, home: Path
) -> None:
    diary = Diary()
    forgotten(home, TEST[0])
    again = go(made(home, diary, without=[TEST[0]]))
    assert not {"adapter", "synthetic"} & set(again.made)
    assert not diary.tuned
    assert not set(diary.answered) & set(DEV)
    paid = {request.model_dump_json() for request in first.diary.asked}
    assert not [request for request in diary.asked if request.model_dump_json() in paid]
    before = [one.assessment for one in first.run.result.rounds]
    assert [one.assessment for one in again.result.rounds] == before


def test_without_a_dev_row_the_models_are_the_same(home: Path) -> None:
    forgotten(home, DEV[0])
    again = go(made(home, Diary(), without=[DEV[0]]))
    assert not {"adapter", "synthetic", "asked"} & set(again.made)


def test_a_run_whose_source_still_has_the_row_is_refused_before_anything_is_made(
    home: Path,
) -> None:
    diary = Diary()
    forgotten(home, TRAIN[3])
    with pytest.raises(DataError, match=r"row r3 of .*rows\.jsonl, line 4, was forgotten on 20"):
        go(made(home, diary))
    assert not diary.asked
    assert not list((home / ".llamaduo/store").glob("split/*/out"))
    assert question(TRAIN[3]) not in (home / ".llamaduo/forgotten.jsonl").read_text()


def test_the_rest_is_a_file_to_go_on_with_and_no_row_changes_its_part(
    home: Path, tmp_path: Path
) -> None:
    plain, rest = tmp_path / "plain.jsonl", tmp_path / "rest.jsonl"
    plain.write_text(
        "".join(
            json.dumps({"id": f"r{i}", "instruction": question(f"r{i}"), "response": f"t {i}"})
            + "\n"
            for i in range(40)
        )
    )

    def placed(path: Path) -> Experiment:
        exp = made(home, Diary())
        assert isinstance(exp.task, CoverageTask)
        task = exp.task.model_copy(update={"rows": FileRows(path=path)})
        return exp.model_copy(update={"task": task})

    shutil.rmtree(home / ".llamaduo")
    go(placed(plain))
    before = {one.example.id: one.part for one in placed(plain).task.place()}
    words = ["forget", TRAIN[3], "--rest", str(rest), "--yes", f"home={home}"]
    assert verb.main(words) == 0
    with pytest.raises(UsageError, match="there is something"):
        verb.main(words)
    after = {one.example.id: one.part for one in placed(rest).task.place()}
    assert after == {name: part for name, part in before.items() if name != TRAIN[3]}
    lines = plain.read_text().splitlines(keepends=True)
    plain.write_text("".join(line for line in lines if json.loads(line)["id"] != TRAIN[3]))
    drawn = {one.example.id: one.part for one in placed(plain).task.place()}
    assert drawn != after  # what comes of taking the line out, and no more
