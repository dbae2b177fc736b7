"""A run that stops where another machine goes on, and goes on from there."""

import io
import os
from pathlib import Path
from typing import Any

import pytest
from small_world import Diary, Learner, Scripted, altered, experiment

from llamaduo import session
from llamaduo.errors import ConfigError, ServiceError
from llamaduo.experiment import Experiment, Until
from llamaduo.findings import Result
from llamaduo.progress import Progress
from llamaduo.tuner.untuned import Untuned
from llamaduo.until import Reached
from llamaduo.verbs import run

KEY = "SCRIPTED_API_KEY"


class Keyed(Scripted):
    """The scripted service, for those who have its key."""

    def faults(self) -> list[str]:
        return [] if KEY in os.environ else [f"{self.name}: no API key; set {KEY}"]


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, "a key of the laptop's")


def keyed(home: Path, diary: Diary, **changed: Any) -> Experiment:
    exp = experiment(home, diary, **changed)
    service = Keyed(diary=diary)
    judge = altered(exp.judge, service=service)
    return exp.model_copy(update={"service": service, "judge": judge})


def go(exp: Experiment, until: Until | None = None) -> Result:
    return session.run(exp, Progress(io.StringIO()), until)


def stops(exp: Experiment, until: Until) -> str:
    with pytest.raises(Reached) as reached:
        go(exp, until)
    return reached.value.recipe.partition("/")[0]


def made(home: Path) -> list[str]:
    return sorted(p.parent.parent.name for p in home.glob(".llamaduo/store/*/*/manifest.json"))


def test_data_is_there_before_anything_is_tuned(tmp_path: Path) -> None:
    diary = Diary()
    assert stops(keyed(tmp_path, diary), "data") == "adapter"
    assert made(tmp_path) == ["split", "train"]
    assert not diary.asked
    written = {path.name for path in tmp_path.glob(".llamaduo/runs/*/*")}
    assert written == {"config.yaml"}, "no report, no verdict, no error"


def test_an_adapter_is_tuned_and_asked_nothing(tmp_path: Path) -> None:
    diary = Diary()
    assert stops(keyed(tmp_path, diary), "adapter") == "answers"
    assert (len(diary.tuned), diary.answered) == (1, [])


def test_answers_are_there_before_any_is_judged(tmp_path: Path) -> None:
    diary = Diary()
    assert stops(keyed(tmp_path, diary), "answers") == "judgements"
    assert diary.answered
    assert not diary.asked


@pytest.mark.parametrize("until", ["data", "adapter", "answers"])
def test_where_it_is_already_it_stays(tmp_path: Path, until: Until) -> None:
    diary = Diary()
    exp = keyed(tmp_path, diary)
    first = stops(exp, until)
    before = made(tmp_path)
    assert stops(exp, until) == first
    assert made(tmp_path) == before


def test_the_next_rounds_data_is_made_before_it_stops_again(tmp_path: Path) -> None:
    diary = Diary()
    exp = keyed(tmp_path, diary)
    stops(exp, "answers")
    assert stops(exp, "data") == "adapter"
    assert {"judgements", "synthetic", "sifted"} <= set(made(tmp_path))
    assert len(diary.tuned) == 1


def test_machines_that_take_turns_come_to_what_one_comes_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    baselines = ("untuned", "few_shot", "coverage", "equal_steps")
    alone = go(keyed(tmp_path / "alone", Diary(), baselines=baselines))
    diary = Diary()
    exp = keyed(tmp_path / "turns", diary, baselines=baselines)
    turns = []
    for _ in range(9):
        monkeypatch.setenv(KEY, "the laptop's key")
        asked = len(diary.answered), len(diary.tuned)
        try:
            result = go(exp, "data")
        except Reached:
            assert (len(diary.answered), len(diary.tuned)) == asked
        else:
            break
        monkeypatch.delenv(KEY)
        turns.append(stops(exp, "answers"))
    assert turns == ["judgements"] * (exp.rounds + 1), "one for each round, one for all at the end"
    assert result == alone


def test_the_untuned_baseline_is_no_tuning(tmp_path: Path) -> None:
    diary = Diary()
    exp = keyed(tmp_path, diary, rounds=1, enough=10, baselines=("untuned",))
    stops(exp, "answers")
    go(exp.model_copy(update={"baselines": ()}))
    assert stops(exp, "data") == "answers"
    assert (exp.rounds, len(diary.tuned)) == (1, 1)


def test_a_model_that_is_not_tuned_answers_and_is_judged_elsewhere(tmp_path: Path) -> None:
    exp = keyed(tmp_path, Diary(), tuner=Untuned())
    assert [stops(exp, "data"), stops(exp, "answers")] == ["answers", "judgements"]


def test_no_key_is_asked_for_where_no_service_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(KEY)
    exp = keyed(tmp_path, Diary())
    with pytest.raises(ConfigError, match=f"no API key; set {KEY}"):
        go(exp)
    assert stops(exp, "answers") == "judgements"


def test_a_service_that_is_due_and_has_no_key_is_named_before_it_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    diary = Diary()
    exp = keyed(tmp_path, diary)
    stops(exp, "answers")
    monkeypatch.delenv(KEY)
    with pytest.raises(ServiceError, match=f"`judgements` comes next, and scripted .* {KEY}"):
        go(exp, "data")
    assert not diary.asked


def test_data_is_made_without_the_local_model(tmp_path: Path) -> None:
    class Gone(type(keyed(tmp_path, Diary()).local)):  # type: ignore[misc]
        def faults(self) -> list[str]:
            return ["toy: its weights are not here"]

    exp = keyed(tmp_path, Diary()).model_copy(update={"local": Gone()})
    assert stops(exp, "data") == "adapter"
    with pytest.raises(ConfigError, match="its weights are not here"):
        go(exp, "adapter")


def test_a_tuner_that_broke_is_still_an_error(tmp_path: Path) -> None:
    diary = Diary()
    diary.breaks["tune"] = 0
    exp = keyed(tmp_path, diary, tuner=Learner(diary=diary))
    with pytest.raises(Exception, match="tune"):
        go(exp, "adapter")
    assert list(tmp_path.glob(".llamaduo/runs/*/error.json"))
    del diary.breaks["tune"]
    stops(exp, "adapter")
    assert not list(tmp_path.glob(".llamaduo/runs/*/error.json"))


@pytest.mark.parametrize(
    ("words", "until", "rest"),
    [
        (["--until", "data", "seed=1"], "data", ["seed=1"]),
        (["-m", "seed=1,2", "--until=answers"], "answers", ["-m", "seed=1,2"]),
        (["seed=1"], None, ["seed=1"]),
    ],
)
def test_the_flag_is_taken_out_of_what_hydra_gets(
    words: list[str], until: str | None, rest: list[str]
) -> None:
    assert run.until_where(words) == (until, rest)
