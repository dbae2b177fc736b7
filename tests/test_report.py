"""The report: what it shows, what it does not claim, and that it comes out the same twice."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from small_world import workload

from llamaduo import plots
from llamaduo.audit.repeats import PASSES
from llamaduo.cost import project
from llamaduo.decision import decide
from llamaduo.experiment import Goal
from llamaduo.findings import (
    Assessment,
    Audit,
    CategoryVerdict,
    Compared,
    Finding,
    Opening,
    Result,
    Round,
)
from llamaduo.judging import SERVICE
from llamaduo.metrics import difference, mean, share
from llamaduo.records import Answer, Example, Judgement, Mark, Message, Tally, Training, Usage
from llamaduo.report import SIMULATED, summary, write
from llamaduo.report.money import migration_usd
from llamaduo.report.words import goal, signed


def assessment(name: str, hits: int, n: int, **changed: Any) -> Assessment:
    return Assessment.model_validate(
        {
            "name": name,
            "prompts": n,
            "coverage": share("coverage %", hits, n),
            "similarity": mean("similarity", [81.25] * n),
            "precision": mean("precision", [92.5] * n),
            "unjudged": 0,
            "answers": 4 * n,
            "cut": 0,
            "checks": {},
            "steps": 30,
            **changed,
        }
    )


def turn(number: int, hits: int, n: int = 40, **changed: Any) -> Round:
    training = Training(rows=16, too_long=("r1", "r2"), steps=30, loss=0.125)
    return Round.model_validate(
        {
            "number": number,
            "train_rows": 16 + 24 * number,
            "synthetic_rows": 24 * number,
            "dropped": {"near copy of train": 7, "empty": 2} if number else {},
            "adapter": f"a{number}",
            "train": f"t{number}",
            "training": training,
            "assessment": assessment(f"round {number}", hits, n, unjudged=3, cut=5),
            "usd": 0.25 * (number + 1),
            "nearest_test": (0.4375, 0.25) if number else None,
            **changed,
        }
    )


CHECK = mean("valid JSON", [97.5] * 40)
TEST = assessment("round 1", 33, 40, unjudged=6, cut=1, checks={"valid JSON": CHECK})
COVERAGE = assessment("coverage rows alone", 20, 40, steps=10)
EQUAL = assessment("coverage rows alone, at equal steps", 24, 40, steps=30)


def outcome(**changed: Any) -> Result:
    usage = Usage(prompt_tokens=1000, completion_tokens=200, usd=0.5)
    result = Result(
        fingerprint="0123456789abcdef",
        task="sorting",
        service="some-service",
        judge="some-judge",
        local="toy",
        licence="MIT",
        simulated=False,
        goal=90,
        similarity=90,
        precision=90,
        rows={"train": 16, "dev": 40, "test": 40, "out": 0},
        steered_on="dev",
        rounds=(turn(0, 10), turn(1, 30)),
        stopped="rounds",
        test=TEST,
        baselines=(COVERAGE,),
        decision=decide(TEST, Goal(at_least=90, similarity=90, precision=90)),
        tallies=(
            Tally(stage="judgements", calls=80, outcomes={"ok": 77, "refused": 3}, usage=usage),
            Tally(stage="synthetic", calls=6, outcomes={"ok": 6}, usage=usage),
        ),
    )
    return Result.model_validate({**dict(result), **changed})


def compared(name: str, only_ours: int, only_theirs: int) -> Compared:
    return Compared(
        name=name,
        only_ours=only_ours,
        only_theirs=only_theirs,
        coverage=difference(only_ours, only_theirs, 40),
        similarity=mean("similarity", [5.0] * 40, least=-100.0),
        precision=mean("precision", [2.5] * 40, least=-100.0),
        match=mean("P-Match %", [92.5] * 40),
    )


def judgements(*marks: float | None) -> list[Judgement]:
    found = []
    for i, mark in enumerate(marks):
        row = Example(id=f"r{i}", messages=(Message(role="user", content="?"),), target="x")
        given = () if mark is None else (Mark(similarity=mark, precision=mark),)
        score = given[0] if given else None
        found.append(Judgement(answer=Answer(example=row, text="x"), score=score, marks=given))
    return found


PICTURES = ("models.png", "coverage.png", "scores.png", "volume.png", "dollars.png", "cost.png")
JUDGED = {"round 0": judgements(10, 20, 35, 50), "round 1": judgements(60, 75, 90, None)}


def report(
    result: Result, into: Path, judged: Mapping[str, Sequence[Judgement]] | None = None
) -> str:
    marked = JUDGED if judged is None else judged
    path = write(result, workload(), project(workload()), marked, ["seed 42"], into)
    assert path == into / "report.md"
    return path.read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def quick_pictures(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put empty files in the place of the pictures, where a test is about the words."""
    if "drawn" not in request.fixturenames:
        monkeypatch.setattr(plots, "save", lambda figure, path: path.touch())


@pytest.fixture
def drawn() -> None:
    """Have the pictures drawn as they are drawn for a user."""


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The report of `outcome()`."""
    return report(outcome(), tmp_path_factory.mktemp("plain"), judged={})


def cells(text: str, first: str) -> dict[str, str]:
    """Return the table row that begins with `first`, by the heads of its columns."""
    lines = text.split("\n")
    [at] = [i for i, line in enumerate(lines) if line.startswith(f"| {first} |")]
    top = at
    while lines[top - 1].startswith("|"):
        top -= 1
    head, row = ([c.strip() for c in lines[i].split("|")[1:-1]] for i in (top, at))
    return dict(zip(head, row, strict=True))


@pytest.mark.usefixtures("drawn")
def test_the_same_result_gives_the_same_bytes(tmp_path: Path) -> None:
    report(outcome(), tmp_path / "one")
    report(outcome(), tmp_path / "two" / "deeper")
    one = {p.name: p.read_bytes() for p in (tmp_path / "one").iterdir()}
    two = {p.name: p.read_bytes() for p in (tmp_path / "two" / "deeper").iterdir()}
    names = {"report.md", "result.json", *PICTURES}
    assert set(one) == names
    assert one == two
    assert str(tmp_path).encode() not in b"".join(one.values())


def test_writing_again_replaces_what_was_there(tmp_path: Path) -> None:
    first = report(outcome(), tmp_path, judged={})
    assert report(outcome(task="other"), tmp_path, judged={}) != first
    assert report(outcome(), tmp_path, judged={}) == first
    kept = (tmp_path / "result.json").read_text(encoding="utf-8")
    assert Result.model_validate_json(kept) == outcome()


def test_the_verdict_stands_first_with_its_reasons(plain: str) -> None:
    said = "**Whether toy can take sorting over from some-service is not settled.**"
    assert plain.startswith(f"# sorting: not enough data\n\n{said}\n\n- 82.5 % of 40 judged")
    assert "fingerprint: 0123456789abcdef" in plain
    assert "- seed 42\n" in plain


def test_a_simulated_service_is_announced_above_everything_else(tmp_path: Path, plain: str) -> None:
    text = report(outcome(simulated=True), tmp_path, judged={})
    assert text.index(SIMULATED) < text.index("82.5 %")
    assert SIMULATED in summary(outcome(simulated=True), [])
    assert SIMULATED not in plain
    assert SIMULATED not in summary(outcome(), [])


def test_unjudged_and_cut_answers_are_shown_beside_every_figure(plain: str) -> None:
    test = cells(plain, r"**round 1, decided on**")
    assert (test["unjudged"], test["cut"], test["n"]) == ("6 of 160", "1", "40")
    assert test["coverage %"] == "82.5 (68.1 to 91.3)"
    assert test["similarity"].startswith("81.2 (")
    assert test["precision"].startswith("92.5 (")
    assert test["valid JSON %"].startswith("97.5 (")
    first = cells(plain, "0")
    assert (first["unjudged"], first["cut"], first["too long"]) == ("3 of 160", "5", "2")
    assert (first["loss"], first["steps"], first["spend so far"]) == ("0.125", "30", "$0.2500")
    assert cells(plain, "coverage rows alone")["valid JSON %"] == "-"


def test_dropped_rows_are_counted_by_reason_and_kept_ones_measured_against_test(
    tmp_path: Path,
    plain: str,
) -> None:
    assert "- dropped before round 1: 7 near copy of train, 2 empty\n" in plain
    assert "largest 0.438, 99th percentile 0.250, n = 24" in plain
    none = outcome(rounds=(turn(0, 10), turn(1, 30, dropped={})))
    assert "- dropped before round 1: none\n" in report(none, tmp_path, judged={})


def test_rows_left_out_are_counted_and_explained(tmp_path: Path, plain: str) -> None:
    assert "- coverage rows: 16 train, 40 dev, 40 test\n" in plain
    assert "`out`" not in plain
    rows = {"train": 16, "dev": 40, "test": 40, "out": 2}
    text = report(outcome(rows=rows), tmp_path, judged={})
    assert "40 test, 2 out\n- `out`: near copies of rows" in text


def test_what_the_service_said_of_its_rows_is_passed_on(tmp_path: Path, plain: str) -> None:
    text = report(outcome(note="made up (9 rows)"), tmp_path, judged={})
    assert "- the service said of rows: made up (9 rows)" in text
    assert "the service said" not in plain


def test_calls_are_shown_by_stage_and_outcome(plain: str) -> None:
    judge = cells(plain, "judgements")
    assert (judge["calls"], judge["outcomes"], judge["cost"]) == (
        "80",
        "77 ok, 3 refused",
        "$0.5000",
    )
    assert "In all $1.0000" in plain


def test_a_gain_is_claimed_only_over_a_model_tuned_for_as_many_steps(
    tmp_path: Path, plain: str
) -> None:
    assert "Synthetic rows moved" not in plain
    both = outcome(baselines=(COVERAGE, EQUAL), compared=(compared(EQUAL.name, 12, 3),))
    text = report(both, tmp_path, judged={})
    gain = signed(difference(12, 3, 40))
    assert gain.startswith("+22.5 (+")
    assert f"Synthetic rows moved coverage by {gain} points" in text
    assert "at the same 30 optimiser steps (coverage rows alone, at equal steps: 60.0" in text
    assert "it may be chance" not in text
    worse = assessment("coverage rows alone, at equal steps", 36, 40, steps=30)
    less = outcome(baselines=(worse,), compared=(compared(worse.name, 2, 5),))
    text = report(less, tmp_path, judged={})
    assert "moved coverage by -7.5 (" in text
    assert "The interval holds 0: it may be chance." in text


def test_a_model_is_set_beside_the_others_pair_by_pair(tmp_path: Path) -> None:
    text = report(outcome(compared=(compared(COVERAGE.name, 12, 3),)), tmp_path, judged={})
    row = cells(text[text.index("| round 1 against") :], COVERAGE.name)
    assert row["coverage, points"].startswith("+22.5 (")
    assert "P-Match" not in text
    assert (row["only it covers"], row["only the other"], row["n"]) == ("12", "3", "40")


def test_beside_the_service_p_match_is_given(tmp_path: Path) -> None:
    ceiling = assessment(SERVICE, 30, 40, steps=0)
    both = outcome(baselines=(ceiling,), compared=(compared(SERVICE, 3, 1),))
    text = report(both, tmp_path, judged={})
    row = cells(text[text.index("| round 1 against") :], SERVICE)
    assert row["P-Match %"].startswith("92.5 (")
    assert cells(text[: text.index("| round 1 against")], SERVICE)["steps"] == "-"


def top(text: str) -> str:
    return text[: text.index("## On the sealed test")]


def test_only_a_switch_is_said_to_save_and_only_by_a_workload_of_its_own_pair(
    tmp_path: Path, plain: str
) -> None:
    assert "save" not in top(plain)
    switch = outcome().decision.model_copy(update={"verdict": "switch"})
    other = report(outcome(decision=switch), tmp_path, judged={})
    assert "- what it would save is not known: the workload small below is of toy" in top(other)
    mine = report(outcome(decision=switch, service="scripted"), tmp_path, judged={})
    assert "- by the workload small, whose assumptions are below, it pays for itself" in top(mine)
    assert "by month 12" in top(mine)


def test_a_goal_out_of_the_services_own_reach_is_said_at_the_top(
    tmp_path: Path, plain: str
) -> None:
    ceiling = assessment(SERVICE, 6, 40, steps=0)
    passes = Finding(name=PASSES, value=23.0, low=10.0, high=47.0, n=30, unit="%", says="few")
    audit = Audit(judge="some-judge", findings=(passes,), unjudged={})
    found = top(report(outcome(baselines=(ceiling,), audit=audit), tmp_path, judged={}))
    assert "- by this judge the service itself reaches 15.0 (" in found
    assert "- by this judge only 23 % of 30 references pass as answers" in found
    assert "by this judge" not in plain


def test_what_was_left_unjudged_is_said_at_the_top(tmp_path: Path) -> None:
    text = report(outcome(unfinished="stopped by the budget: $1"), tmp_path, judged={})
    assert "- not all was judged: stopped by the budget: $1\n" in top(text)


def test_answers_that_never_came_have_a_column(tmp_path: Path, plain: str) -> None:
    silent = assessment("round 1", 33, 40, unjudged=6, missing=5)
    text = report(outcome(test=silent, baselines=()), tmp_path, judged={})
    assert cells(text, r"**round 1, decided on**")["of these no answer"] == "5"
    assert "counts as failed for a switch" in text
    assert "no answer" not in plain


def test_harm_is_called_harm(tmp_path: Path) -> None:
    both = outcome(baselines=(EQUAL,), compared=(compared(EQUAL.name, 1, 14),))
    assert "They did harm." in report(both, tmp_path, judged={})


def test_each_category_is_shown_with_its_verdict(tmp_path: Path, plain: str) -> None:
    verdicts = tuple(
        CategoryVerdict(category=name, verdict=said, measure=share("c", hits, 20, 0.975))
        for name, said, hits in (
            ("refunds", "switch", 20),
            ("a|b", "switch", 20),
            ("contracts", "keep the service", 2),
        )
    )
    decision = outcome().decision.model_copy(update={"categories": verdicts})
    text = report(outcome(decision=decision), tmp_path, judged={})
    line = "by category: switch for refunds, a|b; keep the service for contracts"
    assert f"- {line}\n" in text
    assert line in summary(outcome(decision=decision), [])
    assert cells(text, "contracts")["verdict"] == "keep the service"
    assert "each is one of 97.5 %" in text
    assert "By category" not in plain


def test_against_the_service_a_category_has_points_beside_it_and_no_coverage(
    tmp_path: Path,
) -> None:
    measure = difference(1, 9, 20, 0.975)
    one = CategoryVerdict(category="account", verdict="not enough data", measure=measure)
    decision = outcome().decision.model_copy(update={"categories": (one,), "goal": -5.0})
    text = report(outcome(decision=decision), tmp_path, judged={})
    row = cells(text, "account")
    assert row["points beside the service"] == signed(measure)
    assert "coverage %" not in row
    assert goal(decision) == "goal at most 5 points under the service"
    assert goal(outcome().decision) == "goal 90 %"


def test_a_budget_that_ended_before_or_within_the_test_is_said_as_such(tmp_path: Path) -> None:
    bare = {"test": None, "baselines": (), "unfinished": "stopped by the budget"}
    text = report(outcome(**bare, stopped="budget"), tmp_path, judged={})
    assert "The sealed test was not opened." in text
    text = report(outcome(**bare, stopped="rounds"), tmp_path, judged={})
    assert "The sealed test was not judged to its end" in text and "not opened" not in text
    text = report(outcome(**bare, stopped="budget", steered_on="test"), tmp_path, judged={})
    assert "No verdict was given on the test, which steered too" in text


def test_the_judges_card_shows_what_was_found_and_flags_it(tmp_path: Path, plain: str) -> None:
    findings = (
        Finding(name="spread", value=4.25, n=30, unit="points", says="within the limit of 20"),
        Finding(
            name="length", value=9.5, low=7.0, high=12.0, n=30, flagged=True, says="likes length"
        ),
        Finding(name="panel", value=None, n=0, says="one judge alone"),
    )
    audit = Audit(judge="some-judge", findings=findings, unjudged={"refused: policy": 3})
    text = report(outcome(audit=audit), tmp_path, judged={})
    assert cells(text, "spread")["found"] == "4.25 points"
    assert cells(text, "length")["found"] == "9.50 (7.00 to 12.00)"
    assert cells(text, "length")["in words"] == "**flagged**: likes length"
    assert cells(text, "panel")["found"] == "-"
    assert "without marks: 3 refused: policy" in text
    assert "It was not audited" in plain


def test_repeats_that_were_spared_are_counted(tmp_path: Path, plain: str) -> None:
    test = assessment("round 1", 33, 40, marks=300, spared=900)
    text = report(outcome(test=test, baselines=()), tmp_path, judged={})
    assert "900 of 1200 repeats (75 %) were not asked for" in text
    assert "were not asked for" not in plain


def test_other_looks_at_the_test_are_on_record(tmp_path: Path, plain: str) -> None:
    mine = Opening(run="0123456789abcdef", model="round 1", adapter="a1", prompts=40)
    other = Opening(run="fedcba9876543210", model="round 2", adapter="b2", prompts=31)
    alone = report(outcome(openings=(mine,)), tmp_path, judged={})
    assert "- the test was opened once, for this verdict\n" in alone
    assert "was opened once" not in plain
    text = report(outcome(openings=(other, mine)), tmp_path, judged={})
    assert "this test has been opened 2 times: 1 by this run, 1 by 1 other run, which " in text
    assert "saw up to 31 of its 40 prompts" in text
    assert "the best of several, errs more often" in text
    steered = report(outcome(openings=(mine, mine), steered_on="test"), tmp_path, judged={})
    assert "the error level is shared out" in steered


def test_no_gain_is_claimed_where_one_side_was_not_judged(tmp_path: Path) -> None:
    unjudged = assessment("coverage rows alone, at equal steps", 0, 0, steps=30)
    text = report(outcome(baselines=(unjudged,)), tmp_path, judged={})
    assert "Synthetic rows moved" not in text
    assert cells(text, unjudged.name)["coverage %"] == "-"


def test_a_result_without_a_test_says_that_it_was_not_opened(tmp_path: Path) -> None:
    stopped = outcome(test=None, baselines=(), stopped="budget")
    text = report(stopped, tmp_path, judged={})
    assert "The sealed test was not opened." in text
    assert "decided on" not in text
    said = summary(stopped, [])
    assert "stopped by: budget" in said
    assert "on the sealed test" not in said


def test_a_result_without_a_round_is_still_a_report(tmp_path: Path) -> None:
    text = report(outcome(test=None, baselines=(), rounds=()), tmp_path, judged={})
    assert sorted(p.name for p in tmp_path.iterdir()) == ["cost.png", "report.md", "result.json"]
    assert "coverage.png" not in text


@pytest.mark.usefixtures("drawn")
def test_every_figure_that_is_named_is_there(tmp_path: Path) -> None:
    text = report(outcome(), tmp_path)
    for name in PICTURES:
        assert f"]({name})" in text
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("part", "said"), [("dev", "the sealed test"), ("test", "the test, which steered too")]
)
def test_the_models_on_the_test_are_the_first_picture(tmp_path: Path, part: str, said: str) -> None:
    text = report(outcome(steered_on=part), tmp_path)
    pictures = [line for line in text.split("\n") if line.startswith("![")]
    assert pictures[:4] == [
        f"![Models on {said}](models.png)",
        f"![Coverage by round, {part} prompts](coverage.png)",
        f"![Scores by round, {part} prompts](scores.png)",
        f"![Coverage over rows, {part} prompts](volume.png)",
    ]
    shut = report(outcome(test=None, baselines=()), tmp_path / "shut")
    assert "models.png" not in shut


def test_volumes_that_no_curve_fits_lose_neither_the_report_nor_the_reason(tmp_path: Path) -> None:
    table = [(13_863, 301, 301), (566_612, 144, 144), (756_818, 239, 239), (762_186, 0, 221)]
    rounds = tuple(turn(i, hits, n, train_rows=rows) for i, (rows, hits, n) in enumerate(table))
    text = report(outcome(rounds=rounds), tmp_path)
    assert "- no curve can be fitted: the fit did not settle" in text
    assert "volume.png" not in text
    assert not (tmp_path / "volume.png").exists()


def test_rounds_with_nothing_judged_draw_no_scores(tmp_path: Path) -> None:
    text = report(outcome(), tmp_path, judged={"round 0": judgements(None, None)})
    assert "scores.png" not in text


@pytest.mark.parametrize("steered_on", ["dev", "test"])
def test_the_report_says_what_steered(tmp_path: Path, steered_on: str) -> None:
    text = report(outcome(steered_on=steered_on), tmp_path, judged={})
    assert f"## Rounds, steered on {steered_on}" in text
    assert ("test steers too" in text) is (steered_on == "test")


def test_the_summary_has_a_line_for_each_round_and_the_verdict_with_its_reasons() -> None:
    said = summary(outcome(), ["report: here"]).split("\n")
    assert said[0] == "toy <- some-service on sorting; judged on dev, goal 90 %, stopped by: rounds"
    assert " ".join(said[1].split()) == (
        "round train rows coverage n similarity precision unjudged so far"
    )
    assert said[3].split() == ["1", "40", "75.0", "%", "40", "81.2", "92.5", "3/160", "$0.5000"]
    assert len({len(line) for line in said[1:4]}) == 1
    assert "on the sealed test: coverage 82.5 (68.1 to 91.3) %, n = 40, 6 unjudged" in said
    assert "  coverage rows alone: coverage 50.0 (35.2 to 64.8) %, n = 40, 0 unjudged" in said
    assert "verdict: not enough data" in said
    assert said[-1] == "report: here"


def test_what_stopped_the_loop_and_what_it_was_computed_with_are_said(tmp_path: Path) -> None:
    training = Training(rows=16, too_long=(), steps=30, loss=0.125, dtype="bfloat16")
    text = report(outcome(rounds=(turn(0, 10, training=training),)), tmp_path, judged={})
    assert "went for a coverage of 90 % and was stopped by: rounds." in text
    assert "- tuned on NF4 weights, computing in bfloat16\n" in text


def test_nothing_is_said_of_the_arithmetic_where_nothing_was_tuned(plain: str) -> None:
    assert "tuned on NF4" not in plain


def test_the_thresholds_and_a_test_that_steered_are_said(tmp_path: Path, plain: str) -> None:
    assert "both thresholds: similarity 90 and precision 90, of 100" in plain
    assert "## On the sealed test" in plain
    steered = report(outcome(steered_on="test"), tmp_path, judged={})
    assert "sealed" not in steered
    assert "on the test, which steered too: coverage" in summary(outcome(steered_on="test"), [])


def test_the_rows_that_the_goal_would_take_are_said(tmp_path: Path) -> None:
    text = report(outcome(), tmp_path, judged={})
    assert "## Rows for a coverage of 90 % on dev" in text
    alone = report(outcome(rounds=(turn(0, 10),)), tmp_path / "alone", judged={})
    assert "## Rows for" not in alone
    assert "volume.png" not in alone


def test_a_simulated_service_costs_no_migration_and_a_paid_one_does() -> None:
    assert migration_usd(outcome()) == 1.0
    assert migration_usd(outcome(simulated=True)) == 0.0


def test_calls_that_may_be_asked_again_are_counted_with_the_flag_that_does(tmp_path: Path) -> None:
    plain = report(outcome(), tmp_path / "plain")
    assert "--retry" not in plain and "unproven" not in plain and "cached" not in plain
    usage = Usage(prompt_tokens=1000, completion_tokens=200, usd=0.5, cached_tokens=400)
    ends = {"ok": 70, "unreadable": 2, "failed": 1, "truncated": 7}
    told = outcome(
        tallies=(
            Tally(stage="judgements", calls=80, outcomes=ends, usage=usage, unproven=0.125),
            Tally(stage="synthetic", calls=6, outcomes={}, usage=Usage(), by_others={"x": 3}),
        )
    )
    said = report(told, tmp_path / "told")
    assert "| judgements | 80 | 70 ok, 2 unreadable, 1 failed, 7 truncated | 1000 | 400 | " in said
    assert "| $0.5000 | $0.1250 |" in said and "| of them cached |" in said
    assert "Up to $0.1250 more may have been billed unseen" in said
    assert "3 replies are by x, which is not the name that was asked for." in said
    ended = "Of the calls, 2 unreadable and 1 failed."
    assert f"{ended} `llamaduo run --retry unreadable,failed`, with" in said
    short = summary(told, ["here"]).splitlines()
    assert short[-2:] == [ended, "here"]


def test_what_was_written_before_tallies_knew_more_still_loads() -> None:
    written = outcome().model_dump(mode="json")
    for tally in written["tallies"]:
        del tally["unproven"], tally["by_others"]
        for name in ("cached_tokens", "cache_write_tokens", "thinking_tokens"):
            del tally["usage"][name]
    assert Result.model_validate(written) == outcome()
