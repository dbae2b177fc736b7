"""What a run is found by: its command, its commit, its user."""

import subprocess
from pathlib import Path

import pytest

from llamaduo import labels
from llamaduo.config import from_overrides
from llamaduo.started import Started


def test_the_command_is_the_source_of_a_run_without_a_secret_in_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MY_API_KEY", "abcdefgh-12345678")
    started = Started(overrides=("experiments=demo_tiny", "task.name=abcdefgh-12345678 x"))
    found = labels.source(started)
    assert found["mlflow.source.name"] == (
        "llamaduo run experiments=demo_tiny 'task.name=[MY_API_KEY] x'"
    )
    assert "mlflow.source.name" not in labels.source(None)


def test_the_commit_is_that_of_the_working_folder_and_whether_it_was_changed(
    tmp_path: Path,
) -> None:
    def git(*words: str) -> str:
        who = ["-c", "user.name=a", "-c", "user.email=a@b"]
        done = subprocess.run(["git", *who, *words], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    assert "mlflow.source.git.commit" not in labels.source(None), "there is no repository"
    git("init", "-q")
    assert "mlflow.source.git.commit" not in labels.source(None), "nor a commit"
    (tmp_path / "rows.jsonl").write_text("{}")
    git("add", ".")
    git("commit", "-q", "-m", "rows")
    found = labels.source(None)
    assert found["mlflow.source.git.commit"] == git("rev-parse", "HEAD")
    assert found["llamaduo.git.dirty"] == "false"
    (tmp_path / "rows.jsonl").write_text("{ }")
    assert labels.source(None)["llamaduo.git.dirty"] == "true"


def test_a_run_without_git_has_no_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert "mlflow.source.git.commit" not in labels.source(None)


def test_a_goal_is_a_share_or_what_the_service_reaches() -> None:
    assert labels.tags(from_overrides(["goal.at_least=85"]))["llamaduo.goal"] == "85 %"
    held = from_overrides(["goal.against=service", "goal.margin=5", "baselines=[service]"])
    assert labels.tags(held)["llamaduo.goal"] == "the service less 5"
