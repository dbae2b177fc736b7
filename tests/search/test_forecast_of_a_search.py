"""What a search would ask, said before it: its trials, and a first round that asks nothing more."""

from pathlib import Path
from typing import Any

from search_world import searched, searching
from small_world import Diary

from llamaduo.forecast import forecast
from llamaduo.forecast.figures import Line


def lines(home: Path, diary: Diary, **fields: Any) -> dict[str, Line]:
    exp = searching(home, diary, **fields)
    found = forecast(exp, exp.task.place(), lambda service, stage: None)
    return {line.name: line for line in found.lines}


def test_the_trials_ask_what_was_said_of_them(tmp_path: Path) -> None:
    diary = Diary()
    said = lines(tmp_path / "home", diary, trials=4)
    came = searched(searching(tmp_path / "home", diary, trials=4))
    assert said["dev judged, 4 trials"].calls.least <= came.calls
    assert came.calls <= said["dev judged, 4 trials"].calls.most
    assert "dev judged" not in said, "the best trial is the first round"


def test_trials_that_may_be_stopped_are_likely_to_ask_less(tmp_path: Path) -> None:
    whole = lines(tmp_path / "a", Diary())["dev judged, 6 trials"].calls
    stopped = lines(tmp_path / "b", Diary(), prune=("judging",))["dev judged, 6 trials"].calls
    assert (stopped.most, stopped.high, stopped.least) == (whole.most, whole.high, whole.least)
    assert stopped.least < stopped.low < whole.low


def test_trials_that_go_by_the_loss_ask_nothing_of_the_judge(tmp_path: Path) -> None:
    tuner = {"eval_steps": 10}
    exp = searching(tmp_path / "home", Diary(), tuner=tuner, objective="dev_loss")
    found = forecast(exp, exp.task.place(), lambda service, stage: None)
    assert [line.name for line in found.lines] == ["dev judged", "test judged"]


def test_no_more_trials_are_reckoned_with_than_there_are_settings(tmp_path: Path) -> None:
    space = {"tuner.r": {"choices": [4, 8]}}
    assert "dev judged, 2 trials" in lines(tmp_path / "home", Diary(), space=space, trials=50)
