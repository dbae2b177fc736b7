"""The ledger's tables on a PostgreSQL server, for processes of many hosts."""

import os
import platform
import secrets
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

from llamaduo.database import PATIENCE, SCHEMA, URL, Lost, refuse_if_used, statements
from llamaduo.database.held import held
from llamaduo.database.server import GO_ON, Server, is_away, number_of
from llamaduo.errors import LlamaDuoError

PLACE = "llamaduo"
"""PostgreSQL's schema of the tables, so that other tables of a database are none of ours."""

TURN = number_of("llamaduo: turn")
"""The lock of a transaction: one at a time, as exclusive as SQLite's `begin immediate`."""

_NUL, _MARK = "\0", "\ufdd0"
"""PostgreSQL's text takes no NUL; `_MARK`, no character of any script, stands before what does."""


class Postgresql:
    """Tables in the schema `llamaduo` of the database that LLAMADUO_LEDGER_URL names.

    Each process holds a lock of its own as long as it is connected, and the server frees it
    when the process dies: so every host knows whose claims are free.

    Args:
        private: the folder `.llamaduo`, whose locks are held here.
    """

    freed = "one of a process that dies is taken over at once"
    unsettled = False

    def __init__(self, private: Path) -> None:
        self.private = private
        self.server = Server()
        self._in_turn = False
        self._wrote = False
        self._lives: dict[str, bool] = {}
        self._db = self.server.first()
        self._number = 0
        """Of this connection's own lock."""
        self.owner = ""
        self._names: list[str] = []
        """All that this process has had, the last one now."""
        try:
            self._introduce()
        except BaseException:
            self._db.close()
            raise

    def execute(self, sql: str, params: Sequence[Any] = (), /) -> "Found":
        """Do one statement; outside of a transaction it has to be one that only reads."""
        self._wrote |= not sql.startswith("select")
        while True:
            try:
                return self._do(_ours(sql) if params else sql, [_kept(one) for one in params])
            except Lost:
                if self._in_turn:
                    raise
                self._reconnect()

    def executemany(self, sql: str, params: Sequence[Sequence[Any]], /) -> None:
        """Do one statement for each row of values, within a transaction."""
        from psycopg2.extras import execute_batch

        self._wrote = True
        rows = [[_kept(value) for value in row] for row in params]
        with self._said(), self._db.cursor() as cursor:
            execute_batch(cursor, _ours(sql), rows, page_size=500)

    @contextmanager
    def transaction(self, lasting: bool = True) -> Iterator["Postgresql"]:
        """Hand out the tables to one process at a time; all is done with them, or nothing.

        Args:
            lasting: the server's commit always is.

        Raises:
            Lost: the connection broke and nothing was kept: it can be made again.
            LlamaDuoError: if the server does not come back.
        """
        while True:
            try:
                self._begin()
                break
            except Lost:
                self._reconnect()
            except LlamaDuoError:
                self._do("rollback")
                raise
        try:
            yield self
            turn = secrets.randbits(62) + 1
            try:
                self._commit(turn)
            except Lost:  # it may have come through: whoever connects anew can see
                if self._reconnect() != turn:
                    raise
        except BaseException:
            with suppress(Lost):
                self._do("rollback")
            raise
        finally:
            self._in_turn = False

    def settle(self) -> None:
        """Do nothing: what the server has committed lasts."""

    def alive(self, owner: str, since: float) -> bool:
        """Whether the process that made a claim still holds its lock; asked in a transaction."""
        if owner == self.owner:
            return True
        if owner not in self._lives:
            number = int(owner.rsplit(":", 1)[1])
            [free] = self._do("select pg_try_advisory_xact_lock(%s)", [number]).fetchone()
            self._lives[owner] = not free
        return self._lives[owner]

    def held(self, path: Path, waiting: str) -> AbstractContextManager[None]:
        """Hold a lock on the server, called by the home and the path under `.llamaduo`."""
        return held(self.server, self.private, path, waiting)

    def rewrite(self) -> None:
        """Write the tables anew. Backups and archived logs of the server are not ours to reach."""
        self._do("vacuum full calls, replies, uses")

    def close(self) -> None:
        """Let go of the connection, and so of what this process holds."""
        with suppress(LlamaDuoError):
            self._do("delete from turns where holder = %s", [self._number])
        self._db.close()

    def _begin(self) -> None:
        """Take the turn."""
        self._lives = {}
        self._do("begin; select pg_advisory_xact_lock(%s)", [TURN])
        self._in_turn, self._wrote = True, False

    def _commit(self, turn: int) -> None:
        """End the turn. Its number is there if and only if what was done in it is kept."""
        if not self._wrote:
            self._do("commit")
            return
        self._do(
            "insert into turns values (%s, %s, now()) on conflict (holder)"
            " do update set turn = excluded.turn, seen = excluded.seen; commit",
            [self._number, turn],
        )

    def _introduce(self) -> int:
        """Take a lock of this connection's own, and the claims of those before it.

        Returns:
            The last turn that was committed by the one before; 0 where there is none.
        """
        number = secrets.randbits(62) + 1
        owner = f"{platform.node()}:{os.getpid()}:{number}"
        before = tuple(self._names)
        self._names.append(owner)  # now: that its claims are moved may be kept, and not be heard
        self._do("begin; select pg_advisory_xact_lock(%s)", [TURN])
        self._make_tables()
        self._do("select pg_advisory_lock(%s)", [number])
        last = self._do("select turn from turns where holder = %s", [self._number])
        self._do(
            "delete from turns where seen < now() - interval '1 day'"
            " and pg_try_advisory_xact_lock(holder)"
        )
        if before:
            self._do(
                "update calls set owner = %s where owner in %s and state = 'claimed'",
                [owner, before],
            )
        self._do("commit")
        self._number, self.owner = number, owner
        return int((last.fetchone() or (0,))[0])

    def _reconnect(self) -> int:
        """Connect anew; returns the last turn that was committed before."""
        while True:
            self._db.close()
            self._db = self.server.patiently()
            try:
                return self._introduce()
            except Lost:
                continue

    def _make_tables(self) -> None:
        """Make the tables if they are not there. Others wait: it is this process's turn."""
        [there] = self._do("select to_regnamespace(%s)::text", [PLACE]).fetchone()
        if there is None:
            self._do(f"create schema {PLACE}")
        self._do(f"set search_path = {PLACE}")
        [there] = self._do("select to_regclass(%s)::text", [f"{PLACE}.about"]).fetchone()
        if there is None:
            self._do(
                "create table turns"
                " (holder bigint primary key, turn bigint not null, seen timestamptz not null)"
            )
            self._do("create table about (version bigint not null)")
            self._do("insert into about values (0)")
        [version] = self._do("select version from about").fetchone()
        if version > SCHEMA:
            self._db.close()
            raise LlamaDuoError(
                f"the ledger on the server of {URL} has schema {version}, this llamaduo reads "
                f"{SCHEMA}: it was written by a later version; use that one, or another database"
            )
        if 0 < version < SCHEMA:
            refuse_if_used(self, self.alive, f"the server of {URL}", version, self.freed)
        if version < SCHEMA:
            for statement in statements(version):
                self._do(statement.replace("without rowid", ""))
            self._do("update about set version = %s", [SCHEMA])

    def _do(self, sql: str, params: Sequence[Any] = ()) -> "Found":
        with self._said(), self._db.cursor() as cursor:
            cursor.execute(sql, list(params) or None)
            rows = cursor.fetchall() if cursor.description else []
            return Found([tuple(map(_given, row)) for row in rows], cursor.rowcount)

    @contextmanager
    def _said(self) -> Iterator[None]:
        """Say in words what of the server's errors is not ours."""
        import psycopg2

        try:
            yield
        except psycopg2.Error as error:
            if self._db.closed or is_away(error):
                raise Lost(f"{self.server.in_words(error)}. {GO_ON}") from None
            if isinstance(error, psycopg2.errors.LockNotAvailable):
                raise LlamaDuoError(
                    f"ledger: other processes have had the tables on the server of {URL} for "
                    f"{1.5 * PATIENCE:.0f} s. {GO_ON}"
                ) from None
            if isinstance(error, psycopg2.OperationalError | psycopg2.errors.InsufficientPrivilege):
                raise LlamaDuoError(f"{self.server.in_words(error)}. {GO_ON}") from None
            raise


class Found:
    """The rows that a statement found, all read."""

    def __init__(self, rows: list[tuple[Any, ...]], rowcount: int) -> None:
        self.rowcount = rowcount
        self._rows = iter(rows)

    def fetchone(self) -> Any:
        """Return the next row, None after the last."""
        return next(self._rows, None)

    def fetchall(self) -> list[Any]:
        """Return the rows that are left."""
        return list(self._rows)

    def __iter__(self) -> Iterator[Any]:
        return self._rows


def _ours(sql: str) -> str:
    """Return a statement with psycopg's marks for values."""
    return sql.replace("%", "%%").replace("?", "%s")


def _kept(value: Any) -> Any:
    """Return a value as PostgreSQL can keep it."""
    if isinstance(value, str) and (_NUL in value or _MARK in value):
        return value.replace(_MARK, f"{_MARK}1").replace(_NUL, f"{_MARK}0")
    return value


def _given(value: Any) -> Any:
    """Return a value as it was given."""
    if isinstance(value, str) and _MARK in value:
        return value.replace(f"{_MARK}0", _NUL).replace(f"{_MARK}1", _MARK)
    return value
