"""The verdict: what the figures on the sealed test allow one to say, and what they do not."""

import re

import pytest

from llamaduo.decision import decide, out_of_reach, undecided
from llamaduo.findings import Assessment
from llamaduo.metrics import share, wilson


def decided_on(hits: int, judged: int, prompts: int | None = None) -> Assessment:
    return Assessment(
        name="round 2",
        prompts=judged if prompts is None else prompts,
        coverage=share("coverage %", hits, judged),
        similarity=None,
        precision=None,
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
    assert decision.reasons == ("none of 12 test prompts could be judged",)


def test_a_test_that_was_not_judged_says_why() -> None:
    decision = undecided("stopped by the budget", 90)
    assert (decision.verdict, decision.measure.n) == ("not enough data", 0)
    assert decision.reasons == ("stopped by the budget",)


def test_the_reasons_say_figure_interval_and_goal() -> None:
    [said] = decide(decided_on(97, 100), 90).reasons
    for figure in ("97.0 %", "of 100", "91.5 to 99.0 %", "the goal is 90 %"):
        assert figure in said


def test_a_verdict_that_no_model_could_have_had_says_so() -> None:
    reasons = decide(decided_on(16, 16), 90).reasons
    assert out_of_reach(16, 90) in reasons
    assert "16 of 16 has a lower bound of 80.6 %" in reasons[-1]


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
