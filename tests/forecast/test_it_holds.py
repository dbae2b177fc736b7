"""A forecast against the run it is of: what each stage asked and paid lies where it was said."""

from pathlib import Path
from typing import Any

import pytest
from conftest import Finished
from forecast_world import Billed, billed, by_group, expected, run
from small_world import Diary

from llamaduo.config import from_overrides
from llamaduo.engine.openai_endpoint import OpenAIEndpoint
from llamaduo.local import load
from llamaduo.tuner.untuned import Untuned

ALL = ("untuned", "few_shot", "coverage", "equal_steps", "service")
ENDPOINT = OpenAIEndpoint(
    service=Billed(diary=Diary(), name="served"), max_tokens=20, temperature=0.7
)

CASES: dict[str, dict[str, Any]] = {
    "as it is": {},
    "the goal is met at once": {"enough": 10},
    "all baselines": {"baselines": ALL, "rounds": 2},
    "one round": {"baselines": ALL, "rounds": 1},
    "many repeats": {"judge": {"repeats": 5, "audit": 4}},
    "no repeat spared": {"judge": {"repeats": 4, "early_stop": False}},
    "judged on test": {"judge": {"on": "test", "repeats": 3}, "baselines": ("untuned",)},
    "against the service": {
        "goal": {"at_least": 90, "similarity": 90, "precision": 90, "against": "service"},
        "baselines": ("service",),
        "judge": {"repeats": 3, "audit": 12},
    },
    "an endpoint": {
        "engine": ENDPOINT,
        "tuner": Untuned(),
        "baselines": ("few_shot", "untuned", "coverage"),
        "judge": {"audit": 3},
    },
    "worth its price": {"usd_per_point": 100.0, "judge": {"repeats": 3}},
}


@pytest.mark.parametrize("changed", CASES.values(), ids=CASES)
def test_what_each_stage_asked_and_paid_lies_within_what_was_said(
    changed: dict[str, Any], tmp_path: Path
) -> None:
    exp = billed(tmp_path / "home", **changed)
    said = by_group(expected(exp).lines)
    came = run(exp)
    assert set(came) <= set(said)
    for name, line in said.items():
        calls, usd = (came[name].calls, came[name].usd) if name in came else (0, 0.0)
        assert line.calls.least <= calls <= line.calls.most, name
        assert line.usd.least <= usd <= line.usd.most, name


def test_calls_that_hang_on_nothing_are_said_to_the_last_one(tmp_path: Path) -> None:
    exp = billed(tmp_path / "home", baselines=("service",), rounds=2)
    said, came = by_group(expected(exp).lines), run(exp)
    assert said["synthetic"].calls.most == came["synthetic"].calls
    asked = said["asked"].calls
    assert asked.least == asked.most == came["asked"].calls


def test_the_tiny_run_is_held_by_what_was_likely(finished: Finished) -> None:
    said = by_group(expected(finished.exp).lines)
    tallies = {tally.stage: tally for tally in finished.result.tallies}
    judged = [said["judgements dev"], said["judgements test"]]
    assert tallies["judgements"].calls >= sum(line.calls.low for line in judged)
    assert tallies["judgements"].calls <= sum(line.calls.high for line in judged)
    for name in ("synthetic", "audit"):
        line, tally = said[name], tallies[name]
        assert line.calls.low <= tally.calls <= line.calls.high
        assert line.usd.low <= tally.usage.usd <= line.usd.high
        assert line.prompt_tokens.low <= tally.usage.prompt_tokens <= line.prompt_tokens.high


TGI = (
    *("experiments=demo_tiny", "tuner=none", "engine=tgi", "engine.service.adapter=one"),
    *("engine.service.price.input=1", "baselines=[few_shot]"),
)


def test_a_server_that_is_sent_text_is_counted_by_its_template_once_that_is_here(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    exp = from_overrides(list(TGI))
    load.template(exp.local)
    by_template = expected(exp)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    without = expected(exp)
    assert any("template, which is not here yet" in said for said in without.assumed)
    assert not any("template" in said for said in by_template.assumed)
    assert by_template.lines[0].prompt_tokens.low > without.lines[0].prompt_tokens.low
    assert "1 byte of a prompt to a token" in by_template.assumed[0], "TGI tells none"


def test_a_server_that_has_to_prove_itself_is_asked_for_that_for_each_set_of_answers() -> None:
    found = by_group(expected(from_overrides(list(TGI))).lines)
    placed = from_overrides(list(TGI)).task.place()
    sets = [sum(row.part == name for row in placed) for name in ("dev", "test", "test")]
    assert found["proof"].calls.most == sum(3 * min(16, count) for count in sets)
    assert found["asked"].calls.most == 2 * sum(sets)
