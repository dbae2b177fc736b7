"""The gateway's callback, driven as litellm drives it: from a folder of its own."""

import asyncio
import importlib.util
import json
import logging
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rollout_world import failure, payload

from llamaduo.rollout import capture as source
from llamaduo.rollout.phase import capture_settings
from llamaduo.rollout.settings import Rule, Settings

STAND_IN = (
    "import sys, types; base = types.ModuleType('b'); base.CustomLogger = object\n"
    "for n in ('litellm', 'litellm.integrations', 'litellm.integrations.custom_logger'):\n"
    "    sys.modules[n] = base\n"
)
"""In the place of litellm, which takes seconds to import."""
RULES = Settings(
    escalate=(
        Rule(name="by-hand", tag="complaints"),
        Rule(name="legal", matches="(?i)lawyer"),
        Rule(name="long", prompt_tokens_over=30),
    )
)


@pytest.fixture
def capture(tmp_path: Path) -> Any:
    """The file as `llamaduo rollout` puts it, loaded as litellm loads it."""
    folder = tmp_path / "gateway"
    folder.mkdir()
    path = Path(shutil.copy(source.__file__, folder))
    (folder / "capture.json").write_text(capture_settings("triage", RULES))
    spec = importlib.util.spec_from_file_location("capture", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def written(capture: Any) -> list[dict[str, Any]]:
    files = sorted((capture.HERE / "logs").glob("*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text().split("\n") if line]


def write(capture: Any, given: dict[str, Any], **more: Any) -> None:
    capture.proxy_handler_instance.write({"standard_logging_object": given, **more})


def route(capture: Any, data: dict[str, Any]) -> Any:
    hook = capture.proxy_handler_instance.async_pre_call_hook
    return asyncio.run(hook(None, None, data, "completion"))["model"]


def chat(text: str, **more: Any) -> dict[str, Any]:
    return {"model": "triage", "messages": [{"role": "user", "content": text}], **more}


def test_a_line_holds_the_call_and_nobody_s_name_key_or_address(
    capture: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STANDIN_API_KEY", "svc-secret-0123456789")
    private: dict[str, Any] = {
        "metadata": {"user_api_key_hash": "abc", "requester_ip_address": "10.0.0.1"}
    }
    private |= {"hidden_params": {"headers": 1}, "model_map_information": {"price": 1}}
    given = payload(1, end_user="jo", user_agent="x", **private)
    given["model_parameters"] = {"temperature": 0, "extra_headers": {"Authorization": "x"}}
    tool = {"type": "mcp", "server_url": "http://x", "headers": {"Authorization": "x"}}
    given["model_parameters"] |= {"tools": [tool], "stop": ["sk-abcdefgh1234567890xyz"]}
    given["model_parameters"] |= {"user": "jo", "safety_identifier": "jo", "metadata": {"a": "jo"}}
    given["request_tags"] = ["User-Agent: crm-jo/1.0", "complaints"]
    given["messages"][1] |= {"content": "my key is svc-secret-0123456789", "name": "jo"}
    write(capture, given)
    [row] = written(capture)
    tools = [{"type": "mcp", "server_url": "http://x"}]
    assert row["model_parameters"] == {"temperature": 0, "tools": tools, "stop": ["[key]"]}
    assert row["messages"][1] == {"role": "user", "content": "my key is [STANDIN_API_KEY]"}
    assert row["request_tags"] == ["complaints"]
    assert '"jo"' not in json.dumps(row) and "crm" not in json.dumps(row)
    assert not {"metadata", "hidden_params", "model_map_information", "end_user"} & set(row)
    assert row["response"] == given["response"] and row["model_id"] == given["model_id"]


@pytest.mark.parametrize(
    "said",
    [
        "a bearer certificate0001 of deposit",
        "part SK-10023456",
        "sk-",
        "a Bearer abcdefghijkl-01234567",
    ],
)
def test_what_people_write_is_left_as_it_is(capture: Any, said: str) -> None:
    write(capture, payload(1, messages=[{"role": "user", "content": said}]))
    assert written(capture)[0]["messages"][0]["content"] == said


def test_an_error_s_words_hold_no_key(capture: Any) -> None:
    given = failure(1, "1-cutover-local", "401", "AuthenticationError")
    key = "sk-abcdefgh1234567890xyz"
    said = f"Incorrect API key {key}, sent as Bearer {key}; a bearer certificate, part SK-10023456"
    write(capture, given | {"error_information": {"error_message": said}})
    kept = written(capture)[0]["error"]["error_message"]
    assert kept == "Incorrect API key [key], sent as [key]; a bearer certificate, part SK-10023456"


def test_a_failed_call_leaves_its_cause(capture: Any) -> None:
    given = failure(1, "1-cutover-local", "422", "BadRequestError")
    given["error_information"] = {**given.pop("error"), "traceback": "long"}
    asyncio.run(
        capture.proxy_handler_instance.async_log_failure_event(
            {"standard_logging_object": given}, None, None, None
        )
    )
    capture.proxy_handler_instance.flush(30)
    [row] = written(capture)
    assert (row["error"]["error_code"], row["status"]) == ("422", "failure")
    assert "traceback" not in row["error"]


@pytest.mark.parametrize(
    "given",
    [
        {"standard_logging_object": payload(1, metadata={"is_silent_experiment": True})},
        {
            "standard_logging_object": payload(1),
            "litellm_params": {"metadata": {"is_silent_experiment": True}},
        },
    ],
)
def test_a_copy_is_marked_wherever_litellm_says_so(capture: Any, given: dict[str, Any]) -> None:
    capture.proxy_handler_instance.write(given)
    write(capture, payload(2))
    assert [row["is_silent_experiment"] for row in written(capture)] == [True, False]


def test_a_call_too_long_for_a_line_keeps_all_but_its_chat(capture: Any) -> None:
    write(capture, payload(1, messages=[{"role": "user", "content": "x" * capture.LONGEST}]))
    [row] = written(capture)
    assert row["messages"] is None and row["response"] is None
    assert row["too_long"] > capture.LONGEST and row["prompt_tokens"] == 100


def test_a_folder_that_cannot_be_written_is_counted_and_said_and_breaks_no_call(
    capture: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv(capture.FOLDER, str(tmp_path / "file"))
    with caplog.at_level(logging.ERROR):
        for number in range(3):
            write(capture, payload(number))
        capture.proxy_handler_instance.write({})
    assert capture.proxy_handler_instance.lost == 4
    assert len(caplog.messages) == 1 and "1 not written" in caplog.messages[0]
    monkeypatch.delenv(capture.FOLDER)
    for number in (7, 8):
        write(capture, payload(number))
    assert [row.get("lost_before") for row in written(capture)] == [4, None]


def test_a_disk_that_stands_still_keeps_no_call_waiting_and_what_overflows_is_counted(
    capture: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    goes_on, real = threading.Event(), capture.append

    def stalled(path: Path, line: bytes) -> None:
        goes_on.wait(60)
        real(path, line)

    monkeypatch.setattr(capture, "append", stalled)
    one = capture.proxy_handler_instance
    began = time.monotonic()
    for number in range(capture.WAITING + 6):
        event = one.async_log_success_event
        coroutine = event({"standard_logging_object": payload(number)}, None, None, None)
        with pytest.raises(StopIteration):
            coroutine.send(None)  # it never waits
    assert time.monotonic() - began < 30
    assert 5 <= one.lost <= 6, "one is in the writer's hand"
    goes_on.set()
    one.flush(60)
    rows = written(capture)
    assert len(rows) == capture.WAITING + 6 - one.lost
    assert sum(row.get("lost_before", 0) for row in rows) == one.lost


def test_lines_that_wait_are_written_before_the_gateway_ends(capture: Any) -> None:
    code = (
        "import sys; sys.path[:0] = [sys.argv[1]]\n"
        "import capture\n"
        "for i in range(50):\n"
        "    capture.proxy_handler_instance.take({'standard_logging_object': {'id': str(i)}})\n"
    )
    subprocess.run([sys.executable, "-c", STAND_IN + code, str(capture.HERE)], check=True)
    assert [row["id"] for row in written(capture)] == [str(i) for i in range(50)]


def test_a_full_disk_leaves_whole_lines_only(capture: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    write(capture, payload(1))
    real: Callable[..., int] = capture.os.write

    def half(file: int, line: bytes) -> int:
        return real(file, line[: len(line) // 2])

    monkeypatch.setattr(capture.os, "write", half)
    write(capture, payload(2))
    monkeypatch.undo()
    write(capture, payload(3))
    assert [row["trace_id"] for row in written(capture)] == ["trace-1", "trace-3"]
    assert capture.proxy_handler_instance.lost == 1


def test_what_a_kill_left_of_a_line_spoils_no_other(capture: Any) -> None:
    write(capture, payload(1))
    [file] = (capture.HERE / "logs").glob("*.jsonl")
    with file.open("ab") as torn:
        torn.write(b'{"half')
    write(capture, payload(2))
    lines = file.read_text().split("\n")
    assert lines[1] == '{"half' and json.loads(lines[2])["trace_id"] == "trace-2"
    assert file.stat().st_mode & 0o077 == 0


def test_many_workers_write_one_file_without_tearing_a_line(capture: Any) -> None:
    code = (
        "import sys; sys.path[:0] = [sys.argv[1]]\n"
        "import capture\n"
        "for i in range(50):\n"
        "    capture.proxy_handler_instance.write({'standard_logging_object':"
        " {'id': f'{sys.argv[2]}-{i}', 'messages': 'x' * 9000}})\n"
    )
    workers = [
        subprocess.Popen([sys.executable, "-c", STAND_IN + code, str(capture.HERE), str(n)])
        for n in range(4)
    ]
    assert [worker.wait(60) for worker in workers] == [0] * 4
    assert {row["id"] for row in written(capture)} == {
        f"{n}-{i}" for n in range(4) for i in range(50)
    }


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (chat("where is it?"), None),
        (chat("my LAWYER will call"), "legal"),
        (chat("word " * 60), "long"),
        (chat("x", metadata={"tags": ["complaints"]}), "by-hand"),
        (chat("x", tags=["complaints"]), "by-hand"),
        (chat("x", metadata={"tags": ["other"]}), None),
        ({"model": "triage", "messages": [{"role": "system", "content": "a lawyer"}]}, None),
        (
            {"model": "triage", "messages": [{"role": "user", "content": [{"text": "lawyer"}]}]},
            "legal",
        ),
    ],
)
def test_a_rule_sends_its_calls_to_the_service_and_says_which(
    capture: Any, data: dict[str, Any], rule: str | None
) -> None:
    assert route(capture, data) == ("triage-escalated" if rule else "triage")
    tags = (data.get("metadata") or {}).get("tags") or []
    assert (f"llamaduo-escalated:{rule}" in tags) == (rule is not None)


def test_a_call_of_another_model_or_kind_is_left_alone(capture: Any) -> None:
    assert route(capture, {**chat("lawyer"), "model": "other"}) == "other"
    assert route(capture, {"model": "triage", "input": "lawyer"}) == "triage"


def test_rules_that_cannot_be_read_cost_no_caller_the_answer(
    capture: Any, caplog: pytest.LogCaptureFixture
) -> None:
    (capture.HERE / "capture.json").unlink()
    capture.proxy_handler_instance = capture.Capture()
    assert route(capture, chat("lawyer")) == "triage"
    assert "no rule of escalation can be read" in caplog.text


def test_new_rules_come_with_the_restart_as_the_groups_they_send_to_do(capture: Any) -> None:
    rules = Settings(escalate=(Rule(name="parcels", matches="parcel"),))
    (capture.HERE / "capture.json").write_text(capture_settings("triage", rules))
    assert route(capture, chat("my parcel")) == "triage"
    capture.proxy_handler_instance = capture.Capture()
    assert route(capture, chat("my parcel")) == "triage-escalated"
