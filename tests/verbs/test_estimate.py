"""`llamaduo estimate`: what it prints and writes, for a config that can run and one that cannot."""

import json
from pathlib import Path

import pytest
from conftest import Finished

from llamaduo.errors import UsageError
from llamaduo.forecast.figures import Forecast
from llamaduo.task.rows import FileRows
from llamaduo.verbs import estimate


def test_a_fresh_home_is_left_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert estimate.main(["experiments=demo_tiny", f"home={tmp_path}/none"]) == 0
    said = capsys.readouterr().out
    assert "simulated-teacher is simulated: play money" in said
    assert "bought so far: nothing" in said
    assert not (tmp_path / "none").exists()


def test_a_finished_run_is_shown_with_what_it_paid_and_measured(
    finished: Finished, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "said.json"
    words = ["experiments=demo_tiny", f"home={finished.home}", "--json", str(file)]
    assert estimate.main(words) == 0
    said = capsys.readouterr().out
    paid = sum(tally.usage.usd for tally in finished.result.tallies)
    calls = sum(tally.calls for tally in finished.result.tallies)
    assert f"{calls:,} calls for ${paid:.4f}" in said
    assert "it has come to its end" in said
    assert "measured here, n = " in said
    read = json.loads(file.read_text())
    total = read.pop("total")
    assert Forecast.model_validate(read).total().model_dump(mode="json") == total
    assert total["usd"]["least"] <= paid <= total["usd"]["most"]


def test_a_missing_key_stops_no_estimate_and_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["experiments=demo_tiny", "service=gpt", f"home={tmp_path}", "budget_usd=0.1"]
    assert estimate.main(words) == 0
    said = capsys.readouterr().out
    assert "MISSING  gpt-5.4-2026-03-05: no API key; set OPENAI_API_KEY" in said
    assert "gpt-5.4-2026-03-05: $" in said
    assert "the budget of $0.10" in said


def test_rows_that_cannot_be_fetched_are_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(rows: FileRows) -> None:
        raise ConnectionError("nobody is there")

    monkeypatch.setattr(FileRows, "read", away)
    with pytest.raises(
        UsageError, match="ticket_triage are not here, and cannot be fetched: nobody"
    ):
        estimate.main(["experiments=demo_tiny", f"home={tmp_path}"])


def test_a_file_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    words = ["experiments=demo_tiny", f"home={tmp_path}", "--json", str(tmp_path)]
    with pytest.raises(UsageError, match=r"--json .*: cannot be written"):
        estimate.main(words)
