"""What captured calls allow: advance, hold, or go back."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from rollout_world import failure, payload

from llamaduo.config import from_overrides
from llamaduo.desk import Desk
from llamaduo.judge import Judge
from llamaduo.ledger import Ledger
from llamaduo.metrics import share
from llamaduo.progress import Progress
from llamaduo.records import Score
from llamaduo.rollout.check import Report, report
from llamaduo.rollout.month import Month
from llamaduo.rollout.pairs import Judged, judge_pairs
from llamaduo.rollout.payloads import Line
from llamaduo.rollout.seen import Seen, cause_of, look
from llamaduo.rollout.shown import table
from llamaduo.rollout.state import Asked, State, Step

ASKED = Asked(
    name="gpt",
    model="openai/gpt-x",
    usd_per_million=(2, 8),
    as_of=date(2026, 11, 1),
    source="a test",
    timeout=60,
)
MONTH = Month(usd=100, said="the light workload", words=("workload=light",))


def at(phase: Any, part: float = 1.0, number: int = 1) -> State:
    begun = "2026-11-24T00:00:00+00:00"
    step = Step(number=number, phase=phase, at=begun, by="me", version="1", share=part)
    return State(name="triage", service=ASKED, steps=(step,))


def seen(state: State, rows: Sequence[Any]) -> Seen:
    return look([Line("f", n, row) for n, row in enumerate(rows, 1)], state)


def said(state: State, rows: Sequence[Any], judged: Judged | None = None, **given: Any) -> Report:
    asked: dict[str, Any] = {"margin": 5, "latency_p95_ms": None, "month": MONTH, **given}
    return report(seen(state, rows), state, judged=judged, **asked)


def copied(number: int, text: str = "", **given: Any) -> list[dict[str, Any]]:
    """A mirrored call and its copy; `text` is what the copy says, the same where it is empty."""
    theirs, ours = payload(number, "1-shadow-mirrored"), payload(number, "1-shadow-local", **given)
    if text:
        choice = ours["response"]["choices"][0]
        choice["message"] = {**choice["message"], "content": text}
    return [theirs, ours]


class ByLabel:
    """A judge without a service: a right label is right."""

    name = "by label"

    def grade(self, answers: Any, callers: Any, *, stop: Any, progress: Any) -> Any:
        from llamaduo.records import Judgement

        for one in answers:
            right = one.text == one.example.target
            mark = Score(similarity=100 * right, precision=100 * right)
            unjudged = one.finish == "none" or one.text == "unreadable"
            yield Judgement(answer=one, score=None if unjudged else mark)


def judged(rows: Sequence[Any], **given: Any) -> Judged:
    judge: Any = ByLabel()
    asked: dict[str, Any] = {"margin": 5, "most": 1000, **given}
    return judge_pairs(
        seen(at("shadow"), rows).pairs,
        judge,
        {},
        similarity=90,
        precision=90,
        simulated=False,
        progress=Progress(),
        **asked,
    )


@pytest.mark.parametrize("marked", [True, False])
def test_a_pair_is_of_one_trace_and_prompt_and_two_groups_marked_or_not(marked: bool) -> None:
    rows = [one for n in range(3) for one in copied(n, is_silent_experiment=marked)]
    found = seen(at("shadow"), [*rows, payload(7, "1-shadow-service")])
    assert len(found.pairs) == 3 and found.missing == 0
    for pair in found.pairs:
        assert pair.service["trace_id"] == pair.local["trace_id"]
        assert (pair.service["model_group"], pair.local["model_group"]) == (
            "triage",
            "triage-local",
        )


def test_calls_of_one_trace_are_paired_by_their_prompt() -> None:
    rows = [{**one, "trace_id": "agent"} for n in (1, 2) for one in copied(n)]
    found = seen(at("shadow"), [rows[3], rows[0], rows[2], rows[1]])
    assert [p.service["messages"] == p.local["messages"] for p in found.pairs] == [True, True]


def test_a_mirrored_call_without_a_copy_is_missing_and_few_of_them_hold_it_up() -> None:
    rows = [one for n in range(40) for one in copied(n)]
    lone = [payload(n, "1-shadow-mirrored") for n in range(100, 120)]
    found = said(at("shadow"), [*rows, *lone], judged(rows))
    assert found.arrived == share("arrived %", 40, 60)
    assert any(r.startswith("hold: 66.7 %") and "no fair sample" in r for r in found.reasons)
    assert found.verdict == "hold"


@pytest.mark.parametrize(
    ("wrong", "pairs", "verdict"), [(0, 80, "advance"), (30, 80, "go back"), (0, 20, "hold")]
)
def test_the_verdict_of_pairs_is_non_inferiority_by_the_margin(
    wrong: int, pairs: int, verdict: str
) -> None:
    rows = [one for n in range(pairs) for one in copied(n, "wrong" if n < wrong else "")]
    one = judged(rows)
    assert (one.pairs, one.only_theirs, one.only_ours) == (pairs, wrong, 0)
    assert one.verdict == verdict
    found = said(at("shadow"), rows, one)
    assert found.verdict == verdict
    if verdict == "hold":
        [reason] = [r for r in found.reasons if "not enough data" in r]
        assert f"about {one.needed} pairs would settle it" in reason and one.needed


def test_a_copy_that_failed_counts_against_the_local_model_and_one_unjudged_may_go_either_way() -> (
    None
):
    rows = [one for n in range(90) for one in copied(n)]
    lost = [payload(200, "1-shadow-mirrored")]
    lost += [failure(200, "1-shadow-local", "429", "RateLimitError")]
    none = copied(201, "unreadable")
    one = judged([*rows, *lost, *none])
    assert (one.pairs, one.silent, one.unjudged, one.only_theirs) == (92, 1, 1, 1)
    assert one.difference.n == 91
    assert one.low is not None and one.difference.low is not None and one.low < one.difference.low
    assert said(at("shadow"), [*rows, *lost, *none], one).arrived == share("arrived %", 92, 92)


def test_pairs_whose_service_answer_is_no_target_are_left_out_and_counted() -> None:
    refused = copied(3)
    message = refused[0]["response"]["choices"][0]["message"]
    message["provider_specific_fields"] = {"refusal": "no"}
    one = judged([*copied(1), *refused])
    assert (one.pairs, one.left_out) == (1, {"refused": 1})


def test_no_more_pairs_are_judged_than_asked_for_and_always_the_same() -> None:
    rows = [one for n in range(30) for one in copied(n, "wrong" if n % 2 else "")]
    first, again = judged(rows, most=10), judged(list(reversed(rows)), most=10)
    assert first.pairs == 10 and first == again


def test_the_run_s_judge_is_asked_through_the_ledger_and_the_same_again_costs_nothing(
    tmp_path: Any,
) -> None:
    exp = from_overrides(["experiments=demo_tiny", f"home={tmp_path}"])
    judge: Judge = exp.judge
    ledger = Ledger(tmp_path / "ledger.sqlite")
    desk = Desk(ledger, exp.service, "rollout/x", "x", exp.seed, None)
    rows = [one for n in range(6) for one in copied(n, "nonsense" if n < 2 else "")]
    found = []
    for _ in range(2):
        found.append(
            judge_pairs(
                seen(at("shadow"), rows).pairs,
                judge,
                dict.fromkeys(judge.services, desk),
                similarity=50,
                precision=50,
                margin=5,
                most=100,
                simulated=True,
                progress=Progress(),
            )
        )
        spent = ledger.spent("x")
    ledger.close()
    assert found[0] == found[1] and found[0].pairs == 6 and found[0].only_theirs == 2
    assert spent == replace(desk, ledger=Ledger(tmp_path / "ledger.sqlite")).ledger.spent("x") > 0
    text = table(said(at("shadow"), rows, found[0]))
    assert "A simulated service judged" in text


def test_a_simulated_judge_opens_no_gate_unless_it_may() -> None:
    rows = [one for n in range(80) for one in copied(n)]
    played = judged(rows).model_copy(update={"simulated": True})
    found = said(at("shadow"), rows, played)
    assert found.verdict == "hold" and "allow_simulated=true" in found.reasons[-1]
    assert said(at("shadow"), rows, played, allow_simulated=True).verdict == "advance"


@pytest.mark.parametrize(("here", "verdict"), [(20, "advance"), (45, "hold")])
def test_the_share_of_a_canary_is_held_against_its_weight(here: int, verdict: str) -> None:
    rows = [payload(n, "1-canary-local") for n in range(here)]
    rows += [payload(n, "1-canary-service") for n in range(here, 100)]
    found = said(at("canary", 0.2), rows, margin=40)
    assert found.sent == share("sent %", here, 100) and found.expected == 20
    assert found.verdict == verdict


@pytest.mark.parametrize(
    ("failed", "calls", "verdict"), [(0, 100, "advance"), (20, 100, "go back"), (1, 30, "hold")]
)
def test_a_cutover_hangs_on_how_many_of_its_calls_fail(
    failed: int, calls: int, verdict: str
) -> None:
    rows = [failure(n, "1-cutover-local", "424", "APIError") for n in range(failed)]
    rows += [payload(n, "1-cutover-local") for n in range(failed, calls)]
    found = said(at("cutover"), rows)
    assert found.failed == share("failed %", failed, calls) and found.verdict == verdict
    assert ("calls would settle it" in found.reasons[0]) == (verdict == "hold")


def test_a_latency_that_the_goal_asks_for_is_held_against_answers_here() -> None:
    rows = [payload(n, "1-cutover-local") for n in range(100)]
    assert said(at("cutover"), rows, latency_p95_ms=60).verdict == "advance"
    slow = [payload(n, "1-cutover-local", endTime=2e9 + 0.5) for n in range(100, 120)]
    assert said(at("cutover"), [*rows, *slow], latency_p95_ms=60).verdict == "go back"
    few = said(at("cutover"), rows[:20], latency_p95_ms=60, margin=50)
    assert few.verdict == "hold" and any("not enough data: 100.0 %" in r for r in few.reasons)


def test_what_goes_back_to_the_service_is_counted_by_cause_and_rule_with_its_price() -> None:
    rows = [payload(n, "1-cutover-local") for n in range(70)]
    for n, (code, kind) in enumerate([("422", "BadRequestError"), ("429", "RateLimitError")] * 5):
        rows.append(failure(100 + n, "1-cutover-local", code, kind))
        rows.append(payload(100 + n, "1-cutover-fallback", model_group="triage-fallback"))
    tags = ["llamaduo-escalated:legal", "User-Agent: x"]
    rows += [payload(n, "1-cutover-escalated", request_tags=tags) for n in range(200, 220)]
    found = said(at("cutover"), rows)
    back = {one.kind: one for one in found.back}
    assert back["fallback"].by == {"422 BadRequestError": 5, "429 RateLimitError": 5}
    assert back["escalated"].by == {"legal": 20}
    assert back["escalated"].share == share("escalated %", 20, 100)
    assert back["escalated"].usd_per_month == pytest.approx(20)
    assert back["fallback"].usd_per_month == pytest.approx(10)
    text = table(found)
    assert "escalated: 20.0 %" in text and "$20.00 a month" in text
    assert "dollars a month: the light workload" in text
    assert "llamaduo cost workload=light workload.escalated_share=0.3" in text
    assert text.splitlines()[-1] == "verdict: go back"


def test_a_failure_of_the_service_in_canary_is_no_fallback_of_the_local_model() -> None:
    rows = [payload(n, "1-canary-local") for n in range(18)]
    rows += [payload(n, "1-canary-service") for n in range(100, 176)]
    for n, arm in ((200, "local"), (201, "local"), (202, "service"), (203, "service")):
        one = {"litellm_call_id": f"call-{n}"}
        rows.append(failure(n, f"1-canary-{arm}", "500", "InternalServerError", **one))
        rows.append(payload(n, "1-canary-fallback", **one))
    rows += [payload(n, "1-canary-escalated") for n in range(300, 302)]
    found = said(at("canary", 0.2), rows)
    back = {one.kind: (one.share, one.by) for one in found.back}
    assert back["fallback"] == (share("fallback %", 2, 100), {"500 InternalServerError": 2})
    assert back["asked again"] == (share("asked again %", 2, 100), {"500 InternalServerError": 2})
    stays = 0.02 + 0.98 * 2 / 20  # 2 of 100 by rule; of the others 2 in 20 fail here
    assert f"escalated_share={stays:.4g}" in found.cost


def test_nothing_that_stays_means_nothing_to_add_up() -> None:
    found = said(at("cutover"), [payload(n, "1-cutover-local") for n in range(9)])
    assert found.back == () and found.cost == "" and "a month" not in table(found)


def test_figures_of_each_arm_are_those_of_its_calls() -> None:
    times = [0.01 * n for n in range(1, 21)]
    rows = [payload(n, "1-canary-local", endTime=2e9 + s) for n, s in enumerate(times)]
    rows += [payload(50, "1-canary-service", response_cost=0.5)]
    arms = {one.arm: one for one in said(at("canary", 0.9), rows).arms}
    assert arms["local"].p50_ms == pytest.approx(100)
    assert arms["local"].p95_ms == pytest.approx(190)
    assert arms["service"].usd == 0.5


def test_a_stream_takes_until_its_last_token_and_not_its_first() -> None:
    streamed = {"stream": True, "endTime": 2e9 + 4, "response_time": 0.2}
    found = said(at("cutover"), [payload(1, "1-cutover-local", **streamed)])
    assert found.arms[0].p95_ms == pytest.approx(4000)
    of_others = {"startTime": None, "endTime": None, "response_time": 0.3}
    found = said(at("cutover"), [payload(1, "1-cutover-local", **of_others)])
    assert found.arms[0].p95_ms == pytest.approx(300)


def test_calls_that_left_no_line_are_counted() -> None:
    rows = [payload(n, "1-cutover-local", lost_before=n) for n in (1, 2)]
    rows.append(payload(7, "2-canary-local", lost_before=9))
    found = said(at("cutover"), rows)
    assert found.lost == 3 and "3 calls have no line" in table(found)


def test_lines_of_another_step_do_not_count_and_say_what_runs() -> None:
    rows = [payload(n, "1-shadow-service") for n in range(9)]
    found = said(at("canary", 0.2, number=2), rows)
    assert found.other_lines == 9 and found.verdict == "hold"
    assert "start it again with litellm.canary.yaml" in found.reasons[0]
    assert "no call was captured" in said(at("canary"), []).reasons[0]


def test_a_line_that_comes_twice_counts_once() -> None:
    rows = [payload(1, "1-cutover-local")] * 3
    assert seen(at("cutover"), rows).arm("local").calls == 1


def test_calls_that_no_deployment_was_picked_for_are_failures_here() -> None:
    error = {"error_code": "429", "error_class": "RouterRateLimitError"}
    error["error_message"] = "No deployments available for selected model"
    row = payload(1, "", status="failure", error=error, startTime=2e9)
    early = {**row, "litellm_call_id": "early", "startTime": 1.0}
    found = seen(at("cutover"), [row, early])
    assert found.causes() == {"cooling down": 1} and found.others == 1
    for phase in ("capture", "shadow", "rollback"):
        assert "local" not in seen(at(phase), [row]).arms, "there the service answers"


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        ({"error_code": "424", "error_class": "APIError"}, "424 APIError"),
        ({"error_code": "500", "error_message": "x: Connection error."}, "no connection"),
        (None, "an unknown error"),
    ],
)
def test_a_cause_is_a_status_or_that_nobody_listened(error: Any, cause: str) -> None:
    assert cause_of({"error": error}) == cause


def test_capture_and_rollback_have_nothing_to_compare() -> None:
    for phase in ("capture", "rollback"):
        found = said(at(phase), [payload(1, f"1-{phase}-service")])
        assert found.verdict == "hold" and "nothing to compare" in found.reasons[0]
