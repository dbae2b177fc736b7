"""A search, whole: trials, their ends, the best of them, and that nothing is done twice."""

import io
from pathlib import Path
from typing import Any

import pytest
from search_world import DIVERGES, SPACE, searched, searching, whole
from small_world import BrokenError, Diary, altered, play

from llamaduo.config import from_overrides
from llamaduo.errors import ModelError, OverBudget
from llamaduo.experiment import Experiment
from llamaduo.findings import Searched, Trial
from llamaduo.ledger import Ledger
from llamaduo.progress import Progress
from llamaduo.stages import Stages
from llamaduo.store import Store
from llamaduo.study import Study
from llamaduo.study.best import best, front
from llamaduo.tracker.silent import Silent
from llamaduo.trials import search

DEV = 12
"""Prompts of dev in the small world."""


@pytest.fixture
def diary() -> Diary:
    return Diary()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def study_of(exp: Experiment) -> Study:
    """Return the study of an experiment that has been searched."""
    assert exp.search is not None
    name = exp.fingerprint()
    folder = Path(exp.home) / ".llamaduo" / "search" / name
    return Study(exp.search, {}, seed=exp.seed, name=name, folder=folder)


def keys(found: Searched) -> list[str]:
    return [str(sorted(trial.settings.items())) for trial in found.trials]


def test_the_best_settings_are_found_and_the_first_trial_has_those_given(
    home: Path, diary: Diary
) -> None:
    exp = searching(home, diary, trials=8)
    sought = searched(exp)
    found, said = sought.found, sought.said
    assert [trial.number for trial in found.trials] == list(range(8))
    assert found.trials[0].settings == {"tuner.lr": 1e-5, "tuner.r": 4}
    winner = found.trial(found.best)
    assert winner.dev is not None
    assert found.trials[0].dev is not None
    assert (winner.dev.coverage.low or 0) > (found.trials[0].dev.coverage.low or 0)
    assert len(set(keys(found))) == 8
    assert "trial 0: the settings as given: coverage of 0.0 % or more; the best so far" in said
    assert said.count("trial ") >= 8


def test_the_loop_goes_on_with_the_best_and_makes_nothing_anew_for_its_first_round(
    home: Path, diary: Diary
) -> None:
    exp = searching(home, diary, trials=4)
    result, found, said = whole(exp)
    best_dev = found.trial(found.best).dev
    assert best_dev is not None
    assert result.rounds[0].assessment.coverage == best_dev.coverage
    after = said.split("search: 4 trials, ")[1].split("round 0")[0]
    assert "judge" not in after
    assert len(diary.tuned) == sum(trial.state == "complete" for trial in found.trials)
    known = {
        path.parent.name: (path / "settings.json").read_text()
        for path in (home / ".llamaduo/store/adapter").glob("*/out")
    }
    assert len(known) == len(diary.tuned)
    winner = found.trial(found.best).settings
    assert f"{winner['tuner.lr']} {winner['tuner.r']}" in known.values()
    assert result.fingerprint == exp.fingerprint()


def test_running_again_adds_no_trial_buys_nothing_and_comes_to_the_same(
    home: Path, diary: Diary, capsys: pytest.CaptureFixture[str]
) -> None:
    exp = searching(home, diary)
    first, _, _ = whole(exp)
    tuned, asked = len(diary.tuned), len(diary.asked)
    capsys.readouterr()
    again, _, said = whole(exp)
    assert again == first
    assert (len(diary.tuned), len(diary.asked)) == (tuned, asked)
    assert "stages made now: 0" in capsys.readouterr().out
    assert "6 there already" in said


def test_more_trials_go_on_in_the_same_search(home: Path, diary: Diary) -> None:
    first = searched(searching(home, diary, trials=3)).found
    more = searched(searching(home, diary, trials=5)).found
    assert more.trials[:3] == first.trials
    assert len(more.trials) == 5
    fewer = searched(searching(home, diary, trials=2)).found
    assert len(fewer.trials) == 5, "what is known counts"


def test_a_trial_is_stopped_while_it_is_tuned_and_leaves_no_checkpoint(
    home: Path, diary: Diary
) -> None:
    exp = searching(home, diary, trials=12, prune=["tuning"], tuner={"eval_steps": 10})
    sought = searched(exp)
    found, said = sought.found, sought.said
    stopped = [trial for trial in found.trials if trial.stopped == "tuning"]
    assert stopped
    assert all(trial.state == "pruned" and trial.dev is None for trial in stopped)
    assert all(20 <= max(trial.curve) < 40 for trial in stopped), "not at the first look"
    assert len(diary.tuned) == 12 - len(stopped)
    store = home / ".llamaduo/store/adapter"
    assert not list(store.glob("*/work")) and not list(store.glob("*/draft"))
    assert f"stopped while tuning, at step {max(stopped[0].curve)}" in said
    complete = [trial for trial in found.trials if trial.state == "complete"]
    assert all(sorted(trial.curve) == [10, 20, 30, 40] for trial in complete)


def test_a_trial_is_stopped_while_it_is_judged_and_pays_less(home: Path, diary: Diary) -> None:
    space = {"tuner.lr": {"choices": [1e-3, 9e-4, 1e-5, 1e-2]}, "tuner.r": {"choices": [4, 8]}}
    split = {"train": 0.2, "dev": 0.6, "test": 0.2}
    exp = searching(home, diary, trials=6, prune=["judging"], space=space, tuner={"lr": 1e-3})
    task = altered(exp.task, split=type(exp.task.split).model_validate(split))  # type: ignore[attr-defined]
    found = searched(altered(exp, task=task)).found
    stopped = [trial for trial in found.trials if trial.stopped == "judging"]
    assert stopped
    first_look = {trial.settings["tuner.lr"]: trial.looked_at == 10 for trial in stopped}
    assert first_look[1e-5], "right in nothing"
    assert all(trial.looked_at < 24 for trial in stopped)
    assert all(trial.tokens for trial in stopped), "they were tuned to the end"
    whole = [trial for trial in found.trials if trial.dev is not None]
    assert all(trial.looked_at == 24 for trial in whole)
    recipes = {
        recipe for _, paid in study_of(altered(exp, task=task)).finished() for recipe in paid
    }
    ledger = Ledger(home / ".llamaduo" / "ledger.sqlite")
    calls = sorted(ledger.tally(recipe).calls for recipe in recipes if "judge" in recipe)
    ledger.close()
    assert calls[0] < calls[-1], "what is not judged is not paid"


def test_one_that_cannot_be_tuned_is_an_end_like_others_and_is_not_run_again(
    home: Path, diary: Diary
) -> None:
    space = {"tuner.lr": {"choices": [1e-5, 1e-3, DIVERGES]}}
    exp = searching(home, diary, trials=3, space=space)
    sought = searched(exp)
    found, said = sought.found, sought.said
    [failed] = [trial for trial in found.trials if trial.state == "failed"]
    assert failed.error == "the loss became nan at step 3: lower tuner.lr"
    assert failed.settings == {"tuner.lr": DIVERGES}
    assert f"trial {failed.number}: tuner.lr 0.5: failed: the loss became nan" in said
    assert found.trial(found.best).settings == {"tuner.lr": 1e-3}
    diary.breaks["tune"] = 0
    assert searched(exp).found == found, "nothing is tuned again"


def test_a_fault_of_the_machine_is_no_end_of_a_trial(home: Path, diary: Diary) -> None:
    exp = searching(home, diary, trials=3)
    diary.breaks["disk"] = 0
    with pytest.raises(ModelError, match="no space left on device"):
        searched(exp)
    diary.breaks = {}
    found = searched(exp).found
    assert [trial.state for trial in found.trials] == ["complete"] * 3


def test_a_trial_out_of_memory_is_tried_once_more(home: Path, diary: Diary) -> None:
    diary.breaks["memory"] = 1
    sought = searched(searching(home, diary, trials=3))
    assert [trial.state for trial in sought.found.trials] == ["complete"] * 3
    assert "trial 0 ran out of memory; it is tried once more" in sought.said


def test_a_trial_whose_adapter_is_there_has_its_losses_all_the_same(
    home: Path, diary: Diary
) -> None:
    first = searching(home, diary, trials=2, tuner={"eval_steps": 10})
    searched(first)
    tuned = len(diary.tuned)
    other = searched(searching(home, diary, trials=2, startup=1, tuner={"eval_steps": 10})).found
    assert len(diary.tuned) < tuned + 2, "the settings as given were tuned by the first search"
    assert all(trial.curve for trial in other.trials)


def test_a_search_of_which_nothing_comes_says_the_first_cause(home: Path, diary: Diary) -> None:
    space = {"tuner.lr": {"choices": [DIVERGES]}}
    exp = searching(home, diary, trials=3, space=space, tuner={"lr": DIVERGES})
    with pytest.raises(ModelError, match=r"none of 1 trials .* the loss became nan"):
        searched(exp)


def test_a_small_space_is_tried_whole_and_no_point_twice(home: Path, diary: Diary) -> None:
    space = {"tuner.lr": {"choices": [1e-5, 1e-4, 1e-3]}, "tuner.r": {"choices": [4, 8]}}
    sought = searched(searching(home, diary, trials=20, space=space))
    found, said = sought.found, sought.said
    assert len(set(keys(found))) == len(found.trials) == found.points == 6
    assert "6 trials by coverage; the space has no more than 6 settings" in said


@pytest.mark.parametrize("breaks", [{"tune": 2}, {"step": 9}, {"answer": 30}, {"mark": 40}])
def test_what_breaks_off_goes_on_where_it_was_and_comes_to_the_same(
    tmp_path: Path, breaks: dict[str, int]
) -> None:
    calm = Diary()
    wanted = searched(searching(tmp_path / "calm", calm, trials=4)).found
    diary = Diary()
    exp = searching(tmp_path / "home", diary, trials=4)
    diary.breaks = dict(breaks)
    with pytest.raises(BrokenError):
        searched(exp)
    diary.breaks = {}
    assert searched(exp).found == wanted
    assert len(diary.asked) == len(calm.asked), "nothing is paid twice"


def test_the_budget_ends_a_search_and_a_larger_one_goes_on(home: Path, diary: Diary) -> None:
    exp = searching(home, diary, trials=4)
    with pytest.raises(OverBudget):
        searched(altered(exp, budget_usd=0.2))
    found = searched(altered(exp, budget_usd=None)).found
    assert len(found.trials) == 4
    assert len(set(keys(found))) == 4


def test_what_a_search_paid_is_in_the_account_of_the_run(home: Path, diary: Diary) -> None:
    result, _, _ = whole(searching(home, diary, trials=4))
    assert result.usd == pytest.approx(0.01 * len(diary.asked))


def test_dev_is_judged_in_full_where_a_search_compares_it(home: Path, diary: Diary) -> None:
    exp = searching(home, diary, trials=2)
    judge = altered(exp.judge, repeats=5)
    found = searched(altered(exp, judge=judge)).found
    for trial in found.trials:
        assert trial.dev is not None
        assert (trial.dev.marks, trial.dev.spared) == (2 * 5 * DEV, 0)
    plain = altered(exp, judge=judge, search=None, home=home / "plain")
    [round_] = play(plain).result.rounds
    assert round_.assessment.spared > 0, "without a search repeats are spared there"


def test_by_dev_loss_nothing_is_answered_before_the_first_round(home: Path, diary: Diary) -> None:
    exp = searching(home, diary, trials=5, objective="dev_loss", tuner={"eval_steps": 10})
    sought = searched(exp)
    found, said = sought.found, sought.said
    assert sought.calls == 0
    assert {recipe.partition("/")[0] for recipe in sought.made} == {"split", "train", "adapter"}
    winner = found.trial(found.best)
    assert winner.dev is None
    assert winner.dev_loss == min(trial.dev_loss or 9 for trial in found.trials)
    assert f"dev loss {winner.dev_loss:.4f}" in said


def test_with_two_objectives_the_front_has_what_none_beats(home: Path, diary: Diary) -> None:
    exp = searching(
        home,
        diary,
        trials=8,
        objective="coverage_and_cost",
        prune=["judging"],
        tuner={"eval_steps": 10},
    )
    found = searched(exp).found
    assert all(trial.state == "complete" for trial in found.trials)
    assert found.best == found.front[-1], "the one with the most coverage tunes"
    tokens = [found.trial(number).tokens or 0 for number in found.front]
    assert tokens == sorted(tokens)
    assert all(sorted(trial.curve) == [10, 20, 30, 40] for trial in found.trials)


def made(number: int, low: float, tokens: int, **more: Any) -> Trial:
    measure = {"name": "coverage %", "value": low + 5, "low": low, "high": low + 9, "n": 12}
    dev = {
        "name": "t",
        "prompts": 12,
        "coverage": measure,
        "similarity": measure,
        "precision": measure,
        "unjudged": 0,
        "answers": 12,
        "cut": 0,
        "checks": {},
        "steps": 1,
    }
    return Trial.model_validate(
        {"number": number, "settings": {}, "state": "complete", "dev": dev, "tokens": tokens} | more
    )


def test_of_equals_the_cheaper_is_the_best_and_then_the_first() -> None:
    trials = [made(0, 20, 500), made(1, 30, 900), made(2, 30, 400), made(3, 30, 400)]
    leader = best(trials, "coverage")
    assert leader is not None
    assert leader.number == 2
    assert front(trials) == (2,)
    assert front([*trials, made(4, 10, 100), made(5, 5, 200)]) == (4, 2)
    assert best([made(0, 1, 1, state="failed")], "coverage") is None


def test_the_report_sets_the_best_beside_the_settings_given(
    home: Path, diary: Diary, capsys: pytest.CaptureFixture[str]
) -> None:
    space = {**SPACE, "tuner.lr": {"choices": [1e-5, 1e-3, 1e-2, DIVERGES]}}
    exp = searching(home, diary, trials=8, space=space)
    _, found, _ = whole(exp)
    place = home / ".llamaduo" / "runs" / exp.fingerprint()
    said = (place / "report.md").read_text()
    section = said.split("## Search for settings")[1].split("\n## ")[0]
    assert "8 trials were wanted and 8 finished: 6 complete, 0 stopped early, 2 failed" in section
    [line] = [row for row in section.splitlines() if row.startswith("| the best |")]
    assert f"| {found.best} | 0.001 |" in line
    assert f"({found.trial(found.best).dev.coverage.low:.1f} to" in line  # type: ignore[union-attr]
    assert any(
        row.startswith("| the settings as given | 0 | 1e-05 | 4 |") for row in section.splitlines()
    )
    assert "optimistic" in section
    assert "tuner.lr " in section.split("PED-ANOVA")[1]
    for name in ("search.png", "importance.png"):
        assert f"]({name})" in section
        assert (place / name).read_bytes().startswith(b"\x89PNG")
    assert "search: 8 trials, 0 stopped early, 2 failed; the best is " in capsys.readouterr().out


def test_the_tiny_model_is_searched_by_its_real_loss_and_judged_by_nobody() -> None:
    exp = from_overrides(
        [
            *("search=qlora", "experiments=demo_tiny", "tracker=none", "search.trials=2"),
            *("search.objective=dev_loss", "search.prune=[tuning]"),
            *("tuner.eval_steps=2", "tuner.steps=4"),
        ]
    )
    private = Path(exp.home) / ".llamaduo"
    ledger = Ledger(private / "ledger.sqlite")
    stages = Stages(exp, Store(private / "store"), ledger, Progress(io.StringIO()), "tiny")
    found = search(exp, stages, stages.split(), Silent())
    assert ledger.calls_now == 0
    ledger.close()
    for trial in found.trials:
        assert sorted(trial.curve) == [2, 4]
        assert trial.dev_loss == pytest.approx(min(trial.curve.values()), abs=1e-5)
        assert trial.tokens
