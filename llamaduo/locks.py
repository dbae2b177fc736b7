"""Locks that one process at a time holds, by the path of a file; freed when it dies."""

import fcntl
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

Hold = Callable[[Path, str], AbstractContextManager[None]]
"""Holds the lock called by a path; the text is said if another has it, unless it is empty."""


@contextmanager
def flocked(path: Path, waiting: str = "") -> Iterator[None]:
    """Hold the lock file `path`; the kernel lets go of it even after kill -9.

    Among the processes of one machine: not every network file system keeps to it.
    """
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if waiting:
                print(f"llamaduo: {waiting}", file=sys.stderr)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
