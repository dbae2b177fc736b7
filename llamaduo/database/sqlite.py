"""The ledger's tables in a file, for the processes of one machine."""

import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from llamaduo.database import PATIENCE, SCHEMA, refuse_if_used, statements
from llamaduo.errors import LlamaDuoError
from llamaduo.locks import flocked
from llamaduo.owner import LEASE, alive, this_process


class Sqlite:
    """Tables in the file `path` (WAL), made if it is not there."""

    freed = f"one of another host is taken over after {LEASE:.0f} s"

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.private = path.parent
        self._path = path
        self.owner = this_process()
        self.unsettled = False
        self._log_path = path.with_name(f"{path.name}-wal")
        self._log: int | None = None
        self._db = sqlite3.connect(path, isolation_level=None, timeout=PATIENCE)
        self._to_wal()
        try:
            self._make_tables()
        except BaseException:
            self.close()
            raise

    def _make_tables(self) -> None:
        """Make the tables, or bring older ones to today's shape."""
        path = self._path
        with self.transaction() as db:
            (version,) = db.execute("pragma user_version").fetchone()
            if 0 < version < SCHEMA:
                refuse_if_used(db, self.alive, str(path), version, self.freed)
            if version < SCHEMA:
                for statement in statements(version):
                    db.execute(statement)
                db.execute(f"pragma user_version = {SCHEMA}")
        if version > SCHEMA:
            raise LlamaDuoError(
                f"{path} has schema {version}, this llamaduo reads {SCHEMA}: it was written by "
                "a later version; use that one, or another home"
            )

    def _to_wal(self) -> None:
        """Switch the file to WAL; SQLite has no wait for processes that do so at once."""
        late = time.monotonic() + PATIENCE
        while True:
            try:
                self._db.execute("pragma journal_mode = wal")
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > late:
                    raise
                time.sleep(0.01)

    def execute(self, sql: str, params: Sequence[Any] = (), /) -> sqlite3.Cursor:
        """Do one statement."""
        return self._db.execute(sql, params)

    def executemany(self, sql: str, params: Sequence[Sequence[Any]], /) -> sqlite3.Cursor:
        """Do one statement for each row of values."""
        return self._db.executemany(sql, params)

    @contextmanager
    def transaction(self, lasting: bool = True) -> Iterator[sqlite3.Connection]:
        """Hand out the tables to one process at a time; all is done with them, or nothing.

        A commit appends to the log (WAL) and with `lasting` has it written to the disk. Without,
        it is in the system's memory: it outlasts this process, whatever ends it.
        """
        self._db.execute(f"pragma synchronous = {'full' if lasting else 'normal'}")
        try:
            self._db.execute("begin immediate")
        except sqlite3.OperationalError as error:
            if getattr(error, "sqlite_errorcode", None) != sqlite3.SQLITE_BUSY:
                raise
            raise LlamaDuoError(
                f"ledger: other processes have had {self._path} for "
                f"{PATIENCE:.0f} s. What was bought is kept; the same command goes on"
            ) from None
        try:
            yield self._db
        except BaseException:
            self._db.execute("rollback")
            raise
        self._db.execute("commit")
        self.unsettled |= not lasting

    def settle(self) -> None:
        """Have the log written to the disk, with all that was committed before."""
        self.unsettled = False
        if self._log is None and self._log_path.exists():
            folder = os.open(self._log_path.parent, os.O_RDONLY)
            os.fsync(folder)  # the log may be new: its name has to last too
            os.close(folder)
            self._log = os.open(self._log_path, os.O_RDONLY)
        if self._log is not None:
            os.fsync(self._log)

    def alive(self, owner: str, since: float) -> bool:
        """Whether the process that made a claim at `since` still runs."""
        return alive(owner, since)

    def held(self, path: Path, waiting: str) -> AbstractContextManager[None]:
        """Hold the lock file `path`."""
        return flocked(path, waiting)

    def rewrite(self) -> None:
        """Write the file anew, and empty its log.

        Raises:
            LlamaDuoError: if another process has it open.
        """
        try:
            self._db.execute("vacuum")
            (busy, *_) = self._db.execute("pragma wal_checkpoint(truncate)").fetchone()
        except sqlite3.OperationalError as error:
            raise LlamaDuoError(f"the ledger cannot be written anew ({error})") from None
        if busy:
            raise LlamaDuoError(
                "another process has the ledger open, whose log may still hold what was taken "
                "out: end it, and give the same command again"
            )

    def close(self) -> None:
        """Let go of the file."""
        if self._log is not None:
            os.close(self._log)
            self._log = None
        self._db.close()
