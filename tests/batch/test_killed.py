"""A process killed with a batch at its provider: whoever comes next collects it, and pays once."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from queue import Queue
from typing import IO

import pytest
from batch_server import Batches, serving
from batch_world import desk, requests, service
from kept import Kept
from small_world import answered_twice

from llamaduo.records import Outcome

ASKED = 20


@dataclass
class Nursery:
    """A process that has imported what takes long, and forks one that asks for each line."""

    process: "subprocess.Popen[str]"
    into: IO[str]
    out: IO[str]

    def start(self, private: Path, server: Batches) -> int:
        """Have a process ask for it all; returns its number."""
        self.into.write(f"{private}\t{server.url}\n")
        self.into.flush()
        return int(self.out.readline())

    def ended(self) -> int:
        """Wait until that process has ended; returns the signal that did it."""
        return int(self.out.readline())


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    command = [sys.executable, __file__]
    pipe, there = subprocess.PIPE, {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=there
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield Nursery(process, process.stdin, process.stdout)
        _, said = process.communicate()
        assert process.returncode == 0, said


def at_create(method: str, path: str) -> bool:
    """After the batch is made, before a word of it is said."""
    return (method, path) == ("POST", "/batches")


def at_look(method: str, path: str) -> bool:
    """Between handing in and collecting."""
    return method == "GET" and path.startswith("/batches/")


def at_content(method: str, path: str) -> bool:
    """With the batch over, before its replies are read."""
    return path.endswith("/content")


@pytest.mark.parametrize("moment", [at_create, at_look, at_content])
def test_a_kill_loses_no_reply_and_pays_none_twice(
    moment: Callable[[str, str], bool], nursery: Nursery, tmp_path: Path
) -> None:
    kept = Kept(tmp_path / "private", on_server=False)
    kept.private.mkdir()
    child: Queue[int] = Queue()
    killed: list[int] = []

    def kill(method: str, path: str) -> bool:
        if killed or not moment(method, path):
            return False
        killed.append(child.get(timeout=10))
        os.kill(killed[0], signal.SIGKILL)
        return True

    with serving(Batches()) as server:
        server.loses = kill
        child.put(nursery.start(kept.private, server))
        assert nursery.ended() == signal.SIGKILL
        state = "made" if moment is at_create else "sent"
        expected = "ended" if moment is at_content else state
        assert kept.look("select state from batches") == [(expected,)]
        with closing(kept.open()) as ledger:
            assert ledger.free_the_dead() == 0
            replies = desk(ledger, service(server)).ask(requests(*range(ASKED)))
            assert answered_twice(ledger) == 0
        assert {reply.outcome for reply in replies} == {Outcome.OK}
        assert (len(server.made), len(server.batched), server.live) == (1, ASKED, [])
        assert kept.account() == pytest.approx((server.usd, 0.0), abs=1e-12)


def _serve() -> None:
    """Fork a process that asks for each line of where and whom; say its number, and its end."""
    from llamaduo.service.transport import litellm

    litellm()
    for line in sys.stdin:
        private, url = line.rstrip("\n").split("\t")
        if not (child := os.fork()):
            with closing(Kept(Path(private), on_server=False).open()) as ledger:
                desk(ledger, service(Batches(url=url))).ask(requests(*range(ASKED)))
            os._exit(0)
        print(child, flush=True)
        print(os.WTERMSIG(os.waitpid(child, 0)[1]), flush=True)
    os._exit(0)


if __name__ == "__main__":
    _serve()
