"""`llamaduo report`: which run, where to, and what it says where it cannot."""

import json
import shutil
from pathlib import Path

import pytest
from conftest import Finished

from llamaduo import runs
from llamaduo.dossier import printing
from llamaduo.errors import UsageError
from llamaduo.verbs import report


@pytest.fixture
def place(finished: Finished, tmp_path: Path) -> Path:
    """The folder of the finished run, in a copy of its home."""
    shutil.copytree(finished.home / ".llamaduo", tmp_path / ".llamaduo")
    return tmp_path / ".llamaduo" / "runs" / finished.place.name


def test_it_stands_beside_the_report_of_the_newest_run(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report.main([]) == 0
    assert capsys.readouterr().out == f"dossier: {place / 'dossier.html'}\n"
    assert (place / "dossier.html").read_text().startswith("<!DOCTYPE html>")


def test_a_run_is_named_and_the_file_too(place: Path, tmp_path: Path) -> None:
    there = tmp_path / "new" / "mine.html"
    assert report.main([place.name[:6], f"home={tmp_path}", "--out", str(there)]) == 0
    assert there.is_file() and not (place / "dossier.html").exists()


def test_the_command_that_made_it_stands_in_it(place: Path) -> None:
    (place / runs.TYPED).write_text(json.dumps(["experiments=demo_tiny", "goal.at_least=60"]))
    report.main([])
    made = (place / "dossier.html").read_text()
    assert "llamaduo run experiments=demo_tiny goal.at_least=60</span>" in made


def test_a_run_that_is_not_finished_is_gone_on_with(place: Path) -> None:
    (place / runs.RESULT).unlink()
    (place / runs.TYPED).unlink(missing_ok=True)
    with pytest.raises(UsageError, match=r"is not finished. To go on: the command that began it"):
        report.main([place.name])
    (place / runs.TYPED).write_text(json.dumps(["experiments=demo_tiny", "task=my own"]))
    (place / "error.json").write_text(json.dumps({"error": "OverBudget", "message": "no money"}))
    said = (
        r"is not finished; it ended with OverBudget: no money. "
        r"To go on: llamaduo run experiments=demo_tiny 'task=my own'"
    )
    with pytest.raises(UsageError, match=said):
        report.main([place.name])


def test_a_result_that_cannot_be_read_is_said(place: Path) -> None:
    (place / runs.RESULT).write_text("{}")
    with pytest.raises(UsageError, match=r"result.json cannot be read .*: it is damaged"):
        report.main([])


def test_where_nothing_can_be_written_nothing_is_read(place: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--out: .* is a folder; name a file"):
        report.main(["--out", str(tmp_path)])
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=r"--pdf: nothing can be written under"):
        report.main(["--pdf", str(tmp_path / "file" / "x.pdf")])
    assert not (place / "dossier.html").exists()


def test_without_a_chromium_the_file_is_there_and_the_way_to_paper_is_said(
    place: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match=r"none of chromium, .* open the HTML file in any browser"):
        report.main(["--pdf", "x.pdf"])
    assert (place / "dossier.html").is_file() and not Path("x.pdf").exists()


def test_a_browser_that_prints_nothing_is_said(
    place: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake = tmp_path / "chromium"
    fake.write_text("#!/bin/sh\necho 'no display' >&2\n")
    fake.chmod(0o755)
    monkeypatch.setattr(printing, "browser", lambda: str(fake))
    with pytest.raises(UsageError, match=r"printed nothing \(no display\); open the HTML file"):
        report.main(["--pdf", "x.pdf"])
    assert not Path("x.pdf").exists()


def test_paper_is_one_that_there_is() -> None:
    with pytest.raises(UsageError, match=r"report: argument --paper: invalid choice: 'a5'"):
        report.main(["--paper", "a5"])
