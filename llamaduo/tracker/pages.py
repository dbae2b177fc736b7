"""MLflow's pages on the runs of a home: a server of one's own, for as long as one looks."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from urllib.error import URLError
from urllib.request import urlopen

from llamaduo.errors import TrackerError, UsageError
from llamaduo.progress import Progress
from llamaduo.tracker import database

HOST = "127.0.0.1"
READY = 120.0
"""Seconds to wait until it answers; most of them are imports."""
GONE = 10.0
"""Seconds it has to end."""


def look(home: Path, port: int, progress: Progress) -> None:
    """Serve MLflow's pages on the runs of `home` until Ctrl-C; its artifacts are put right first.

    Raises:
        UsageError: there are no runs, or the port is taken.
        TrackerError: the server does not come up; what it said is in the message.
    """
    file = database.folder_of(home) / database.FILE
    if not file.is_file():
        shown = any((home / ".llamaduo" / "runs").glob("*/result.json"))
        raise UsageError(
            f"ui: the runs under {home} were not shown in MLflow (tracker=none); the same command "
            "with tracker=mlflow shows them, and makes nothing again"
            if shown
            else f"ui: there are no runs under {home}; home=DIR names another folder"
        )
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if tried.connect_ex((HOST, port)) == 0:
            raise UsageError(f"ui: port {port} is taken; --port N takes another")
    with database.locked(home):
        database.put_right(home, progress)
    log = file.with_name("ui.log")
    with _told_to_stop(), log.open("wb") as said:
        server = subprocess.Popen(
            command(file, port),
            cwd=file.parent,
            env=environment(os.environ),
            stdout=said,
            stderr=said,
            start_new_session=True,  # Ctrl-C is ours, and it is ended by us
        )
        try:
            if not _answers(server, port):
                why = log.read_text(encoding="utf-8", errors="replace")[-1000:].strip()
                raise TrackerError(f"ui: MLflow's server did not come up ({log}):\n{why}")
            progress.say(f"the runs of {home}: http://{HOST}:{port} (Ctrl-C ends it)")
            server.wait()
            raise TrackerError(f"ui: MLflow's server ended by itself; it said why in {log}")
        except KeyboardInterrupt:
            return
        finally:
            _end(server)


def command(file: Path, port: int) -> list[str]:
    """Return what serves the database `file` to this machine alone."""
    return [
        *(sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", str(port)),
        *("--workers", "1", "--backend-store-uri", f"sqlite:///{file}"),
        *("--default-artifact-root", (file.parent / database.ARTIFACTS).as_uri()),
    ]


def environment(of: "os._Environ[str]") -> dict[str, str]:
    """Return the server's environment: it asks nobody on the network, and starts no jobs."""
    own = {name: value for name, value in of.items() if not name.startswith("MLFLOW_")}
    return own | {
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }


@contextmanager
def _told_to_stop() -> Iterator[None]:
    """Take the signal by which `kill` and service managers end a process as Ctrl-C."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _answers(server: "subprocess.Popen[bytes]", port: int) -> bool:
    until = time.monotonic() + READY
    while server.poll() is None and time.monotonic() < until:
        with suppress(URLError, OSError), urlopen(f"http://{HOST}:{port}/health", timeout=5):
            return True
        time.sleep(0.2)
    return False


def _end(server: "subprocess.Popen[bytes]") -> None:
    """End the server and all that it started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(server.pid, number)
        with suppress(subprocess.TimeoutExpired):
            server.wait(GONE)
