"""Where the ledger's tables stand: a file under home, or a PostgreSQL server for many hosts."""

import importlib.util
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import wraps
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, ParamSpec, Protocol, TypeVar

from llamaduo.errors import LlamaDuoError

P = ParamSpec("P")
T = TypeVar("T")

Where = Literal["file", "postgresql"]

URL = "LLAMADUO_LEDGER_URL"
"""Variable with the address of a PostgreSQL server; it holds a password, so no key does."""

SCHEMA = 2
"""Number of the tables' shape."""


def statements(old: int) -> Iterator[str]:
    """Yield what makes tables of today's shape of those of schema `old`; 0: there are none."""
    folder = files("llamaduo.database").joinpath("schema")
    for number in range(old + 1, SCHEMA + 1):
        said = folder.joinpath(f"{number}.sql").read_text(encoding="utf-8")
        lines = (line for line in said.splitlines() if not line.startswith("--"))
        yield from "\n".join(lines).split(";")


def refuse_if_used(
    db: "Tables", alive: Callable[[str, float], bool], where: str, old: int, freed: str
) -> None:
    """Refuse to change the shape of tables in which an older version has calls in flight.

    It could not write down their replies any more, which are paid for. To be asked within the
    transaction that would change them. What an open batch holds is in no process's hands.

    Args:
        alive: whether the process that made a claim then still runs.
        where: what the tables are in, for people.
        freed: when the claim of a process that is gone is free, for people.

    Raises:
        LlamaDuoError: if one has.
    """
    rows = db.execute(
        "select owner, max(claimed_at), count(*) from calls where state = 'claimed'"
        " and owner not like 'batch:%' group by owner order by owner"
    ).fetchall()
    for owner, since, count in rows:
        if alive(owner, since):
            host, pid, _ = owner.rsplit(":", 2)
            raise LlamaDuoError(
                f"{where} has schema {old}, this llamaduo reads {SCHEMA}, and process {pid} on "
                f"{host}, of an earlier version, has calls in flight there ({count}), whose "
                "replies it could not keep any more: let it end, or stop it with Ctrl-C, and give "
                f"the same command again ({freed}). Nothing was changed"
            )


PATIENCE = 60.0
"""Seconds to wait for another process that holds the tables, or for a server that is away."""


class Lost(LlamaDuoError):
    """The connection broke before anything of a transaction was kept: it can be made again."""


TRIES = 5
"""Of a transaction in the midst of which the server goes away."""


def whole(act: Callable[P, T]) -> Callable[P, T]:
    """Do a transaction again of which nothing was kept, since the connection broke."""

    @wraps(act)
    def acted(*args: P.args, **given: P.kwargs) -> T:
        for _ in range(TRIES - 1):
            try:
                return act(*args, **given)
            except Lost:
                continue
        return act(*args, **given)

    return acted


class Rows(Protocol):
    """What a statement found."""

    @property
    def rowcount(self) -> int:
        """Rows that were changed, by a statement that changes some."""
        ...

    def fetchone(self) -> Any:
        """Return the next row, None after the last."""
        ...

    def fetchall(self) -> list[Any]:
        """Return the rows that are left."""
        ...

    def __iter__(self) -> Iterator[Any]: ...


class Tables(Protocol):
    """Takes statements. Values stand for `?`, and SQL is what both databases understand."""

    def execute(self, sql: str, params: Sequence[Any] = ..., /) -> Rows:
        """Do one statement."""
        ...

    def executemany(self, sql: str, params: Sequence[Sequence[Any]], /) -> object:
        """Do one statement for each row of values."""
        ...


class Database(Tables, Protocol):
    """The tables of a ledger, and who of those that use them is alive."""

    owner: str
    """Name of this process, `host:...:...`, as its claims have it."""
    freed: str
    """When a claim whose process is gone is taken over, for people."""
    private: Path
    """The folder `.llamaduo` of the home, under which locks are."""

    unsettled: bool
    """Whether something was committed that `settle` is still to wait for."""

    def transaction(self, lasting: bool = True) -> AbstractContextManager[Tables]:
        """Hand out the tables to one process at a time; all is done with them, or nothing.

        Args:
            lasting: False: the end does not wait until it is on the disk, which `settle` does.

        Raises:
            Lost: the server is gone in the middle of it, and nothing was done: try it again.
        """
        ...

    def settle(self) -> None:
        """Wait until all that was committed before outlasts a power cut; for any thread."""
        ...

    def alive(self, owner: str, since: float) -> bool:
        """Whether the process that made a claim at `since` still runs; asked in a transaction."""
        ...

    def held(self, path: Path, waiting: str) -> AbstractContextManager[None]:
        """Hold the lock called `path`, under `.llamaduo/`; freed when this process dies.

        Args:
            waiting: what is said if another has it; empty for nothing.
        """
        ...

    def rewrite(self) -> None:
        """Write the tables anew, so that nothing is left of what was taken out of them.

        Raises:
            LlamaDuoError: if another process keeps them from it.
        """
        ...

    def close(self) -> None:
        """Let go."""
        ...


def unreachable(where: Where) -> list[str]:
    """Return why the ledger cannot be kept there, as far as this can be known without asking."""
    if where == "file":
        return []
    found = []
    if importlib.util.find_spec("psycopg2") is None:
        found.append('ledger: postgresql takes psycopg2: pip install "llamaduo[postgres]"')
    if not os.environ.get(URL, "").startswith(("postgresql://", "postgresql+psycopg2://")):
        found.append(
            f"ledger: set {URL} in the environment, such as postgresql://user:password@host/database"
        )
    return found
