"""`llamaduo rollout` as it is typed."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from conftest import Finished, move_in
from rollout_world import jsonl, payload

from llamaduo import running
from llamaduo.config import from_overrides
from llamaduo.errors import LlamaDuoError, UsageError
from llamaduo.promotion.held import Held
from llamaduo.promotion.served import Served
from llamaduo.rollout import payloads
from llamaduo.rollout.phase import Local, begin
from llamaduo.rollout.state import Asked, read
from llamaduo.serving.endpoint import Endpoint
from llamaduo.tracker.mlflow import MlflowTracker
from llamaduo.tracker.registry import opened
from llamaduo.verbs import rollout
from llamaduo.verbs.pairs import month_for

SERVICE = [
    "service=openai_compatible",
    "service.name=stand-in",
    "service.model=openai/gpt-x",
    "service.api_base=http://127.0.0.1:9/v1",
    "service.price={input: 2, output: 8, as_of: 2026-11-01, source: a test}",
]


def typed(*words: str) -> int:
    return rollout.main(list(words))


def captured(folder: Path, rows: list[Any]) -> Path:
    logs = folder / "logs"
    logs.mkdir(parents=True)
    (logs / "calls-2026-11-24.jsonl").write_text(jsonl(rows))
    return logs


def test_capture_check_import_and_rollback_need_no_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed("capture", "tickets", *SERVICE) == 0
    folder = tmp_path / ".llamaduo/rollout/tickets"
    said = capsys.readouterr().out
    assert f"step 1: {folder}/litellm.capture.yaml" in said
    assert "LITELLM_MASTER_KEY, OPENAI_API_KEY" in said
    logs = captured(folder, [payload(n) for n in range(12)])
    assert typed("check") == 0
    said = capsys.readouterr().out
    assert said.splitlines()[-1] == "verdict: hold" and "12" in said
    assert json.loads((folder / "check.json").read_text())["phase"] == "capture"
    assert typed("import", str(logs), "--into=rows.jsonl") == 0
    assert "12 of 12 calls are rows: rows.jsonl" in capsys.readouterr().out
    assert from_overrides(["task.rows.path=rows.jsonl"]).task.place()
    assert typed("rollback", "--force", "just in case") == 0
    state = read(folder)
    assert state is not None and state.current.phase == "rollback"
    assert [one.verdict for one in state.checks] == ["hold"]
    assert state.current.forced == "", "nothing stands against going back"


def test_logs_may_stand_elsewhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    typed("capture", "tickets", *SERVICE, "--into=mine")
    logs = captured(tmp_path / "elsewhere", [payload(1)])
    capsys.readouterr()
    assert typed("check", "tickets", "--into=mine", f"--logs={logs}") == 0
    assert "service" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["canari"], "canari is none of capture, .*did you mean `canary`"),
        ([], "nothing is none of"),
        (["capture", "--share=0.1"], "rollout capture takes no --share"),
        (["shadow", "--logs=x"], "rollout shadow takes no --logs"),
        (["import", "x"], "give files of captured calls, and --into"),
        (["import", "x", "--into=rows.jsonl"], "there is no file or folder x"),
        (["check", "tickets"], "nothing was begun in"),
        (["capture", "a", "b", *SERVICE], "one model at a time"),
        (["capture", "a b", *SERVICE], "letters, digits"),
        (["capture", "tickets"], "who is the service"),
        (["capture", "..", *SERVICE], r"rollout: \.\.: the name of a model begins with no dot"),
        (["check", ".hidden"], "begins with no dot"),
    ],
)
def test_what_cannot_be_is_said_with_what_to_type(words: list[str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        typed(*words)


def test_a_number_of_pairs_is_one_or_more(tmp_path: Path) -> None:
    typed("capture", "tickets", *SERVICE)
    with pytest.raises(UsageError, match="--pairs is 1 or more; got 0"):
        typed("check", "--pairs=0")


def test_a_rollback_given_while_check_judges_is_not_undone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed("capture", "tickets", *SERVICE)
    folder, real = tmp_path / ".llamaduo/rollout/tickets", month_for

    def slowly(*given: Any) -> Any:
        typed("rollback", "tickets")
        return real(*given)

    monkeypatch.setattr("llamaduo.verbs.pairs.month_for", slowly)
    typed("check", "tickets")
    state = read(folder)
    assert state is not None and state.current.phase == "rollback"
    assert [one.number for one in state.checks] == [1]


@pytest.mark.parametrize("asked", ["check", "import"])
def test_nothing_is_forgotten_while_captured_calls_are_read(
    asked: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed("capture", "tickets", *SERVICE)
    logs = captured(tmp_path / ".llamaduo/rollout/tickets", [payload(1)])
    beside: list[Any] = []

    real = payloads.lines

    def lines(files: Any) -> Any:
        forgetting = running.alone(tmp_path / ".llamaduo", "forget")
        with pytest.raises(LlamaDuoError, match=f"rollout {asked}"), forgetting:
            pass
        beside.append(files)
        return real(files)

    monkeypatch.setattr("llamaduo.rollout.payloads.lines", lines)
    monkeypatch.setattr("llamaduo.rollout.rows.lines", lines)
    typed(*(["check"] if asked == "check" else ["import", str(logs), "--into=rows.jsonl"]))
    assert len(beside) == 1


def test_shadow_wants_a_promoted_model(tmp_path: Path) -> None:
    with pytest.raises(LlamaDuoError, match="no runs in MLflow"):
        typed("shadow", "tickets", *SERVICE)


def test_a_forced_canary_stands_on_the_version_and_where_it_is_served_on_the_model(
    finished: Finished, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    move_in(finished.home, home)
    weights = tmp_path / "weights"
    weights.mkdir()
    (weights / "card.md").write_text("a card")
    tracker = MlflowTracker()
    with opened(tracker, home) as registry:
        run = registry.run_of(finished.exp.fingerprint(), finished.exp.task.name)
        assert run is not None
        tags = {"llamaduo.adapter": "abc"}
        version = registry.add("tickets", "tickets", weights, run, tags, "a card")
    served = Served(form="adapter", base="TinyModel", local={}, engine={}, max_new_tokens=8)
    endpoint = Endpoint(engine="tgi", url="http://tgi:80", model="tickets", base=None)
    local = Local(
        Held(version, weights, served, ()), endpoint, "adapter", "bfloat16", tracker, home
    )
    asked = Asked(
        name="gpt",
        model="openai/gpt-x",
        usd_per_million=(2, 8),
        as_of=date(2026, 11, 1),
        source="a test",
        timeout=60,
    )
    done = begin(
        "canary",
        "tickets",
        tmp_path / "gateway",
        service=asked,
        local=local,
        share=None,
        force="a\nreason",
    )
    assert done.step.forced == "a reason" and len(done.step.against) == 2
    with opened(tracker, home) as registry:
        [found] = registry.versions("tickets")
        assert found.tags["llamaduo.rollout_forced"].endswith(": canary: a reason")
        model = registry.client.get_registered_model("tickets")
        assert model.tags["llamaduo.served_at"].startswith("http://tgi:80, 20")
