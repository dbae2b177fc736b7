"""The verdict: what the figures on the sealed test allow one to say, and what they do not."""

import re
from typing import Any

import pytest

from llamaduo import decision as deciding
from llamaduo.decision import level_of_look, same_at_both_ends, undecided, unreachable
from llamaduo.experiment import Goal
from llamaduo.findings import (
    Assessment,
    Audit,
    Category,
    Compared,
    Decision,
    Finding,
    PairedCategory,
)
from llamaduo.intervals import wilson
from llamaduo.loads import Latency
from llamaduo.metrics import difference, mean, share
from llamaduo.power import out_of_reach


def goal_of(at_least: float, **changed: Any) -> Goal:
    fields = {"at_least": at_least, "similarity": 90, "precision": 90}
    return Goal.model_validate({**fields, **changed})


def decide(test: Assessment, at_least: float, **given: Any) -> Decision:
    return deciding.decide(test, goal_of(at_least), **given)


def decided_on(hits: int, judged: int, prompts: int | None = None) -> Assessment:
    return Assessment(
        name="round 2",
        prompts=judged if prompts is None else prompts,
        coverage=share("coverage %", hits, judged),
        similarity=mean("similarity", []),
        precision=mean("precision", []),
        unjudged=0,
        answers=judged,
        cut=0,
        checks={},
        steps=10,
    )


@pytest.mark.parametrize(
    ("hits", "n", "verdict"),
    [
        (97, 100, "switch"),  # 91.5 to 99.0 %
        (95, 100, "not enough data"),  # 88.8 to 97.8 %
        (90, 100, "not enough data"),
        (84, 100, "not enough data"),  # 75.6 to 89.9 %, see below
        (70, 100, "keep the service"),  # 60.4 to 78.1 %
        (0, 5, "keep the service"),
        (5, 5, "not enough data"),
    ],
)
def test_the_whole_interval_has_to_lie_on_one_side_of_the_goal(
    hits: int, n: int, verdict: str
) -> None:
    goal = 89 if hits == 84 else 90
    decision = decide(decided_on(hits, n), goal)
    assert decision.verdict == verdict
    assert (decision.measure, decision.goal) == (share("coverage %", hits, n), goal)


def test_a_lower_bound_on_the_goal_is_enough_to_switch_and_an_upper_on_it_not_to_keep() -> None:
    measure = share("coverage %", 80, 100)
    assert measure.low is not None
    assert measure.high is not None
    assert decide(decided_on(80, 100), measure.low).verdict == "switch"
    assert decide(decided_on(80, 100), measure.low + 1e-6).verdict == "not enough data"
    assert decide(decided_on(80, 100), measure.high).verdict == "not enough data"
    assert decide(decided_on(80, 100), measure.high + 1e-6).verdict == "keep the service"


def test_unjudged_prompts_count_as_failed_against_a_switch() -> None:
    assert decide(decided_on(90, 90), 90).verdict == "switch"
    decision = decide(decided_on(90, 90, prompts=100), 90)
    assert decision.verdict == "not enough data"
    assert decision.measure.value == 100
    [said] = [reason for reason in decision.reasons if "no score" in reason]
    worst = 100 * wilson(90, 100)[0]
    assert said.startswith("10 prompts have no score")
    assert f"{worst:.1f}" in said


def test_unjudged_prompts_count_as_passed_against_keeping_the_service() -> None:
    assert decide(decided_on(60, 75), 90).verdict == "keep the service"
    assert decide(decided_on(60, 75, prompts=100), 90).verdict == "not enough data"
    assert decide(decided_on(40, 75, prompts=100), 90).verdict == "keep the service"


def test_where_missing_scores_decide_no_more_prompts_are_advised() -> None:
    said = decide(decided_on(90, 90, prompts=100), 90).reasons
    assert "the goal lies inside the interval" not in " ".join(said)
    assert any("find out why they have none" in reason for reason in said)


def test_a_few_unjudged_prompts_do_not_stop_a_clear_case() -> None:
    decision = decide(decided_on(398, 398, prompts=400), 90)
    assert decision.verdict == "switch"
    assert any(reason.startswith("2 prompts have no score") for reason in decision.reasons)


def test_with_nothing_judged_there_is_not_enough_data() -> None:
    decision = decide(decided_on(0, 0, prompts=12), 90)
    assert decision.verdict == "not enough data"
    assert decision.reasons == ("no test prompt could be judged",)


def test_a_test_that_was_not_judged_says_why() -> None:
    decision = undecided("stopped by the budget", 90)
    assert (decision.verdict, decision.measure.n) == ("not enough data", 0)
    assert decision.reasons == ("stopped by the budget",)


def test_the_reasons_say_figure_interval_and_goal() -> None:
    [said] = decide(decided_on(97, 100), 90).reasons
    for figure in ("97.0 %", "of 100", "91.5 to 99.0 %", "the goal is 90 %"):
        assert figure in said


def test_a_verdict_that_no_model_could_have_had_says_so() -> None:
    decision = decide(decided_on(16, 16), 90)
    assert decision.reasons[-1].endswith(out_of_reach(16, 90))
    assert "16 of 16 has a lower bound of 80.6 %" in decision.reasons[-1]
    assert decision.needed == 35


def test_the_number_of_prompts_advised_is_the_smallest_that_works() -> None:
    fewest = 1
    for tenths in range(210, 1000):
        goal = tenths / 10
        while 100 * wilson(fewest, fewest)[0] < goal:
            fewest += 1
        said = out_of_reach(1, goal)
        advised = re.search(r"would need (\d+) prompts", said)
        assert advised is not None, said
        assert int(advised[1]) == fewest, goal
        assert out_of_reach(fewest, goal) == ""
        if fewest > 1:
            assert out_of_reach(fewest - 1, goal) != ""


def test_a_lower_bound_short_of_the_goal_is_not_rounded_up_to_it() -> None:
    assert "90 %: 34 of 34 has a lower bound of 89.8 %" in out_of_reach(34, 90)


def test_a_goal_of_all_is_out_of_reach_of_any_number_of_prompts() -> None:
    said = out_of_reach(1000, 100)
    assert "1000 test prompts cannot show a coverage of 100 %" in said
    assert "No number of prompts" in said
    assert decide(decided_on(1000, 1000), 100).verdict == "not enough data"


def test_not_enough_data_says_how_many_prompts_would_settle_it() -> None:
    decision = decide(decided_on(95, 100), 90)
    assert decision.needed == 254
    assert "if 95.0 is the truth, about 254 test prompts would settle it" in decision.reasons[-1]
    below = decide(decided_on(85, 100), 90)
    assert below.needed == 334


def test_on_the_goal_itself_no_number_of_prompts_is_advised() -> None:
    decision = decide(decided_on(90, 100), 90)
    assert decision.needed is None
    assert "no test of a practical size" in decision.reasons[-1]


def test_a_settled_verdict_advises_no_number() -> None:
    assert decide(decided_on(97, 100), 90).needed is None
    assert decide(decided_on(50, 100), 90).needed is None


def beside(only_ours: int, only_theirs: int, n: int) -> Compared:
    nothing = mean("similarity", [])
    return Compared(
        name="the service itself",
        only_ours=only_ours,
        only_theirs=only_theirs,
        coverage=difference(only_ours, only_theirs, n),
        similarity=nothing,
        precision=nothing,
        match=nothing,
    )


@pytest.mark.parametrize(
    ("ours", "theirs", "margin", "verdict"),
    [
        (3, 4, 5, "switch"),  # -0.5 (-3.4 to +2.3)
        (3, 12, 5, "not enough data"),  # -4.5 (-8.8 to -0.7)
        (3, 40, 5, "keep the service"),  # -18.5 (-24.9 to -12.6)
        (3, 40, 25, "switch"),
    ],
)
def test_against_the_service_its_own_coverage_less_a_margin_is_the_goal(
    ours: int, theirs: int, margin: float, verdict: str
) -> None:
    goal = goal_of(99, against="service", margin=margin)
    decision = deciding.decide(decided_on(100, 200), goal, service=beside(ours, theirs, 200))
    assert decision.verdict == verdict
    assert decision.goal == -margin
    assert decision.measure == difference(ours, theirs, 200)
    assert f"at most {margin} points under it" in decision.reasons[0]


def test_against_the_service_unjudged_pairs_count_for_it_and_never_for_a_switch() -> None:
    goal = goal_of(99, against="service", margin=5)
    clear = deciding.decide(decided_on(100, 200), goal, service=beside(3, 4, 200))
    lost = deciding.decide(decided_on(100, 200, prompts=230), goal, service=beside(3, 4, 200))
    assert (clear.verdict, lost.verdict) == ("switch", "not enough data")


def test_against_the_service_without_its_answers_is_no_question() -> None:
    with pytest.raises(ValueError, match="its own answers"):
        deciding.decide(decided_on(1, 2), goal_of(90, against="service"))


def test_pairs_that_would_settle_it_are_advised() -> None:
    goal = goal_of(99, against="service", margin=5)
    decision = deciding.decide(decided_on(100, 200), goal, service=beside(9, 11, 200))
    assert decision.verdict == "not enough data"
    assert decision.needed is not None
    more = 3 * decision.needed // 200 + 1
    again = deciding.decide(
        decided_on(100, 200 * more), goal, service=beside(9 * more, 11 * more, 200 * more)
    )
    assert again.verdict == "switch"


def flagged(says: str = "it gives 8 points to its own family") -> Audit:
    finding = Finding(name="own family", value=8, n=30, flagged=True, says=says)
    return Audit(judge="j", findings=(finding,), unjudged={})


def test_a_judge_that_its_audit_speaks_against_switches_nobody() -> None:
    decision = decide(decided_on(97, 100), 90, audit=flagged())
    assert decision.verdict == "not enough data"
    assert decision.blocked == ("the judge: it gives 8 points to its own family",)
    assert decision.blocked[0] in decision.reasons
    assert decision.needed is None
    assert decide(decided_on(10, 100), 90, audit=flagged()).verdict == "keep the service"


def test_an_audit_without_a_flag_stands_against_nothing() -> None:
    finding = flagged().findings[0].model_copy(update={"flagged": False})
    clean = Audit(judge="j", findings=(finding,), unjudged={"refused": 2})
    assert decide(decided_on(97, 100), 90, audit=clean).verdict == "switch"


def test_a_latency_that_is_asked_for_has_to_be_measured_and_met() -> None:
    goal = goal_of(90, latency_p95_ms=800)
    unknown = deciding.decide(decided_on(97, 100), goal)
    assert unknown.verdict == "not enough data"
    assert "has not been measured" in unknown.blocked[0]
    slow = deciding.decide(decided_on(97, 100), goal, latency=seen(900.0))
    assert slow.blocked == (
        "latency: 95 of 100 answers come in 900 ms, and have to in 800 ms; n = 60: a clock",
    )
    fast = deciding.decide(decided_on(97, 100), goal, latency=seen(700.0))
    assert (fast.verdict, fast.blocked) == ("switch", ())
    assert fast.reasons[-1].startswith("latency: 95 of 100 answers come in 700 ms")


def test_a_latency_that_nobody_asked_for_is_no_reason() -> None:
    decision = deciding.decide(decided_on(97, 100), goal_of(90), latency=seen(900.0))
    assert decision.verdict == "switch"
    assert not any("latency" in reason for reason in decision.reasons)


def seen(p95: float) -> Latency:
    return Latency(p95_ms=p95, n=60, source="a clock")


def test_each_category_gets_a_verdict_at_its_own_level() -> None:
    level = 1 - 0.05 / 3
    categories = tuple(
        Category(name=name, prompts=prompts, coverage=share("coverage %", hits, n, level))
        for name, hits, n, prompts in (
            ("refunds", 200, 200, 200),
            ("invoices", 10, 60, 60),
            ("other", 19, 20, 20),
        )
    )
    test = decided_on(229, 280).model_copy(update={"categories": categories})
    found = {one.category: one.verdict for one in decide(test, 90).categories}
    assert found == {
        "refunds": "switch",
        "invoices": "keep the service",
        "other": "not enough data",
    }


def test_unjudged_prompts_of_a_category_count_as_failed_in_it() -> None:
    level = 0.975
    whole = Category(name="a", prompts=200, coverage=share("c", 200, 200, level))
    holed = whole.model_copy(update={"prompts": 240})
    for category, verdict in ((whole, "switch"), (holed, "not enough data")):
        test = decided_on(200, 240).model_copy(update={"categories": (category,)})
        assert decide(test, 90).categories[0].verdict == verdict


def test_looks_at_one_test_share_the_error_of_one() -> None:
    errors = [1 - level_of_look(number) for number in range(1, 2000)]
    assert errors[0] == pytest.approx(0.025)
    assert errors == sorted(errors, reverse=True)
    assert sum(errors) < 0.05


def test_a_later_look_has_to_show_more() -> None:
    assert decide(decided_on(193, 200), 93).verdict == "not enough data"
    first = decide(decided_on(192, 200), 92, level=level_of_look(1))
    third = decide(decided_on(192, 200), 92, level=level_of_look(3))
    plain = decide(decided_on(192, 200), 92)
    assert (plain.verdict, third.verdict) == ("switch", "not enough data")
    assert first.measure.level == 0.975
    assert "99.58 % interval" in third.reasons[0]


def test_an_interval_whose_ends_say_the_same_is_settled() -> None:
    assert same_at_both_ends(97, 100, 100, 90, 0.95)
    assert not same_at_both_ends(95, 100, 100, 90, 0.95)
    assert same_at_both_ends(0, 50, 100, 90, 0.95)


def test_what_no_perfect_model_could_show_is_said_before_it_is_tried() -> None:
    assert unreachable(25, goal_of(90)) == out_of_reach(25, 90)
    assert unreachable(40, goal_of(90)) == ""
    assert "40 of 40" in unreachable(40, goal_of(90), level_of_look(5))
    near = goal_of(90, against="service", margin=5)
    said = unreachable(40, near)
    assert "with not one difference the lower bound is -8.8 points. 73 prompts could" in said
    assert unreachable(80, near) == ""


def test_what_blocks_the_switch_blocks_it_for_every_category() -> None:
    categories = tuple(
        Category(name=name, prompts=200, coverage=share("coverage %", hits, 200, 0.975))
        for name, hits in (("refunds", 200), ("other", 20))
    )
    test = decided_on(390, 400).model_copy(update={"categories": categories})
    assert [one.verdict for one in decide(test, 90).categories] == ["switch", "keep the service"]
    blocked = decide(test, 90, audit=flagged()).categories
    assert [one.verdict for one in blocked] == ["not enough data", "keep the service"]


def test_categories_share_the_level_of_the_look() -> None:
    one = Category(name="a", prompts=200, coverage=share("coverage %", 199, 200, 0.975))
    test = decided_on(398, 400).model_copy(update={"categories": (one, one)})
    levels = [
        decide(test, 90, level=level_of_look(look)).categories[0].measure.level for look in (1, 3)
    ]
    assert levels == pytest.approx([1 - 0.025 / 2, 1 - 0.05 / 12 / 2])


def test_against_the_service_each_category_is_held_against_its_pairs() -> None:
    goal = goal_of(99, against="service", margin=20)
    categories = tuple(
        Category(name=name, prompts=100, coverage=share("coverage %", 50, 100, 0.975))
        for name in ("near", "far")
    )
    test = decided_on(100, 200).model_copy(update={"categories": categories})
    pairs = (
        PairedCategory(name="far", only_ours=0, only_theirs=50, n=100),
        PairedCategory(name="near", only_ours=5, only_theirs=5, n=100),
    )
    service = beside(5, 55, 200).model_copy(update={"categories": pairs})
    found = deciding.decide(test, goal, service=service).categories
    assert [(one.category, one.verdict) for one in found] == [
        ("near", "switch"),
        ("far", "keep the service"),
    ]
    assert found[0].measure == difference(5, 5, 100, 0.975)


def test_where_the_figures_are_open_too_a_block_does_not_hide_how_many_prompts_it_takes() -> None:
    decision = decide(decided_on(95, 100), 90, audit=flagged())
    assert decision.needed == 254
    assert any("about 254 test prompts" in reason for reason in decision.reasons)
    assert decision.blocked[0] in decision.reasons
