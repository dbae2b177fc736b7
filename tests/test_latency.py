"""A verdict that asks for speed: where the p95 of a run in batches comes from."""

from pathlib import Path
from typing import Any

import pytest
from measurements import at, kept_in, load_of
from small_world import Diary, altered, experiment, play

from llamaduo.errors import UsageError
from llamaduo.experiment import Experiment
from llamaduo.latency import of_calls
from llamaduo.loads import AtRate
from llamaduo.workload import Workload

EASY = {"at_least": 1, "similarity": 5, "precision": 5}


def asking(tmp_path: Path, limit: float | None = 200) -> Experiment:
    """Return an experiment that asks for a p95."""
    goal = EASY | {"latency_p95_ms": limit}
    return experiment(tmp_path / "home", Diary(), goal=goal, rounds=1, enough=1)


def measured(exp: Experiment, **changes: Any) -> Path:
    """Keep a load test of what the experiment's last round tuned."""
    adapter = play(exp).result.rounds[-1].adapter
    return kept_in(Path(exp.home), load_of(**({"adapter": adapter} | changes)))


def test_the_same_run_goes_by_a_load_test_of_its_adapter(tmp_path: Path) -> None:
    exp = asking(tmp_path)
    before = play(exp).result.decision
    assert before.verdict == "not enough data"
    assert "has not been measured" in before.blocked[0]
    measured(exp)
    again = play(exp)
    assert (again.result.decision.verdict, again.result.decision.blocked) == ("switch", ())
    assert again.result.decision.reasons[-1] == (
        "latency: 95 of 100 answers come in 100 ms, and have to in 200 ms; n = 100: load test of "
        "triage version 2 at http://gpu:8000 (vllm), 2026-11-20, at 1 requests/s, the lowest "
        "measured"
    )
    assert (again.made, again.calls) == ([], 0)


def test_a_load_test_that_was_too_slow_stands_against_the_switch(tmp_path: Path) -> None:
    exp = asking(tmp_path, limit=99)
    measured(exp)
    decision = play(exp).result.decision
    assert decision.verdict == "not enough data"
    assert decision.blocked[0].startswith("latency: 95 of 100 answers come in 100 ms")


def test_a_load_test_of_another_model_says_nothing(tmp_path: Path) -> None:
    exp = asking(tmp_path)
    measured(exp, adapter="of-another-run")
    assert "has not been measured" in play(exp).result.decision.blocked[0]


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        (
            at(1, 100, answered=55, failed={"HTTP 429 Too Many Requests": 45}),
            "45 of 100 requests were not answered (45 HTTP 429 Too Many Requests), where under 1 %",
        ),
        (at(1, 100, answered=99, failed={"timed out": 1}), "1 of 100 requests were not answered"),
        (at(1, None, answered=0, failed={"timed out": 100}), "100 of 100 requests were not"),
        (at(1, 100, later=0.5), "answers came ever later, by 0.5 s or more for each second"),
    ],
)
def test_the_p95_of_a_rate_that_is_too_much_stands_against_the_switch_with_the_reason(
    tmp_path: Path, seen: AtRate, words: str
) -> None:
    exp = asking(tmp_path)
    measured(exp, rates=(seen,))
    decision = play(exp).result.decision
    assert decision.verdict == "not enough data"
    assert decision.blocked[0].startswith("latency: 95 of 100 answers have to come in 200 ms, and")
    assert words in decision.blocked[0] and "at 1 requests/s" in decision.blocked[0]
    assert not any("come in 100 ms" in reason for reason in decision.reasons)


def test_one_request_in_a_thousand_that_fails_leaves_the_p95(tmp_path: Path) -> None:
    exp = asking(tmp_path)
    measured(exp, rates=(at(1, 100, sent=1000, answered=999, failed={"timed out": 1}),))
    assert play(exp).result.decision.verdict == "switch"


def test_who_asks_for_no_speed_reads_no_load_test(tmp_path: Path) -> None:
    exp = asking(tmp_path, limit=None)
    measured(exp).write_text("broken")
    assert play(exp).result.decision.verdict == "switch"
    asks = altered(exp, goal=altered(exp.goal, latency_p95_ms=200.0))
    with pytest.raises(UsageError, match=r"one\.json is no file of `llamaduo load`"):
        play(asks)


def bearing(exp: Experiment, path: Path, tokens: float) -> Experiment:
    """Return it with a workload by a measurement: so many tokens written a second, 4 read each."""
    day = 720 * 3600 / 30
    asked = {"input_tokens_per_day": 4 * tokens * day, "output_tokens_per_day": tokens * day}
    given = exp.workload.model_dump() | asked
    given |= {"servers": "auto", "throughput": {"measured": path, "peak_to_mean": 1}}
    made: Experiment = altered(exp, workload=Workload.model_validate(given))
    return made


def test_no_lower_rate_is_taken_where_none_measured_is_high_enough(tmp_path: Path) -> None:
    exp = asking(tmp_path)
    adapter = play(exp).result.rounds[-1].adapter
    path = kept_in(Path(exp.home), load_of(adapter=adapter))
    newer = load_of(at(1, 100), adapter=adapter, at="2026-11-21T10:00:00+00:00")
    kept_in(Path(exp.home), newer, "two")
    decision = play(bearing(exp, path, 50)).result.decision
    assert decision.verdict == "not enough data"
    assert decision.blocked[0] == (
        "latency: 95 of 100 answers have to come in 200 ms, and the highest rate measured, 1 "
        "requests/s, is below the 5 that the workload has one server bear; load test of triage "
        "version 2 at http://gpu:8000 (vllm), 2026-11-21"
    )


def test_a_workload_by_the_measurement_says_at_which_rate(tmp_path: Path) -> None:
    exp = asking(tmp_path)
    path = measured(exp)
    decision = play(bearing(exp, path, 50)).result.decision
    # 50 tokens a second in answers of 10: 5 a second; the next rate measured is 10.
    assert "come in 150 ms" in decision.reasons[-1]
    assert "at 10 requests/s, for the 5 that the workload has one server" in decision.reasons[-1]


def test_the_p95_of_calls_is_one_that_was_seen() -> None:
    found = of_calls([n / 100 for n in range(1, 101)])
    assert found is not None
    assert (found.p95_ms, found.n) == (950, 100)
    assert of_calls([]) is None
