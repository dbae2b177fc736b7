"""`llamaduo serve`: a promoted version behind an address, for as long as it is wanted."""

import io
import os
import shlex
import signal
import subprocess
import sys
import time
from contextlib import redirect_stdout
from pathlib import Path

import psutil
import pytest
import requests
from conftest import Finished, move_in
from mlflow_server import free_port

import llamaduo
from llamaduo.errors import UsageError
from llamaduo.promotion.served import Chat
from llamaduo.verbs import promote, serve, versioned

ROOT = Path(llamaduo.__file__).parents[1]


@pytest.fixture(scope="module")
def promoted(finished: Finished, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose run is promoted."""
    from mlflow.tracking._tracking_service import utils

    home = tmp_path_factory.mktemp("promoted")
    move_in(finished.home, home)
    utils._artifact_repos_cache.clear()  # this process knows the runs' files where they were
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(io.StringIO()):
        patch.setenv("XDG_CACHE_HOME", str(cache))
        patch.chdir(home)
        promote.main([f"home={home}", "--force", "to try it"])
    return home


def test_a_champion_is_served_until_it_is_ended_and_nothing_is_left(
    promoted: Path, tmp_path: Path
) -> None:
    port, out, err = free_port(), tmp_path / "out", tmp_path / "err"
    words = ["serve", f"home={promoted}", f"--port={port}"]
    with out.open("w") as said, err.open("w") as told:
        process = subprocess.Popen(
            [sys.executable, "-m", "llamaduo", *words],
            stdout=said,
            stderr=told,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
    try:
        until = time.monotonic() + 180
        while "llamaduo probe" not in out.read_text():
            assert process.poll() is None, err.read_text()
            assert time.monotonic() < until, err.read_text()
            time.sleep(0.2)
        below = psutil.Process(process.pid).children(recursive=True)
        assert below
        with pytest.raises(UsageError, match=f"serve: port {port} is taken; --port N takes"):
            serve.main([f"home={promoted}", "--port", str(port)])
        assert answers(promoted, f"http://127.0.0.1:{port}") == 3
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        psutil.wait_procs(below, timeout=20)
        assert not [one for one in below if one.is_running()]
    finally:
        process.kill()
        process.wait()
    text = err.read_text()
    assert "Traceback" not in text and text.endswith("llamaduo: ended\n")
    assert "its first answer took" in text
    [probe] = [line for line in out.read_text().splitlines() if "llamaduo probe" in line]
    assert shlex.split(probe) == [
        *("llamaduo", "probe", f"http://127.0.0.1:{port}", "ticket_triage/1", f"home={promoted}")
    ]


def answers(home: Path, url: str) -> int:
    """Return how many of its first three references it says word for word."""
    found = versioned.find([f"home={home}"], "serve").held
    same = 0
    for reference in found.references[:3]:
        chat: Chat = reference.messages
        body = {
            "model": "ticket_triage",
            "messages": [message.model_dump() for message in chat],
            "temperature": 0,
            "max_tokens": found.served.max_new_tokens,
        }
        reply = requests.post(f"{url}/v1/chat/completions", json=body, timeout=60).json()
        same += reply["choices"][0]["message"]["content"] == reference.text
    return same


def test_flags_that_do_not_go_together_are_refused_before_anything_is_looked_up() -> None:
    with pytest.raises(UsageError, match="--no-weights goes with --render DIR"):
        serve.main(["--no-weights"])
    with pytest.raises(UsageError, match=r"--render takes no --port; serving\.url="):
        serve.main(["--render", "out", "--port", "8081"])
    with pytest.raises(UsageError, match="--ports: no such flag; did you mean `--port`"):
        serve.main(["--ports", "8081"])


@pytest.mark.parametrize(
    ("url", "port"),
    [
        ("http://127.0.0.1:9000", 9000),
        ("http://localhost:9001/models", 9001),
        ("http://localhost", 8080),
        ("http://gpu-7.example.org:9000", 8080),
    ],
)
def test_it_listens_where_clients_are_told_if_that_is_here(url: str, port: int) -> None:
    from llamaduo.config import from_overrides

    assert serve._port(from_overrides([f"serving.url={url}"]).serving) == port
