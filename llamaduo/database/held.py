"""A lock that one process of all hosts holds, on the server; the server frees it when it dies."""

import secrets
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from llamaduo.database.server import Server, number_of
from llamaduo.errors import LlamaDuoError

LOOK = 5.0
"""Seconds between two looks at whether the server still knows who holds a lock."""

LONG = 1.0
"""Seconds between two tries to get a lock that another has, at most."""


@contextmanager
def held(server: Server, private: Path, path: Path, waiting: str = "") -> Iterator[None]:
    """Hold the lock called by `private`'s own name and the path under it.

    Homes on different disks do not wait for each other, and one that hosts see at different
    places is one.

    Raises:
        LlamaDuoError: in words, if the server does not come back, or another has the lock
            since it was away. In the midst of the work that is a Ctrl-C, with a line before.
    """
    lock = _Lock(server, number_of(f"{_name(private)}/{path.relative_to(private).as_posix()}"))
    lock.take(waiting)
    over = threading.Event()
    watch = threading.Thread(target=lock.watch, args=(over, path), name="lock", daemon=True)
    try:
        # A client of NFS may remember what was not there a moment ago, and looks anew at a
        # folder that it has changed itself.
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".look-"):
            pass
        watch.start()
        yield
        over.set()
        watch.join()
        if lock.lost or not lock.still():
            raise LlamaDuoError(_lost(path))
    finally:
        over.set()
        if watch.is_alive():
            watch.join()
        lock.db.close()


class _Lock:
    """An advisory lock and the connection that holds it."""

    def __init__(self, server: Server, number: int) -> None:
        self.server = server
        self.number = number
        self.lost = False
        self.db: Any = server.patiently()

    def take(self, waiting: str) -> None:
        """Wait for the lock. By many tries: a wait on the server would not hear a Ctrl-C."""
        pause = 0.02
        while not self._try():
            if waiting:
                print(f"llamaduo: {waiting}", file=sys.stderr)
                waiting = ""
            time.sleep(pause)
            pause = min(2 * pause, LONG)

    def _try(self) -> bool:
        import psycopg2

        try:
            with self.db.cursor() as cursor:
                cursor.execute("select pg_try_advisory_lock(%s)", [self.number])
                return bool(cursor.fetchone()[0])
        except psycopg2.Error:
            self.db.close()
            self.db = self.server.patiently()
            return False

    def watch(self, over: threading.Event, path: Path) -> None:
        """Look again and again; stop the process where another has taken its work."""
        while not over.wait(LOOK):
            try:
                here = self.still()
            except LlamaDuoError:  # away for long, and so it is for others: nobody takes it
                continue
            if not here and not over.is_set():
                self.lost = True
                print(f"llamaduo: {_lost(path)}", file=sys.stderr)
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
                return

    def still(self) -> bool:
        """Whether it is held: by this connection or, if that broke, by a new one."""
        import psycopg2

        try:
            with self.db.cursor() as cursor:
                cursor.execute("select 1")
            return True
        except psycopg2.Error:
            self.db.close()
            self.db = self.server.patiently()
            return self._try()


def _lost(path: Path) -> str:
    return (
        f"the lock on {path.parent} was lost with the connection to the server, and another "
        "process has it now; this one stops. What is made is kept: the same command goes on"
    )


def _name(private: Path) -> str:
    """Return the name of a home, given to it once: hosts may see it at different places."""
    folder = private / "home"
    while True:
        try:
            return (folder / "name").read_text(encoding="utf-8")
        except FileNotFoundError:
            draft = Path(tempfile.mkdtemp(dir=private, prefix=".home-"))
        (draft / "name").write_text(secrets.token_hex(8), encoding="utf-8")
        try:
            draft.rename(folder)  # never over another's, which is not empty
        except OSError:
            shutil.rmtree(draft)
