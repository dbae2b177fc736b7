"""`llamaduo ui`: MLflow's pages, for as long as one looks."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import requests
from conftest import Finished
from mlflow_server import free_port

from llamaduo.errors import UsageError
from llamaduo.verbs import ui


def started(home: Path, port: int, out: Path) -> "subprocess.Popen[bytes]":
    """Start the verb in a process of its own."""
    command = [sys.executable, "-m", "llamaduo", "ui", f"home={home}", f"--port={port}"]
    with out.open("w") as file:
        return subprocess.Popen(command, stderr=file, env={**os.environ, "PYTHONPATH": _source()})


def ended(process: "subprocess.Popen[bytes]", how: int) -> None:
    """End it by a signal, and see that nothing it started is left."""
    below = psutil.Process(process.pid).children(recursive=True)
    assert below
    process.send_signal(how)
    assert process.wait(60) == 0
    psutil.wait_procs(below, timeout=20)
    assert not [one for one in below if one.is_running()]


def test_the_pages_show_the_runs_of_a_home_until_they_are_ended(
    finished: Finished, tmp_path: Path
) -> None:
    port, out = free_port(), tmp_path / "out"
    process = started(finished.home, port, out)
    try:
        address = f"http://127.0.0.1:{port}"
        until = time.monotonic() + 180
        while address not in out.read_text():
            assert process.poll() is None, out.read_text()
            assert time.monotonic() < until
            time.sleep(0.2)
        found = requests.post(
            f"{address}/api/2.0/mlflow/experiments/search", json={"max_results": 9}, timeout=60
        ).json()["experiments"]
        assert "llamaduo/ticket_triage" in {one["name"] for one in found}
        assert address.removeprefix("http://") in out.read_text()
        ended(process, signal.SIGTERM)
    finally:
        process.kill()
        process.wait()
    assert "Traceback" not in out.read_text()


def test_ctrl_c_ends_them_while_they_come_up_too(finished: Finished, tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = started(finished.home, free_port(), out)
    try:
        until = time.monotonic() + 60
        while not psutil.Process(process.pid).children():
            assert process.poll() is None and time.monotonic() < until, out.read_text()
            time.sleep(0.1)
        time.sleep(0.5)  # it waits for its server now
        ended(process, signal.SIGINT)
    finally:
        process.kill()
        process.wait()
    assert "Traceback" not in out.read_text()


def _source() -> str:
    import llamaduo

    return str(Path(llamaduo.__file__).parents[1])


def test_a_server_is_only_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert ui.main(["tracker.uri=https://tracking.example.org"]) == 0
    assert capsys.readouterr().out == "runs: https://tracking.example.org\n"


def test_a_home_without_runs_and_a_tracker_that_shows_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"there are no runs under {tmp_path}"):
        ui.main([f"home={tmp_path}"])
    with pytest.raises(UsageError, match="shows runs nowhere; add tracker=mlflow"):
        ui.main(["tracker=none"])
    assert not (tmp_path / "mlruns").exists()


def test_a_port_that_is_taken_is_refused(finished: Finished) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"port {port} is taken; --port N takes another"):
            ui.main([f"home={finished.home}", "--port", str(port)])
