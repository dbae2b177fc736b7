"""A server in a process of its own, and that nothing of it is left."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from mlflow_server import free_port

from llamaduo.child_server import answers, last_words, refuse_taken, started
from llamaduo.errors import UsageError

HEALTHY = """
import http.server, subprocess, sys
below = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print("below", below.pid, flush=True)
class Health(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/health" else 404)
        self.end_headers()
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Health).serve_forever()
"""
STUBBORN = (
    """
import signal
signal.signal(signal.SIGTERM, lambda *_: print("asked to end", flush=True))
"""
    + HEALTHY
)


def command(program: str, port: int) -> list[str]:
    return [sys.executable, "-c", program, str(port)]


def test_it_answers_inside_the_block_and_nothing_is_left_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # for addresses of other machines
    port, log = free_port(), tmp_path / "log"
    refuse_taken(port, "serve")
    what = command(HEALTHY, port)
    with started(what, cwd=tmp_path, environment=os.environ, log=log) as server:
        assert answers(server, port, 60)
        below = psutil.Process(int(last_words(log).split()[1]))
        assert below.is_running()
        with pytest.raises(UsageError, match=f"serve: port {port} is taken; --port N takes"):
            refuse_taken(port, "serve")
    assert server.returncode is not None
    psutil.wait_procs([below], timeout=20)
    assert not below.is_running() or below.status() == psutil.STATUS_ZOMBIE


def test_one_that_dies_is_not_waited_for_and_its_last_words_are_kept(tmp_path: Path) -> None:
    what = [sys.executable, "-c", "print('there is no memory'); raise SystemExit(3)"]
    began, heard = time.monotonic(), list[float]()
    with started(what, cwd=tmp_path, environment=os.environ, log=tmp_path / "log") as server:
        assert not answers(server, free_port(), 600, heard.append)
    assert time.monotonic() - began < 60 and heard == sorted(heard)
    assert (server.returncode, last_words(tmp_path / "log")) == (3, "there is no memory")


def test_one_that_never_answers_is_given_up(tmp_path: Path) -> None:
    what = [sys.executable, "-c", "import time; time.sleep(600)"]
    with started(what, cwd=tmp_path, environment=os.environ, log=tmp_path / "log") as server:
        assert not answers(server, free_port(), 0.3)
        assert server.poll() is None


@pytest.mark.parametrize(
    ("number", "ignored", "ends"),
    [
        (signal.SIGTERM, False, True),
        (signal.SIGHUP, False, True),  # its terminal was closed
        (signal.SIGHUP, True, False),  # nohup
    ],
)
def test_what_is_told_to_end_takes_its_server_along(
    number: int, ignored: bool, ends: bool, tmp_path: Path
) -> None:
    program = f"""
import os, signal, time
from pathlib import Path
from llamaduo.child_server import started
signal.signal(signal.SIGHUP, signal.SIG_IGN if {ignored} else signal.SIG_DFL)
with started([{sys.executable!r}, "-c", "import time; time.sleep(600)"],
             cwd=Path({str(tmp_path)!r}), environment=os.environ, log=Path("log")) as server:
    try:
        print(server.pid, flush=True)
        time.sleep(1 if {ignored} else 60)
        print("slept", flush=True)
    except KeyboardInterrupt:
        print("told", flush=True)
"""
    source = str(Path(__file__).parents[1])
    with subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": source},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        server = psutil.Process(int(process.stdout.readline()))
        process.send_signal(number)
        assert process.stdout.readline() == ("told\n" if ends else "slept\n")
        assert process.wait(20) == 0
    psutil.wait_procs([server], timeout=20)
    assert not server.is_running()


def test_one_that_does_not_listen_to_sigterm_is_ended_by_a_second_ctrl_c(tmp_path: Path) -> None:
    program = f"""
import os, sys
from pathlib import Path
from llamaduo.child_server import answers, started
with started({command(STUBBORN, (port := free_port()))!r}, cwd=Path({str(tmp_path)!r}),
             environment=os.environ, log=Path("log")) as server:
    assert answers(server, {port}, 60)
    try:
        print(server.pid, flush=True)
        server.wait()
    except KeyboardInterrupt:
        print("told", flush=True)
"""
    source = str(Path(__file__).parents[1])
    with subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": source},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        server = psutil.Process(int(process.stdout.readline()))
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == "told\n"
        while "asked to end" not in last_words(tmp_path / "log"):  # it waits for its end then
            time.sleep(0.05)
        assert server.is_running()
        process.send_signal(signal.SIGINT)
        assert process.wait(8) == 0  # sooner than the time a server has to end
    psutil.wait_procs([server], timeout=20)
    assert not server.is_running()


def test_a_port_on_which_nothing_listens_is_free() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        refuse_taken(bound.getsockname()[1], "serve")
