"""Where the trials of a search are kept, and the lock that one worker at a time holds."""

import fcntl
import hashlib
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llamaduo.errors import UsageError
from llamaduo.locks import flocked
from llamaduo.search import URL, Search
from llamaduo.secrets import without_secrets

HEARTBEAT = 10
"""Seconds between two signs of life of a trial on a server."""
GRACE = 60
"""Seconds without one after which its worker counts as dead."""

Lock = Callable[[], AbstractContextManager[None]]


@dataclass(frozen=True)
class Kept:
    """An opened storage."""

    storage: Any
    lock: Lock
    """Held by one worker of the search at a time, on all machines; freed where one is killed."""


def opened(search: Search, folder: Path, name: str) -> Kept:
    """Open the storage that `search` wants.

    Args:
        folder: of the journal and its lock.
        name: of the search; what the lock on a server is for.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return _server(name) if search.storage == "postgresql" else _journal(folder)


def _journal(folder: Path) -> Kept:
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    file = folder / "journal.log"
    lock: Any = _AppendLock(file)
    backend = JournalFileBackend(str(file), lock_obj=lock)
    return Kept(JournalStorage(backend), lambda: flocked(folder / "lock"))


class _AppendLock:
    """Optuna's lock round an append, of the kernel's kind: its own outlives a kill by 30 s.

    It also cuts off a line that a kill left half: the next would be glued to it.
    """

    def __init__(self, journal: Path) -> None:
        self.journal = journal
        self.file: Any = None

    def acquire(self) -> bool:
        file = self.journal.with_suffix(".lock").open("a")
        fcntl.flock(file, fcntl.LOCK_EX)
        self.file = file
        with self.journal.open("rb+") as journal:
            end = journal.seek(0, os.SEEK_END)
            if end:
                journal.seek(-1, os.SEEK_END)
                if journal.read(1) != b"\n":
                    whole = self.journal.read_bytes()
                    journal.truncate(whole.rfind(b"\n") + 1)
        return True

    def release(self) -> None:
        file, self.file = self.file, None
        file.close()


def _server(name: str) -> Kept:
    from optuna.exceptions import StorageInternalError
    from optuna.storages import RDBStorage
    from sqlalchemy import create_engine, text
    from sqlalchemy.exc import SQLAlchemyError
    from sqlalchemy.pool import NullPool

    url = os.environ[URL].replace("postgresql://", "postgresql+psycopg2://", 1)
    try:
        engine = create_engine(url, poolclass=NullPool)
    except (SQLAlchemyError, ValueError):
        raise UsageError(f"search.storage: what {URL} holds is no address of a server") from None

    @contextmanager
    def locked(what: str) -> Iterator[None]:
        number = int.from_bytes(hashlib.sha256(what.encode()).digest()[:8], "big", signed=True)
        with engine.connect() as connection:  # closed, it is free, and so where it breaks
            connection.execute(text("select pg_advisory_lock(:number)"), {"number": number})
            yield

    try:
        with locked("llamaduo: tables"):  # two that make the tables at once: one fails
            storage = RDBStorage(url, heartbeat_interval=HEARTBEAT, grace_period=GRACE)
    except (SQLAlchemyError, StorageInternalError) as error:
        why = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        raise UsageError(
            f"search.storage: the server of {URL} cannot be used: {without_secrets(why)}"
        ) from None
    return Kept(storage, lambda: locked(f"llamaduo: {name}"))


def beat(storage: Any, trial_id: int) -> None:
    """Give a sign of life for a trial, where the storage takes them.

    One that never gave any does not count as dead.
    """
    if getattr(storage, "heartbeat_interval", None) is not None:
        storage.record_heartbeat(trial_id)


@contextmanager
def beating(storage: Any, trial_id: int) -> Iterator[None]:
    """Give signs of life for a trial while it runs, where the storage takes them.

    Optuna does so in `optimize` only, which cannot keep to a number of trials among workers.
    """
    every = getattr(storage, "heartbeat_interval", None)
    if every is None:
        yield
        return
    over = threading.Event()

    def keep() -> None:
        said = False
        while not over.wait(every):
            try:
                beat(storage, trial_id)
            except Exception as error:  # a server that is away for a moment is asked again
                if not said:
                    print(
                        f"llamaduo: search: no sign of life could be given to the server "
                        f"({type(error).__name__}); trying on",
                        file=sys.stderr,
                    )
                said = True

    thread = threading.Thread(target=keep, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
