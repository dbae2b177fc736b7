"""Runs side by side: what may be held against what, pair by pair, by judge, by volume."""

from dataclasses import replace
from pathlib import Path

import pytest
from invented import assessment, marks, rows_of, run

from llamaduo import side_by_side
from llamaduo.by_volume import by_judge_and_volume, volumes
from llamaduo.comparison import Finished, by_yardstick, pairs, sensitivity
from llamaduo.differences import differences
from llamaduo.tables import aligned, judge_table, overview, pair_table

A, B, C = run("a" * 16), run("b" * 16, judge="judge-b", bias=-9), run("c" * 16, adapter="other")


def test_runs_are_held_against_each_other_only_with_one_task_test_set_and_thresholds() -> None:
    others = [
        run("1" * 16, test_set="other"),
        run("2" * 16, task="other"),
        run("3" * 16, similarity=70),
        run("4" * 16, test_set=""),
        run("5" * 16, test_set=""),
    ]
    groups = by_yardstick([A, *others, B])
    assert [[one.name for one in group] for group in groups] == [
        [A.name, B.name],
        *([one.name] for one in others),
    ]


def test_a_pair_is_the_later_run_less_the_first_on_the_prompts_both_have() -> None:
    better = run("d" * 16, good=(0.4, 0.6, 1.0), adapter="better")
    less = Finished(better.result, tuple(row for row in better.scores if row.id != "test0"))
    [pair] = pairs([A, less])
    assert (pair.run, pair.first, pair.same_judge) == (better.name, A.name, True)
    assert pair.coverage.n == pair.similarity.n == 59
    ours, theirs = less.decided, A.decided
    apart = [ours[name].similarity - theirs[name].similarity for name in ours]
    assert pair.similarity.value == pytest.approx(sum(apart) / 59)
    gained = sum(ours[n].similarity >= 80 > theirs[n].similarity for n in ours)
    assert pair.coverage.value == pytest.approx(100 * gained / 59)
    assert pair.coverage.low is not None and pair.coverage.low > 0


def test_a_run_against_itself_differs_by_nothing_and_one_without_scores_by_nothing_known() -> None:
    [same] = pairs([A, run("e" * 16)])
    assert (same.coverage.value, same.similarity.value, same.precision.value) == (0, 0, 0)
    assert pairs([A, Finished(B.result)]) == []
    assert pairs([]) == pairs([A]) == []


def test_another_judge_is_said_to_be_one() -> None:
    table = pair_table(pairs([A, B, C]))
    assert [row[1] for row in table] == ["judge", "another", "the same"]
    assert table[1][4].startswith("-9")


def test_judges_are_compared_on_the_same_models_answers_only() -> None:
    [found] = sensitivity([A, B, C])
    assert [one.judge for one in found.judges] == ["judge-a", "judge-b"]
    assert (found.local, found.rows, found.n) == ("toy-1b", 400, 60)
    a, b = found.judges
    assert found.similarity.value == pytest.approx(a.similarity - b.similarity)
    assert found.precision.value == pytest.approx(a.precision - b.precision)
    assert found.coverage.value == pytest.approx(a.coverage - b.coverage)
    assert found.similarity.low is not None and found.similarity.low > 0
    assert sensitivity([A, C]) == []
    assert sensitivity([A, run("f" * 16, judge="judge-b", local="toy-7b")]) == []


def test_the_range_is_of_the_judges_that_are_furthest_apart() -> None:
    third = run("9" * 16, judge="judge-c", bias=4)
    [found] = sensitivity([B, A, third])
    means = {one.judge: one.similarity for one in found.judges}
    assert found.similarity.value == pytest.approx(means["judge-c"] - means["judge-b"])


def test_the_range_of_judges_that_hardly_differ_begins_at_0() -> None:
    near = run("7" * 16, judge="judge-c", bias=0.1)
    [found] = sensitivity([A, near])
    for measure in (found.coverage, found.similarity, found.precision):
        assert measure.value is not None and measure.high is not None
        assert measure.low == 0 <= measure.value < measure.high


def test_the_judges_table_says_whether_the_verdict_stands() -> None:
    [found] = sensitivity([A, B])
    assert judge_table(found)[-1][-1] == "the same"
    lenient = run("8" * 16, judge="judge-d")
    swung = lenient.result.decision.model_copy(update={"verdict": "switch"})
    other = Finished(lenient.result.model_copy(update={"decision": swung}), lenient.scores)
    [found] = sensitivity([A, other])
    assert not found.agree
    assert judge_table(found)[-1][-1] == "not the same"


def test_every_round_of_every_run_is_a_point_of_its_judges_curve_and_a_shared_one_once() -> None:
    longer = run("7" * 16, volumes=(100, 200, 400, 800), good=(0.4, 0.6, 0.8, 0.9))
    found = volumes([A, B, longer])
    assert {kind: [p.rows for p in points] for kind, points in found.items()} == {
        ("toy-1b", "teacher", "judge-a"): [100, 200, 400, 800],
        ("toy-1b", "teacher", "judge-b"): [100, 200, 400],
    }
    first = found["toy-1b", "teacher", "judge-a"][0]
    coverage = A.result.rounds[0].assessment.coverage
    assert (first.n, first.usd) == (60, 1.0)
    assert coverage.value == pytest.approx(100 * first.hits / 60)


def test_one_volume_makes_no_curve_and_two_runs_of_one_round_do() -> None:
    small = run("6" * 16, volumes=(50,), good=(0.3,), adapter="s")
    large = run("5" * 16, volumes=(100,), good=(0.4,), adapter="l")
    assert volumes([small]) == {}
    [points] = volumes([small, large]).values()
    assert [p.rows for p in points] == [50, 100]


def test_a_round_without_a_judged_prompt_is_no_point() -> None:
    blank = assessment("round 0", [])
    first, *others = A.result.rounds
    rounds = (first.model_copy(update={"assessment": blank}), *others)
    hollow = Finished(A.result.model_copy(update={"rounds": rounds}), A.scores)
    [points] = volumes([hollow]).values()
    assert [p.rows for p in points] == [200, 400]


def test_figure_three_has_the_dev_marks_of_each_judge_and_volume_and_no_test_marks() -> None:
    found = by_judge_and_volume([A, B, run("4" * 16)])
    assert list(found) == ["toy-1b"]
    by = found["toy-1b"]
    assert {judge: {v: len(rows) for v, rows in of.items()} for judge, of in by.items()} == {
        judge: {100: 60, 200: 60, 400: 60} for judge in ("judge-a", "judge-b")
    }
    assert {row.part for of in by.values() for rows in of.values() for row in rows} == {"dev"}


def test_the_overview_has_a_line_for_each_run_and_baselines_on_demand() -> None:
    unopened = run("3" * 16, test=None, baselines=())
    head, first, second = overview([A, unopened])
    assert dict(zip(head, first, strict=True))["model"] == "round 2"
    assert dict(zip(head, first, strict=True))["rows"] == "400"
    assert dict(zip(head, first, strict=True))["n"] == "60"
    assert "not opened" in second
    assert len(overview([A], everyone=True)) == 3
    assert "untuned" in overview([A], everyone=True)[2]


def test_a_table_is_aligned_with_plain_numbers_to_the_right() -> None:
    assert aligned([["run", "n", "x"], ["a", "5", "yes"], ["bbbb", "100", ""]]) == [
        "run     n  x",
        "a       5  yes",
        "bbbb  100",
    ]


def test_an_unjudged_prompt_is_in_no_pair() -> None:
    hole = rows_of("round 2", "test", marks(0.8, bias=0, seed=2))[0]
    hole = hole.model_copy(update={"similarity": None, "precision": None, "covered": None})
    kept = [row for row in A.scores if (row.id, row.model) != ("test0", "round 2")]
    [pair] = pairs([Finished(A.result, (*kept, hole)), B])
    assert pair.coverage.n == 59


def written(tmp_path: Path, *runs: Finished, of: int = 0) -> side_by_side.Page:
    return side_by_side.write(runs, [], of=of or len(runs), everyone=False, into=tmp_path)


def test_the_page_and_its_figures_are_the_same_for_the_same_runs(tmp_path: Path) -> None:
    first, second = written(tmp_path / "1", A, B), written(tmp_path / "2", A, B)
    assert [p.name for p in first.files] == [
        "compare.md",
        "figure3.png",
        "volume-toy-1b-teacher-judge-a.png",
        "volume-toy-1b-teacher-judge-b.png",
        "spend.png",
    ]
    for one, two in zip(first.files, second.files, strict=True):
        assert one.read_bytes() == two.read_bytes()
    page = first.files[0].read_text()
    assert first.text in page
    assert all(f"({path.name})" in page for path in first.files[1:])


def test_runs_that_were_not_measured_alike_are_said_and_kept_apart(tmp_path: Path) -> None:
    page = written(tmp_path, A, B, run("2" * 16, test_set="abc"), run("1" * 16, test_set=""))
    assert "not measured alike, and are shown in 3 groups" in page.text
    assert "1: aaaaaaaa, bbbbbbbb: sorting, test set 5e7, covered from similarity 80" in page.text
    assert "2: 22222222: sorting, test set abc" in page.text
    assert "3: 11111111: sorting, a test set of no known digest" in page.text
    assert "Against aaaaaaaa" in page.text and "(the first row above):" in page.text
    assert page.text.count("Against") == 1
    names = {path.name for path in page.files}
    assert {"figure3-1.png", "figure3-2.png", "spend-3.png"} <= names


def test_a_simulated_service_is_said_on_the_page(tmp_path: Path) -> None:
    assert "no fact about any real service" not in written(tmp_path, A).text
    assert "no fact about any real service" in written(tmp_path, run("1" * 16, simulated=True)).text


def test_a_run_without_scores_still_has_its_line_and_its_curve(tmp_path: Path) -> None:
    page = written(tmp_path, Finished(A.result), B)
    assert page.text.count("aaaaaaaa") == 1
    assert [path.name for path in page.files if path.name.startswith("volume")]


def test_a_goal_of_100_is_drawn_no_curve_for(tmp_path: Path) -> None:
    page = written(tmp_path, run("1" * 16, goal=100))
    assert "no curve reaches a goal of 100 %" in page.text
    assert not [path for path in page.files if path.name.startswith("volume")]


def test_volumes_that_no_curve_fits_lose_neither_the_page_nor_the_reason(tmp_path: Path) -> None:
    jagged = run("1" * 16, volumes=(13_863, 566_612, 756_818, 762_186), good=(1.0, 1.0, 1.0, 0.0))
    page = written(tmp_path, jagged)
    assert "no curve can be fitted: the fit did not settle" in page.text
    assert [path.name for path in page.files] == ["compare.md", "figure3.png", "spend.png"]


def test_runs_that_steered_on_other_parts_are_not_all_said_to_be_of_one(tmp_path: Path) -> None:
    steered = run("1" * 16, adapter="other", steered_on="test")
    assert "6 models on dev or test prompts" in written(tmp_path, A, steered).text


def test_more_runs_and_volumes_than_can_be_told_apart_are_said(tmp_path: Path) -> None:
    many = [
        run(f"{i}" * 16, volumes=(10 * 2**i,), good=(0.1 * (i + 1),), adapter=f"{i}")
        for i in range(8)
    ]
    page = written(tmp_path, *many)
    assert "spend.png shows the first 6 of 8 runs" in page.text
    assert "8 models on dev prompts" in page.text


def test_a_curve_of_several_models_at_one_volume_says_how_many() -> None:
    other = run("2" * 16, adapter="seed 2")
    by = by_judge_and_volume([A, other])["toy-1b"]["judge-a"]
    assert side_by_side.curve_name(100, by[100]) == "100 rows, 2 models"
    assert side_by_side.curve_name(100, by[100][:60]) == "100 rows"
    assert side_by_side.curve_name(1000, []) == "1,000 rows"


def made_with(of: Finished, **settings: str) -> Finished:
    return replace(of, settings={key.replace("_", "."): value for key, value in settings.items()})


def test_settings_are_shown_where_runs_differ_in_them_and_nowhere_else() -> None:
    one = made_with(A, seed="1", tuner_r="4", task_topic="x" * 40)
    two = made_with(B, seed="1", tuner_r="8", tuner_alpha="9", task_topic="x" * 41 + "\ny")
    head, names, *rows = differences([one, two])
    assert head == "What they were made with, where it differs:"
    assert names.split() == ["setting", "aaaaaaaa", "bbbbbbbb"]
    assert [row.split() for row in rows[:-1]] == [
        ["tuner.r", "4", "8"],
        ["task.topic", "x" * 25 + "...", "x" * 25 + "..."],
        ["tuner.alpha", "-", "9"],
    ]
    assert differences([one, one]) == []


def test_another_option_of_a_group_is_one_line() -> None:
    one = made_with(A, service_name="gpt", service_model="g", judge_service_name="gpt", seed="1")
    two = made_with(
        B, service_name="claude", service_model="c", judge_service_name="claude", seed="2"
    )
    rows = [line.split() for line in differences([one, two])[2:-1]]
    assert rows == [
        ["service.name", "(and", "1", "more)", "gpt", "claude"],
        ["judge.service.name", "gpt", "claude"],
        ["seed", "1", "2"],
    ]


def test_many_runs_are_in_several_tables_and_those_of_unknown_settings_are_said() -> None:
    many = [made_with(run(f"{n}" * 16), seed=str(n)) for n in range(8)]
    lines = differences([*many, A])
    heads = [line.split()[1:] for line in lines if line.startswith("setting")]
    assert [len(head) for head in heads] == [6, 2]
    assert lines[-2:] == ["Settings were not kept of aaaaaaaa", ""]


def test_a_run_that_began_from_an_adapter_is_in_no_curve_of_volume(tmp_path: Path) -> None:
    begun = made_with(run("9" * 16, adapter="x"), local_adapter="/some/adapter")
    anew = made_with(A, local_adapter="null")
    assert volumes([begun]) == {}
    assert volumes([anew, begun]) == volumes([anew])
    page = side_by_side.write([anew, begun], [], of=2, everyone=False, into=tmp_path)
    assert "In no curve of data volume, since they began from an adapter: 99999999" in page.text
