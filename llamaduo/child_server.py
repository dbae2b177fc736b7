"""A server of one's own in a process of its own: started, waited for, ended with all it started.

It listens to this machine alone.
"""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

from llamaduo.errors import UsageError

HOST = "127.0.0.1"
GONE = 10.0
"""Seconds it has to end."""
DIRECT = build_opener(ProxyHandler({}))
"""Opens addresses of this machine, whatever proxy the environment names."""
LAST_WORDS = 1000
"""Characters of the end of its log that say why it did not come up."""


def refuse_taken(port: int, verb: str) -> None:
    """Say so where something listens at `port` already.

    Raises:
        UsageError: with the flag that takes another.
    """
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if tried.connect_ex((HOST, port)) == 0:
            raise UsageError(f"{verb}: port {port} is taken; --port N takes another")


@contextmanager
def started(
    command: Sequence[str], *, cwd: Path, environment: Mapping[str, str], log: Path
) -> Iterator["subprocess.Popen[bytes]"]:
    """Start a server; when the block is left it is ended, with all that it started.

    It is left on SIGTERM and SIGHUP too: see `told_to_stop`.

    Args:
        log: what it says goes there, in the place of what another said before.

    Raises:
        FileNotFoundError: if there is no such program.
    """
    with told_to_stop(), log.open("wb") as said:
        server = subprocess.Popen(
            command,
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,  # Ctrl-C is ours, and it is ended by us
        )
        try:
            yield server
        finally:
            _end(server)


def answers(
    server: "subprocess.Popen[bytes]",
    port: int,
    within: float,
    waiting: Callable[[float], None] = lambda seconds: None,
) -> bool:
    """Wait until `/health` answers; returns whether it did.

    Args:
        within: seconds after which it is given up; it is at once if the process ends.
        waiting: told every fifth of a second how long it has been.
    """
    began = time.monotonic()
    while server.poll() is None and (passed := time.monotonic() - began) < within:
        address = f"http://{HOST}:{port}/health"
        with suppress(URLError, OSError), DIRECT.open(address, timeout=5):
            return True
        waiting(passed)
        time.sleep(0.2)
    return False


def last_words(log: Path) -> str:
    """Return the end of what it said."""
    return log.read_text(encoding="utf-8", errors="replace")[-LAST_WORDS:].strip()


@contextmanager
def told_to_stop() -> Iterator[None]:
    """Leave the block by KeyboardInterrupt, as on Ctrl-C, where the process is told to end.

    `kill` and service managers tell it by SIGTERM, a terminal that is closed by SIGHUP. What is
    ignored stays so: `nohup` ignores SIGHUP.
    """

    def stop(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    numbers = (signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    heard = [number for number in numbers if before[number] != signal.SIG_IGN]
    for number in heard:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number in heard:
            signal.signal(number, before[number])


def _end(server: "subprocess.Popen[bytes]") -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(server.pid, number)
        with suppress(subprocess.TimeoutExpired, KeyboardInterrupt):  # a second Ctrl-C: at once
            server.wait(GONE)
