"""Will it run here, and what to do if not."""

import pytest

from llamaduo.experiment import Experiment
from llamaduo.local import load
from llamaduo.verbs import doctor


def test_a_machine_that_can_run_it_ends_with_0(
    tiny: Experiment, capsys: pytest.CaptureFixture[str]
) -> None:
    load.template(tiny.local)  # lengths are counted once its tokenizer is here
    assert doctor.main(["experiments=demo_tiny"]) == 0
    said = capsys.readouterr().out
    assert "MISSING" not in said
    assert "tiny-random <- simulated-teacher on ticket_triage can run here" in said
    for about in ("Python", "memory for tuning", "memory for answering", "disk", "rows", "length"):
        assert f"ok       {about}" in said


def test_everything_missing_is_said_with_its_fix(capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor.main(["experiments=demo", "service=gpt"]) == 1
    said = capsys.readouterr().out
    assert said.count("MISSING") == 2
    assert "set OPENAI_API_KEY" in said
    assert "pip download --no-deps" in said
    assert "can run here" not in said


def test_what_is_only_worth_a_look_ends_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["experiments=demo_tiny", "goal.at_least=99", "tuner.layers=1", "serving=tgi_l4"]
    assert doctor.main(words) == 0
    said = capsys.readouterr().out
    assert "look     goal: 16 test prompts cannot show a coverage of 99 %" in said
    assert "look     will be served by TGI: merged: it wants a target in every layer" in said


def test_lines_stand_in_one_column(capsys: pytest.CaptureFixture[str]) -> None:
    doctor.main(["experiments=demo", "service=gpt_4o"])
    said = capsys.readouterr().out
    assert all(line[:9].strip() in ("", "ok", "look", "MISSING") for line in said.splitlines())
    assert all(line[8] == " " != line[9] for line in said.splitlines() if line[:1] != " ")
