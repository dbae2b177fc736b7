"""What guidellm is told and how a sweep goes, without it."""

import os
import signal
import subprocess
import sys
import time
from io import StringIO
from pathlib import Path
from typing import Any

import psutil
import pytest
from measurements import at

from llamaduo.errors import LlamaDuoError
from llamaduo.load import tool
from llamaduo.load.measure import STEPS, Measuring, rounded, sweep
from llamaduo.load.plan import ALONE, Plan, alone, mixed, scenario
from llamaduo.load.sent import Sent
from llamaduo.load.tool import KEY, environment, kind_of
from llamaduo.loads import AtRate
from llamaduo.progress import Progress
from llamaduo.records import Message
from llamaduo.serving.endpoint import Endpoint

CHATS = tuple((Message(role="user", content=f"question {i}"),) for i in range(5))
ENDPOINT = Endpoint(engine="vllm", url="http://gpu:8000", model="triage", base=None, timeout=60)


def plan(seconds: float = 10) -> Plan:
    return Plan(
        endpoint=ENDPOINT,
        chats=CHATS,
        max_new_tokens=16,
        temperature=0.2,
        seconds=seconds,
        arrivals="poisson",
        seed=7,
    )


def test_each_rate_gets_its_seconds_of_requests_and_those_of_its_warm_up() -> None:
    told = scenario(plan(), [0.5, 2], Path("out.json"))
    assert told["benchmarks"] == [
        {"profile.rate": [0.5], "constraints[0].count": 6},
        {"profile.rate": [2], "constraints[0].count": 24},
    ]
    assert told["spec"]["profile"]["kind"] == "poisson"
    assert told["spec"]["constraints"][1] == {"kind": "max_duration", "seconds": 72}


def test_where_half_of_the_requests_fail_no_higher_rate_is_tried() -> None:
    [*_, hopeless] = scenario(plan(), [1, 2], Path("out.json"))["spec"]["constraints"]
    assert (hopeless["rate"], hopeless["stopping_scope"]) == (0.5, "all")


def test_prompts_begin_again_where_a_rate_takes_more() -> None:
    [data] = scenario(plan(), [0.5, 2], Path("out.json"))["spec"]["data"]
    sent = [row["messages"][0]["content"] for row in data["data"]]
    assert sent == [f"question {i % 5}" for i in range(24)]


def test_no_connection_is_trusted_blindly_and_no_key_is_in_the_file() -> None:
    backend = scenario(plan(), [1], Path("out.json"))["spec"]["backend"]
    assert backend["verify"] is True
    assert "api_key" not in backend


def test_one_after_another_are_a_few() -> None:
    told = alone(plan(), Path("out.json"))
    assert told["spec"]["profile"] == {"kind": "synchronous"}
    assert told["spec"]["constraints"][0]["count"] == ALONE
    assert "benchmarks" not in told


def test_each_prompt_is_there_once_in_an_order_of_the_seed() -> None:
    found = mixed([*CHATS, CHATS[0]], 1)
    assert found != CHATS and set(found) == set(CHATS) and len(found) == 5
    assert found == mixed(CHATS, 1) != mixed(CHATS, 2)


def test_the_child_has_the_servers_key_and_no_other_secret(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SOME_API_KEY", "of-somebody-else")
    monkeypatch.setenv("GUIDELLM__SPEC__PROFILE__KIND", "throughput")
    found = environment("swordfish-of-the-server")
    assert found[KEY] == "swordfish-of-the-server"
    assert "SOME_API_KEY" not in found and "GUIDELLM__SPEC__PROFILE__KIND" not in found
    assert found["PATH"] == os.environ["PATH"]
    assert KEY not in environment(None)


def test_it_is_found_beside_this_python_before_the_path(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    beside = tmp_path / "here" / tool.PROGRAM
    beside.parent.mkdir()
    beside.touch()
    monkeypatch.setattr("sys.executable", str(beside.with_name("python")))
    assert tool.program() == str(beside)


@pytest.mark.parametrize(
    ("error", "sent", "kind"),
    [
        (
            "HTTPStatusError(\"Server error '503 Service Unavailable' for url 'http://a/b'\")",
            True,
            "HTTP 503 Service Unavailable",
        ),
        ("ReadTimeout('')", True, "timed out"),
        ("ConnectError('All connection attempts failed')", True, "no connection"),
        ("SomethingNew('x')", True, "SomethingNew"),
        ("", True, "cut off"),
        ("Request was cancelled", True, "cut off"),
        ("", False, "never sent"),
    ],
)
def test_failures_of_one_kind_are_counted_together(error: str, sent: bool, kind: str) -> None:
    assert kind_of(error, sent=sent) == kind


class Server:
    """Answers in 100 ms up to a rate, and in 900 ms above it."""

    def __init__(self, most: float) -> None:
        self.most = most
        self.asked: list[float] = []

    def measure(self, rates: object) -> list[AtRate]:
        assert isinstance(rates, list)
        self.asked += rates
        return [at(rate, 100 if rate <= self.most else 900) for rate in rates]


def test_a_sweep_doubles_the_rate_until_it_is_too_much() -> None:
    server = Server(most=1.5)
    found = sweep(server.measure, 0.5, None)
    assert server.asked == [0.5, 1, 2]
    assert [one.rate for one in found] == [0.5, 1, 2]


def test_a_sweep_ends_where_its_first_rate_is_too_much_or_nothing_ever_is() -> None:
    slow, endless = Server(most=0), Server(most=1e9)
    sweep(slow.measure, 0.5, 800)
    sweep(endless.measure, 0.5, 800)
    assert (len(slow.asked), len(endless.asked)) == (1, STEPS)


@pytest.mark.parametrize(("rate", "two"), [(0.123, 0.12), (1.26, 1.3), (126, 130), (9.99, 10)])
def test_a_rate_has_two_digits(rate: float, two: float) -> None:
    assert rounded(rate) == pytest.approx(two)


def reported(**times: float | None) -> dict[str, Any]:
    """Return a request of guidellm's report that was answered."""
    names = ("targeted_start", "request_start", "first_token_iteration", "last_token_iteration")
    timings = dict.fromkeys((*names, "request_end", "resolve_end")) | {"token_iterations": 3}
    counted = {"total_tokens": 4}
    return {
        "info": {
            "status": "completed",
            "error": None,
            "scheduler_start_time": 1000.0,
            "timings": timings | times,
        },
        "input_metrics": counted,
        "output_metrics": counted,
    }


@pytest.mark.parametrize(("targeted", "due"), [(1005.0, 1005), (-0.7, 1002), (None, 1002)])
def test_a_request_is_due_when_it_was_planned_or_else_when_it_was_sent(
    targeted: float | None, due: float
) -> None:
    row = reported(targeted_start=targeted, request_start=1002.0, request_end=1009.0)
    report = {
        "metadata": {"version": 2, "guidellm_version": "0.8.1"},
        "benchmarks": [{"requests": {"successful": [row], "errored": [], "total": None}}],
    }
    [[found]], name = tool._read(report)
    assert (found.due, found.ended, found.why, name) == (due, 1009, "", "guidellm 0.8.1")
    assert found.planned == (targeted != -0.7)


def test_a_report_of_another_shape_is_refused_with_what_to_install() -> None:
    with pytest.raises(LlamaDuoError, match=r"pip install 'guidellm>=0\.8\.1,<0\.9'"):
        tool._read({"metadata": {"version": 3, "guidellm_version": "0.9.0"}})


def test_requests_that_were_sent_in_a_crowd_are_no_measurement(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    row = Sent.model_validate(
        dict.fromkeys(("begun", "first", "last", "ended"), 1.0)
        | {"due": 1.0, "why": "", "prompt_tokens": 1, "output_tokens": 1, "pieces": 1}
    )
    crowd = row.model_copy(update={"planned": False})
    reports = [[[crowd] * 2 + [row] * 8], [[crowd] + [row] * 9]]
    monkeypatch.setattr(tool, "run", lambda *_: (reports.pop(0), "guidellm 0.8.1"))
    out = StringIO()
    [found] = Measuring(plan(), Progress(out)).rates([1])
    assert found.rate == 1 and "not as planned; once more" in out.getvalue()
    reports += [[[crowd] * 10]] * 2
    with pytest.raises(LlamaDuoError, match="too busy to send requests when they are due"):
        Measuring(plan(), Progress(out)).rates([1])


def test_rates_that_were_left_out_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    row = Sent.model_validate(
        dict.fromkeys(("begun", "first", "last", "ended"), 1.0)
        | {"due": 1.0, "why": "", "prompt_tokens": 1, "output_tokens": 1, "pieces": 1}
    )
    monkeypatch.setattr(tool, "run", lambda *_: ([[row]], "guidellm 0.8.1"))
    out = StringIO()
    assert len(Measuring(plan(), Progress(out)).rates([1, 2, 4])) == 1
    assert "load: 2, 4 requests/s were not tried: at 1 half or more" in out.getvalue()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_load_test_that_is_ended_leaves_no_sender_and_no_prompts(
    number: int, tmp_path: Path
) -> None:
    sender = tmp_path / "sender"
    sender.write_text(
        f"#!{sys.executable}\n"
        "import os, time\n"
        f"open({str(tmp_path / 'at')!r}, 'w').write(f'{{os.getpid()}} {{os.getcwd()}} end')\n"
        "time.sleep(600)\n"
    )
    sender.chmod(0o755)
    program = (
        "import signal; from llamaduo.load import tool\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        f"tool.program = lambda: {str(sender)!r}\n"
        "tool.run(lambda out: {'data': 'a prompt'}, None)\n"
    )
    source = str(Path(tool.__file__).parents[2])
    with subprocess.Popen(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": source, "TMPDIR": str(tmp_path)},
        stderr=subprocess.DEVNULL,
    ) as process:
        while not (at := tmp_path / "at").exists() or not at.read_text().endswith("end"):
            assert process.poll() is None
            time.sleep(0.05)
        pid, folder, _ = at.read_text().split()
        below = psutil.Process(int(pid))
        assert (Path(folder) / "scenario.json").is_file()
        process.send_signal(number)
        assert process.wait(20) != 0
    psutil.wait_procs([below], timeout=20)
    assert not below.is_running() or below.status() == psutil.STATUS_ZOMBIE
    assert not Path(folder).exists()
