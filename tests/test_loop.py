"""The loop, whole: rounds, goals, budgets, kills, and that nothing is done or paid twice."""

import io
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from small_world import (
    PRICE,
    ROWS,
    BrokenError,
    Diary,
    Scripted,
    altered,
    experiment,
    play,
)

from llamaduo import loop
from llamaduo.component import file_sha256
from llamaduo.engine.openai_endpoint import OpenAIEndpoint
from llamaduo.experiment import Experiment
from llamaduo.findings import Result
from llamaduo.ledger import Ledger
from llamaduo.outcome import by_stage
from llamaduo.progress import Progress
from llamaduo.records import Tally, Usage
from llamaduo.stages import Stages
from llamaduo.store import Store
from llamaduo.tracker.silent import Silent
from llamaduo.tuner.untuned import Untuned

TRAIN, KEPT, CALLS = 16, 18, 6
"""Coverage rows of train; fresh rows kept a round, three of each of six calls."""


@pytest.fixture
def diary() -> Diary:
    return Diary()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, Diary, Path]:
    """A run that nothing stopped, what it did, and its home, to be copied."""
    diary, home = Diary(), tmp_path_factory.mktemp("whole")
    return play(experiment(home, diary)).result, diary, home


def test_each_round_tunes_on_all_rows_so_far(home: Path, diary: Diary) -> None:
    result = play(experiment(home, diary)).result
    assert result.stopped == "rounds"
    assert [r.number for r in result.rounds] == [0, 1, 2]
    assert [r.synthetic_rows for r in result.rounds] == [0, KEPT, 2 * KEPT]
    assert [r.train_rows for r in result.rounds] == [TRAIN + n for n in (0, KEPT, 2 * KEPT)]
    assert diary.tuned == [r.train_rows for r in result.rounds]
    assert len({r.adapter for r in result.rounds}) == 3
    files = (home / "store" / "train").glob("*/out/rows.jsonl")
    assert {r.train for r in result.rounds} == {file_sha256(path) for path in files}
    assert result.rows == {"train": TRAIN, "dev": 12, "test": 12, "out": 0}
    assert result.note == f"made ({2 * KEPT} rows)"


def test_copies_of_any_part_are_dropped_and_counted_by_it(home: Path, diary: Diary) -> None:
    played = play(experiment(home, diary))
    part_of = {row.example.id: row.part for row in played.split}
    for number in (1, 2):
        copied = [part_of[f"r{i}"] for i in range((number - 1) * CALLS, number * CALLS)]
        expected = Counter(f"near copy of {part}" for part in copied + ["train"] * CALLS)
        assert played.result.rounds[number].dropped == expected
        assert {"dev", "test"} & set(copied)


def test_the_loop_stops_at_the_goal_and_tests_the_model_that_met_it(
    home: Path, diary: Diary
) -> None:
    played = play(experiment(home, diary, enough=TRAIN + KEPT, rounds=9))
    result = played.result
    assert result.stopped == "goal"
    assert [r.assessment.coverage.value for r in result.rounds] == [
        50,  # of 12 prompts the first 16/34, rounded up
        100,
    ]
    assert result.test is not None
    assert (result.test.name, result.test.coverage.value) == ("round 1", 100)
    assert "synthetic" in played.made
    assert diary.count("write") == CALLS


def test_no_rows_are_bought_after_the_last_round(home: Path, diary: Diary) -> None:
    play(experiment(home, diary, rounds=1))
    assert (diary.count("write"), diary.tuned) == (0, [TRAIN])


def test_seeds_come_from_train_alone(home: Path, diary: Diary) -> None:
    played = play(experiment(home, diary))
    written = [r for r in diary.asked if r.messages[0].content.startswith("write")]
    assert {request.row for request in written} <= played.ids("train")
    shown = "\n".join(request.messages[0].content for request in written)
    for part in ("dev", "test"):
        assert not any(row.example.question in shown for row in played.split if row.part == part), (
            part
        )
    assert any(row.example.question in shown for row in played.split if row.part == "train")


def test_test_is_answered_and_judged_once_by_the_model_decided_on(home: Path, diary: Diary) -> None:
    exp = experiment(home, diary)
    played = play(exp)
    answered = Counter(diary.answered)
    assert {answered[name] for name in played.ids("test")} == {exp.samples}
    assert {answered[name] for name in played.ids("dev")} == {exp.samples * exp.rounds}
    assert not any(answered[name] for name in played.ids("train"))
    first = min(diary.answered.index(name) for name in played.ids("test"))
    assert set(diary.answered[first:]) == played.ids("test")
    assert [key for key in played.judged if key[1] == "test"] == [("round 2", "test")]
    assert play(exp).result == played.result
    assert Counter(diary.answered) == answered


def test_in_the_papers_protocol_test_steers_and_dev_is_never_answered(
    home: Path, diary: Diary
) -> None:
    exp = experiment(home, diary)
    played = play(altered(exp, judge=altered(exp.judge, on="test")))
    assert played.result.steered_on == "test"
    answered = Counter(diary.answered)
    assert set(answered) == played.ids("test")
    assert set(answered.values()) == {exp.samples * exp.rounds}


def test_running_again_makes_pays_and_changes_nothing(home: Path, diary: Diary) -> None:
    exp = experiment(home, diary, baselines=("untuned", "coverage", "equal_steps"))
    first, again = play(exp), play(exp)
    assert first.calls == len(diary.asked) > 0
    assert (again.made, again.calls, again.result) == ([], 0, first.result)


@pytest.mark.parametrize("budget", [PRICE / 2, 5 * PRICE, 14 * PRICE, 24 * PRICE])
def test_a_budget_stops_the_run_and_a_larger_one_goes_on_and_pays_nothing_twice(
    home: Path, diary: Diary, whole: tuple[Result, Diary, Path], budget: float
) -> None:
    known, did, _ = whole
    exp = experiment(home, diary, budget_usd=budget)
    stopped = play(exp).result
    assert (stopped.stopped, stopped.decision.verdict) == ("budget", "not enough data")
    assert (stopped.test, stopped.baselines) == (None, ())
    assert stopped.decision.reasons[0].startswith("stopped by the budget")
    assert len(diary.asked) == int(budget / PRICE + 1e-9)
    assert stopped.usd == pytest.approx(PRICE * len(diary.asked))
    assert list(stopped.rounds) == list(known.rounds[: len(stopped.rounds)])
    gone_on = play(altered(exp, budget_usd=100)).result
    assert gone_on == known
    assert len(diary.asked) == len(did.asked)
    assert known.usd == pytest.approx(PRICE * len(did.asked))


def test_a_budget_that_ends_among_the_baselines_leaves_the_verdict_standing(
    home: Path, diary: Diary, whole: tuple[Result, Diary, Path]
) -> None:
    known, did, _ = whole
    spent = PRICE * len(did.asked)
    exp = experiment(home, diary, baselines=("untuned", "coverage"), budget_usd=spent)
    result = play(exp).result
    assert (result.stopped, result.test, result.baselines) == ("rounds", known.test, ())
    assert result.unfinished.startswith("stopped by the budget")
    assert result.decision.verdict == known.decision.verdict == "keep the service"
    assert result.decision.measure == known.decision.measure
    assert "not every baseline was judged: stopped by the budget" in result.decision.reasons[-1]


def test_a_baseline_that_was_judged_before_the_budget_ended_is_kept(
    home: Path, diary: Diary, whole: tuple[Result, Diary, Path]
) -> None:
    _, did, _ = whole
    ample = Diary()
    play(experiment(home.parent / "ample", ample, baselines=("untuned",)))
    assert len(ample.asked) > len(did.asked)
    both = ("untuned", "coverage")
    exp = experiment(home, diary, baselines=both, budget_usd=PRICE * len(ample.asked))
    result = play(exp).result
    assert bool(result.unfinished)
    assert [a.name for a in result.baselines] == ["untuned"]


def test_a_file_that_is_edited_meanwhile_gives_a_run_no_second_budget(
    home: Path, diary: Diary
) -> None:
    exp = experiment(home, diary)
    name = exp.fingerprint()
    stages = Stages(exp, Store(home / "store"), Ledger(home / "l"), Progress(io.StringIO()), name)
    split = stages.split()
    rows = home / "rows.jsonl"
    rows.write_bytes(rows.read_bytes().replace(b"target 7", b"target 8"))
    result = loop.run(exp, stages, split, Silent())
    assert result.fingerprint == name != exp.fingerprint()
    assert stages.ledger.spent(name) == pytest.approx(PRICE * len(diary.asked))
    stages.ledger.close()


@pytest.mark.parametrize(
    ("what", "well"),
    [("tune", 1), ("answer", 30), ("mark", 3), ("mark", 20), ("write", 4)],
)
def test_a_run_that_broke_goes_on_as_if_it_had_not(
    home: Path, diary: Diary, whole: tuple[Result, Diary, Path], what: str, well: int
) -> None:
    known, did, _ = whole
    exp = experiment(home, diary)
    diary.breaks[what] = well
    with pytest.raises(BrokenError):
        play(exp)
    diary.breaks.clear()
    assert seen(play(exp).result) == known
    assert diary.tuned == did.tuned
    assert diary.answered == did.answered
    assert Counter(diary.asked) == Counter(did.asked)


@pytest.mark.parametrize(
    "stage", ["split", "train", "answers", "judgements", "synthetic", "sifted"]
)
def test_rows_that_a_kill_left_half_written_are_completed_and_not_begun_again(
    home: Path, diary: Diary, whole: tuple[Result, Diary, Path], stage: str
) -> None:
    known, did, finished = whole
    shutil.copytree(finished, home)
    for folder in (home / "store" / stage).iterdir():
        (folder / "manifest.json").unlink()
        (folder / "out").rename(folder / "draft")
        rows = folder / "draft" / "rows.jsonl"
        rows.write_bytes(rows.read_bytes()[: rows.stat().st_size // 2])
    again = play(experiment(home, diary))
    assert again.result == known
    assert (set(again.made), diary.asked, diary.tuned) == ({stage}, [], [])
    assert bool(diary.answered) is (stage == "answers")
    assert len(diary.answered) < 0.6 * len(did.answered)


def test_a_new_judge_tunes_nothing_and_answers_nothing_again(
    home: Path, diary: Diary, whole: tuple[Result, Diary, Path]
) -> None:
    known, did, finished = whole
    shutil.copytree(finished, home)
    exp = experiment(home, diary)
    again = play(altered(exp, judge=altered(exp.judge, repeats=2)))
    assert again.result.fingerprint != known.fingerprint
    assert (diary.tuned, diary.answered, set(again.made)) == ([], [], {"judgements"})
    assert (diary.count("mark"), diary.count("write")) == (did.count("mark"), 0)


def test_more_rounds_go_on_from_the_last_one(home: Path, diary: Diary) -> None:
    exp = experiment(home, diary, rounds=2)
    short = play(exp).result
    long = play(altered(exp, rounds=3)).result
    assert long.rounds[:2] == short.rounds
    assert long.fingerprint == short.fingerprint
    assert diary.tuned == [TRAIN, TRAIN + KEPT, TRAIN + 2 * KEPT]


def test_baselines_are_judged_on_the_same_test_prompts(home: Path, diary: Diary) -> None:
    baselines = ("untuned", "coverage", "equal_steps")
    played = play(experiment(home, diary, enough=TRAIN * 2, baselines=baselines, rounds=2))
    found = {one.name: one for one in played.result.baselines}
    assert [(name, one.steps) for name, one in found.items()] == [
        ("untuned", 0),
        ("coverage rows alone", TRAIN),
        ("coverage rows alone, at equal steps", TRAIN + KEPT),
    ]
    assert [one.coverage.value for one in found.values()] == [0, 50, 50]
    assert {one.prompts for one in found.values()} == {12}
    assert played.result.test is not None
    assert played.result.test.steps == TRAIN + KEPT
    assert diary.tuned == [TRAIN, TRAIN + KEPT, TRAIN]


def test_a_baseline_that_is_the_same_model_is_judged_once(home: Path, diary: Diary) -> None:
    baselines = ("untuned", "coverage", "equal_steps")
    played = play(experiment(home, diary, rounds=1, baselines=baselines))
    assert [one.name for one in played.result.baselines] == ["untuned"]
    answered = Counter(diary.answered)
    assert {answered[name] for name in played.ids("test")} == {2 * 2}


def test_without_tuning_the_untuned_model_is_no_rival_to_itself(home: Path, diary: Diary) -> None:
    played = play(experiment(home, diary, tuner=Untuned(), baselines=("untuned", "coverage")))
    assert played.result.baselines == ()
    assert diary.tuned == []
    assert [r.training.steps for r in played.result.rounds] == [0]
    assert played.result.stopped == "nothing to tune"
    assert diary.count("write") == 0


def test_spend_is_counted_by_stage_and_up_to_each_round(home: Path, diary: Diary) -> None:
    result = play(experiment(home, diary)).result
    tallies = {tally.stage: tally for tally in result.tallies}
    assert list(tallies) == ["judgements", "synthetic"]
    assert tallies["synthetic"].calls == diary.count("write") == 2 * CALLS
    assert tallies["judgements"].calls == diary.count("mark")
    assert {tally.outcomes["ok"] - tally.calls for tally in result.tallies} == {0}
    assert result.usd == pytest.approx(PRICE * len(diary.asked))
    # One call for each of 12 dev prompts: the two samples of a prompt say the same.
    assert result.rounds[0].usd == pytest.approx(PRICE * 12)
    assert result.rounds[0].usd < result.rounds[1].usd < result.rounds[2].usd < result.usd


def test_tallies_of_one_stage_are_added_up() -> None:
    def tally(stage: str, usd: float, **outcomes: int) -> Tally:
        usage = Usage(prompt_tokens=1, usd=usd)
        return Tally(stage=stage, calls=sum(outcomes.values()), outcomes=outcomes, usage=usage)

    found = by_stage([tally("a", 1, ok=2), tally("b", 5), tally("a", 2, ok=1, failed=3)])
    assert [(one.stage, one.calls, one.usage.usd) for one in found] == [("a", 6, 3), ("b", 0, 5)]
    assert (found[0].outcomes, found[0].usage.prompt_tokens) == ({"failed": 3, "ok": 3}, 2)


def test_kept_rows_say_how_near_they_come_to_test(home: Path, diary: Diary) -> None:
    rounds = play(experiment(home, diary)).result.rounds
    assert rounds[0].nearest_test is None
    assert rounds[1].nearest_test == (0.0, 0.0)


def test_the_small_world_is_as_large_as_its_tests_say(home: Path, diary: Diary) -> None:
    played = play(experiment(home, diary, rounds=1))
    assert len(played.split) == ROWS
    assert [len(played.ids(part)) for part in ("train", "dev", "test")] == [TRAIN, 12, 12]


def test_the_untuned_model_with_examples_is_a_baseline_of_its_own(home: Path, diary: Diary) -> None:
    played = play(experiment(home, diary, rounds=1, baselines=("untuned", "few_shot"), shots=3))
    assert [one.name for one in played.result.baselines] == ["untuned", "untuned, 3 examples"]
    shown = played.judged["untuned, 3 examples", "test"].rows
    rows = {row.example.id: row.example for row in played.split}
    assert all(one.answer.example == rows[one.answer.example.id] for one in shown)
    assert {len(messages) for messages in diary.prompts} == {1, 7}
    turns = {m.content for messages in diary.prompts for m in messages[:-1]}
    train = [row.example for row in played.split if row.part == "train"]
    assert turns <= {row.question for row in train} | {row.target for row in train}


def test_the_services_second_answers_are_a_ceiling(home: Path, diary: Diary) -> None:
    played = play(experiment(home, diary, rounds=1, baselines=("service",)))
    [ceiling] = played.result.baselines
    odd = sum(int(name[1:]) % 2 for name in played.ids("test"))
    assert (ceiling.name, ceiling.prompts, ceiling.steps) == ("the service itself", 12, 0)
    assert ceiling.coverage.value == pytest.approx(100 * odd / 12)
    assert diary.count("row") == 12 * 2
    [beside] = played.result.compared
    assert (beside.name, beside.only_theirs) == ("the service itself", odd)
    assert {tally.stage for tally in played.result.tallies} == {"asked", "judgements"}
    assert play(experiment(home, diary, rounds=1, baselines=("service",))).calls == 0


AGAINST = {"at_least": 99, "similarity": 90, "precision": 90, "against": "service", "margin": 50}


def test_against_the_service_the_verdict_hangs_on_its_own_answers(home: Path, diary: Diary) -> None:
    fields: dict[str, Any] = {"rounds": 1, "baselines": ("service",), "goal": AGAINST}
    decision = play(experiment(home, diary, enough=TRAIN, **fields)).result.decision
    assert (decision.goal, decision.verdict) == (-50, "switch")
    assert decision.measure.value is not None
    assert decision.measure.value > 0


def test_against_the_service_a_budget_that_ends_before_its_answers_decides_nothing(
    home: Path, diary: Diary
) -> None:
    fields: dict[str, Any] = {"rounds": 1, "baselines": ("service",), "goal": AGAINST}
    exp = experiment(home, diary, enough=TRAIN, budget_usd=25 * PRICE, **fields)
    decision = play(exp).result.decision
    assert decision.verdict == "not enough data"
    assert decision.reasons[0].startswith("stopped by the budget")


def test_the_sealed_test_is_opened_once_and_every_run_that_did_is_on_record(
    home: Path, diary: Diary
) -> None:
    first, second = experiment(home, diary, rounds=1), experiment(home, diary, rounds=1, seed=7)
    assert [one.model for one in play(first).result.openings] == ["round 0"]
    found = play(second).result.openings
    assert [one.run for one in found] == [first.fingerprint(), second.fingerprint()]
    assert play(first).result.openings == found
    longer = play(altered(first, rounds=2)).result.openings
    assert [one.model for one in longer] == ["round 0", "round 0", "round 1"]


def test_in_the_papers_protocol_every_round_is_an_opening_and_shares_the_error(
    home: Path, diary: Diary
) -> None:
    result = play(judging(experiment(home, diary), on="test")).result
    assert [one.model for one in result.openings] == ["round 0", "round 1", "round 2"]
    assert result.decision.measure.level == pytest.approx(1 - 0.05 / 12)


def test_a_round_that_is_not_worth_its_price_is_the_last(home: Path, diary: Diary) -> None:
    result = play(experiment(home, diary, usd_per_point=1e-6)).result
    assert (result.stopped, len(result.rounds)) == ("plateau", 2)
    assert diary.count("write") == CALLS
    worth = play(experiment(home, diary, usd_per_point=1e6)).result
    assert (worth.stopped, len(worth.rounds)) == ("rounds", 3)


def judging(exp: Experiment, **changed: object) -> Experiment:
    found: Experiment = altered(exp, judge=altered(exp.judge, **changed))
    return found


def test_repeats_that_cannot_change_the_verdict_are_spared(home: Path, diary: Diary) -> None:
    exp = judging(experiment(home, diary, rounds=1), repeats=6)
    result = play(exp).result
    assert result.test is not None
    assert (result.test.marks, result.test.spared) == (24 * 2, 24 * 4)
    # Both samples of a prompt say the same, and are the same calls.
    assert diary.count("mark") == (12 + 12) * 2
    whole = play(judging(exp, early_stop=False)).result
    assert whole.test is not None
    assert (whole.test.marks, whole.test.spared) == (24 * 6, 0)
    assert whole.decision.verdict == result.decision.verdict


def test_judging_by_turns_goes_on_after_a_kill_and_pays_nothing_twice(
    home: Path, diary: Diary
) -> None:
    did = Diary()
    known = play(judging(experiment(home.parent / "whole", did, rounds=1), repeats=6)).result
    exp = judging(experiment(home, diary, rounds=1), repeats=6)
    diary.breaks["mark"] = 17
    with pytest.raises(BrokenError):
        play(exp)
    diary.breaks.clear()
    assert seen(play(exp).result) == known
    assert Counter(diary.asked) == Counter(did.asked)


def seen(result: Result) -> Result:
    """Leave out what calls that broke off may have cost, which a whole run has none of."""
    tallies = tuple(one.model_copy(update={"unproven": 0.0}) for one in result.tallies)
    return result.model_copy(update={"tallies": tallies})


def test_an_endpoint_answers_through_the_ledger(home: Path, diary: Diary) -> None:
    server = Scripted(diary=diary, name="server")
    engine = OpenAIEndpoint(service=server, max_tokens=9, temperature=0)
    exp = experiment(home, diary, engine=engine, tuner=Untuned())
    result = play(exp).result
    assert (result.stopped, len(result.rounds)) == ("nothing to tune", 1)
    assert diary.count("row") == (12 + 12) * 2
    assert result.test is not None
    assert result.test.prompts == 12
    assert play(exp).calls == 0


def test_answers_of_an_endpoint_are_timed_against_a_latency_goal(home: Path, diary: Diary) -> None:
    server = Scripted(diary=diary, name="server")
    engine = OpenAIEndpoint(service=server, max_tokens=9, temperature=0)
    blocked = {}
    for limit in (0.0001, 60_000):
        goal = {"at_least": 1, "similarity": 5, "precision": 5, "latency_p95_ms": limit}
        exp = experiment(home, diary, engine=engine, tuner=Untuned(), goal=goal)
        decision = play(exp).result.decision
        blocked[limit] = (decision.verdict, bool(decision.blocked))
    assert blocked == {0.0001: ("not enough data", True), 60_000: ("switch", False)}


def test_a_budget_that_ends_in_the_audit_keeps_level_and_latency_and_stops_a_switch(
    home: Path, diary: Diary
) -> None:
    server = Scripted(diary=diary, name="server")
    engine = OpenAIEndpoint(service=server, max_tokens=9, temperature=0)
    goal = {"at_least": 1, "similarity": 5, "precision": 5, "latency_p95_ms": 60_000}
    exp = experiment(home, diary, engine=engine, tuner=Untuned(), goal=goal)
    exp = judging(exp, on="test", audit=30)
    whole = play(exp).result
    assert whole.audit is not None
    probes = {tally.stage: tally for tally in whole.tallies}["audit"].calls
    spent = PRICE * (len(diary.asked) - probes)
    again = play(altered(exp, home=home.parent / "short", budget_usd=spent)).result
    assert again.unfinished.startswith("stopped by the budget")
    assert again.decision.measure.level == whole.decision.measure.level == 0.975
    assert again.decision.verdict == "not enough data"
    assert [reason.partition(":")[0] for reason in again.decision.blocked] == ["the judge"]
    assert "was not audited" in again.decision.blocked[0]


def test_before_the_test_is_judged_no_look_at_it_is_on_record(home: Path, diary: Diary) -> None:
    result = play(experiment(home, diary, budget_usd=5 * PRICE)).result
    assert (result.test, result.openings) == (None, ())


def test_against_the_service_dev_still_spares_repeats(home: Path, diary: Diary) -> None:
    fields: dict[str, Any] = {"rounds": 1, "baselines": ("service",), "goal": AGAINST}
    result = play(judging(experiment(home, diary, **fields), repeats=6)).result
    assert result.test is not None
    assert result.rounds[0].assessment.spared > 0
    assert result.test.spared == 0


def test_where_a_round_has_to_be_worth_its_price_dev_spares_none(home: Path, diary: Diary) -> None:
    exp = judging(experiment(home, diary, rounds=1, usd_per_point=1e6), repeats=4)
    result = play(exp).result
    assert result.rounds[0].assessment.spared == 0
