"""What goes on under a home: many commands beside one another, or one that is alone with it.

A run writes rows at its beginning (the split), at its end (the report), and between. What removes
rows has to be alone from its first look to its last, or a run would write back what it took out.
"""

import fcntl
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from llamaduo.errors import LlamaDuoError
from llamaduo.owner import alive, this_process

FILE = "running"
"""Its lock is held, and a line in it says by what: the process, a tab, the command."""


@contextmanager
def beside(private: Path, what: str) -> Iterator[None]:
    """Go on beside any number of others, but not while one is alone: wait for its end.

    Where the file system has no locks (a home that many hosts share, with its ledger on a
    server) nothing is held: what wants to be alone refuses there by itself.

    Args:
        private: the folder `.llamaduo`, which is there.
        what: the command, for those who are refused because of it.
    """
    try:
        file = (private / FILE).open("ab+")
    except OSError:  # who cannot write there writes nothing back
        yield
        return
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            said = ", ".join(_said(file)) or "another command"
            print(f"llamaduo: waiting for the end of {said}", file=sys.stderr)
            fcntl.flock(file, fcntl.LOCK_SH)
        except OSError:
            yield
            return
        _write(file, what)
        yield


@contextmanager
def alone(private: Path, what: str) -> Iterator[None]:
    """Be the only one under a home; who comes meanwhile waits.

    Args:
        private: the folder `.llamaduo`; where it is not, nothing can go on there.
        what: the command.

    Raises:
        LlamaDuoError: while anything goes on there, naming it; nobody is waited for.
    """
    if not private.is_dir():
        yield
        return
    with (private / FILE).open("ab+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            said = "".join(f"\n  {one}" for one in _said(file)) or "\n  a command that ends now"
            raise LlamaDuoError(
                f"{what}: this goes on under {private.parent}, and would write back what is "
                f"removed:{said}\nnothing was removed. Let it end, or end it (Ctrl-C keeps what "
                "it has), and give the same command again"
            ) from None
        except OSError as error:
            raise LlamaDuoError(
                f"{what}: {private / FILE} cannot be locked ({error.strerror}), so nobody knows "
                "what goes on there: nothing was removed. Set home=DIR to a local disk"
            ) from None
        file.truncate(0)  # of those that have ended
        _write(file, what)
        try:
            yield
        finally:
            file.truncate(0)


def _write(file: BinaryIO, what: str) -> None:
    os.write(file.fileno(), f"{this_process()}\t{what}\n".encode())  # in one piece


def _said(file: BinaryIO) -> list[str]:
    """Return what living processes say that they do."""
    file.seek(0)
    lines = [line.split("\t", 1) for line in file.read().decode().splitlines() if "\t" in line]
    return list(dict.fromkeys(what for owner, what in lines if alive(owner, time.time())))
