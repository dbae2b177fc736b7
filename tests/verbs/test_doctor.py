"""What is there and what is missing, with the fix."""

import pytest

from llamaduo.verbs import doctor


def test_a_machine_that_can_run_it_ends_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor.main(["experiments=demo_tiny"]) == 0
    said = capsys.readouterr().out
    assert "MISSING" not in said
    assert "tiny-random <- simulated-teacher on ticket_triage can run here" in said


def test_everything_missing_is_said_with_its_fix(capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor.main(["experiments=demo", "service=gpt"]) == 1
    said = capsys.readouterr().out
    assert said.count("MISSING") == 2
    assert "set OPENAI_API_KEY" in said
    assert "pip download --no-deps" in said
