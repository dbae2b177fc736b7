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
from conftest import Finished, move_in
from mlflow_server import free_port

import llamaduo
from llamaduo.deploy.merged import SERVED, merged
from llamaduo.deploy.stack import port_here
from llamaduo.errors import LlamaDuoError, UsageError
from llamaduo.progress import Progress
from llamaduo.verbs import promote, serve, store, versioned

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
        found = versioned.find([f"home={home}"], "serve")
        merged(found.held, home / ".llamaduo" / SERVED, Progress(io.StringIO()))
    return home


def test_a_champion_is_served_until_it_is_ended_and_nothing_is_left(
    promoted: Path, tmp_path: Path
) -> None:
    port, out, err = free_port(), tmp_path / "out", tmp_path / "err"
    ours = (ROOT / "conf/serving/transformers.yaml").read_text()
    (tmp_path / "conf/serving").mkdir(parents=True)
    (tmp_path / "conf/serving/recording.yaml").write_text(
        ours.replace("llamaduo.serving.transformers.TransformersServing", "recording.Recording")
    )
    words = [f"home={promoted}", "serving=recording", "trusted=[recording]"]
    with out.open("w") as said, err.open("w") as told:
        process = subprocess.Popen(
            [sys.executable, "-m", "llamaduo", "serve", *words, f"--port={port}"],
            stdout=said,
            stderr=told,
            env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"},
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
        with pytest.raises(LlamaDuoError, match="serve ticket_triage"):
            store.main(["gc", "--yes", f"home={promoted}"])
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
        *("llamaduo", "probe", f"http://127.0.0.1:{port}", "ticket_triage/1", *words)
    ]


def test_an_engine_in_a_container_is_written_and_not_started(
    promoted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [f"home={os.path.relpath(promoted)}", "serving=vllm_l4"]
    with pytest.raises(
        UsageError, match="vllm does not run as a process of this machine; --render"
    ):
        serve.main(words)
    assert serve.main([*words, "--render", str(tmp_path / "out"), "--no-weights"]) == 0
    assert "README.md there says how it is started" in capsys.readouterr().out
    assert (tmp_path / "out" / "compose.yaml").is_file()
    page = (tmp_path / "out" / "README.md").read_text()
    again = f"serving=vllm_l4 home={promoted}"  # absolute: it is typed in the folder
    assert f"llamaduo probe http://127.0.0.1:8000 ticket_triage/1 {again} serving.delivery=" in page
    assert f"llamaduo load http://127.0.0.1:8000 ticket_triage/1 {again} serving.delivery=" in page
    assert f"llamaduo serve ticket_triage/1 {again} --render .\n" in page
    assert f'llamaduo promote --rollback "why" task=ticket_triage home={promoted}\n' in page
    assert not (tmp_path / "out" / "models" / "ticket_triage").exists()


def test_flags_that_do_not_go_together_are_refused_before_anything_is_looked_up() -> None:
    with pytest.raises(UsageError, match="--no-weights goes with --render DIR"):
        serve.main(["--no-weights"])
    with pytest.raises(UsageError, match=r"--render takes no --port; serving\.url="):
        serve.main(["--render", "out", "--port", "8081"])
    with pytest.raises(UsageError, match="--ports: no such flag; did you mean `--port`"):
        serve.main(["--ports", "8081"])


@pytest.mark.parametrize("port", ["0", "-1", "65536", "99999"])
def test_a_port_that_there_is_not_is_refused_before_anything_is_looked_up(port: str) -> None:
    with pytest.raises(UsageError, match=f"serve: --port {port}: a number from 1 to 65535"):
        serve.main(["--port", port])


def test_an_address_with_a_port_that_there_is_not_is_refused() -> None:
    from llamaduo.config import from_overrides

    far = from_overrides(["serving.url=http://127.0.0.1:99999"]).serving
    with pytest.raises(UsageError, match=r"url=http://127\.0\.0\.1:99999: its port is a number"):
        port_here(far.url)


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

    assert port_here(from_overrides([f"serving.url={url}"]).serving.url) == port
