"""Every try of a ledger as a row of a Parquet file, written a part at a time."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from llamaduo.errors import UsageError
from llamaduo.ledger import Ledger
from llamaduo.secrets import without_secrets
from llamaduo.spending.sums import BY, FOR, Scope

COLUMNS = {
    "key": ("r.key", "string"),
    "attempt": ("r.attempt", "int64"),
    "service": (BY["service"], "string"),
    "payee": ("coalesce(c.payee, '')", "string"),
    "model": ("r.model", "string"),
    "run": (BY["run"], "string"),
    "stage": (BY["stage"], "string"),
    "result": (FOR, "string"),
    "row": (BY["row"], "string"),
    "outcome": ("r.outcome", "string"),
    "cause": ("r.cause", "string"),
    "prompt_tokens": ("r.prompt_tokens", "int64"),
    "cached_tokens": ("r.cached_tokens", "int64"),
    "cache_write_tokens": ("r.cache_write_tokens", "int64"),
    "completion_tokens": ("r.completion_tokens", "int64"),
    "thinking_tokens": ("r.thinking_tokens", "int64"),
    "usd": ("r.usd", "double"),
    "unproven": ("r.unproven", "double"),
    "price": ("coalesce((select said from prices where prices.price = r.price), '')", "string"),
    "seconds": ("r.seconds", "double"),
    "at": ("r.at", "time"),
    "status": ("r.status", "int64"),
    "request_id": ("r.request_id", "string"),
    "request": ("coalesce(c.request, '')", "string"),
    "reply": ("r.text", "string"),
    "raw": ("r.raw", "string"),
}
"""Columns of the file, in order: where each is in the ledger, and of which type it is."""

SAID = ("cause", "price", "request_id", "request", "reply", "raw")
"""Columns that hold what somebody else has written."""

PAGE = 100
"""Tries that are read at once."""

GROUP = 32_000_000
"""Characters of a row group, about: what is in memory at once."""

MOST = 50_000
"""Rows of a row group."""


def write(ledger: Ledger, into: Path, scope: Scope | None = None) -> int:
    """Write every try as a row, by key and attempt. Returns how many there are.

    What is in memory at once does not grow with the ledger. Keys and tokens that stand in the
    environment are struck out of all texts, whoever wrote them there.

    Args:
        scope: None: all that the ledger has.

    Raises:
        UsageError: if the file is there: nothing is overwritten.
    """
    import pyarrow
    import pyarrow.parquet

    refuse_to_overwrite(into)
    types = {
        "string": pyarrow.string(),
        "int64": pyarrow.int64(),
        "double": pyarrow.float64(),
        "time": pyarrow.timestamp("us", tz="UTC"),
    }
    schema = pyarrow.schema([(name, types[kind]) for name, (_, kind) in COLUMNS.items()])
    draft = into.with_name(f"{into.name}.new")
    count = 0
    try:
        with pyarrow.parquet.ParquetWriter(draft, schema, compression="zstd") as file:
            for rows in _groups(_rows(ledger, scope)):
                columns = list(zip(*rows, strict=True))
                arrays = [
                    pyarrow.array(of, field.type) for of, field in zip(columns, schema, strict=True)
                ]
                file.write_table(pyarrow.Table.from_arrays(arrays, schema=schema))
                count += len(rows)
        refuse_to_overwrite(into)
        draft.rename(into)
    finally:
        draft.unlink(missing_ok=True)
    return count


def refuse_to_overwrite(into: Path) -> None:
    """Refuse a file that is there.

    Raises:
        UsageError: with what to do.
    """
    if into.exists():
        raise UsageError(f"--export: {into} is there, and is not overwritten; name another file")


def _rows(ledger: Ledger, scope: Scope | None) -> Iterator[tuple[Any, ...]]:
    """Yield all tries as the file has them, reading a page at a time."""
    chosen = ", ".join(sql for sql, _ in COLUMNS.values())
    after: tuple[object, ...] = ()
    while True:
        wanted = [
            *(["(r.key, r.attempt) > (?, ?)"] if after else []),
            *([scope.of_one] if scope else []),
        ]
        where = f" where {' and '.join(wanted)}" if wanted else ""
        page = ledger.tables.execute(
            f"select {chosen} from replies r left join calls c on c.key = r.key{where}"
            f" order by r.key, r.attempt limit {PAGE}",
            (*after, *(scope.values if scope else ())),
        ).fetchall()
        yield from _clean(page)
        if len(page) < PAGE:
            return
        after = tuple(page[-1][:2])


def _clean(page: Sequence[Sequence[Any]]) -> Iterator[tuple[Any, ...]]:
    """Yield rows with times in microseconds, and without any secret."""
    rows = [dict(zip(COLUMNS, row, strict=True)) for row in page]
    together = "\n".join(row[name] for row in rows for name in SAID)
    there = without_secrets(together) != together  # one look for all: hardly any holds one
    for row in rows:
        row["at"] = round(row["at"] * 1e6)
        if there:
            row |= {name: without_secrets(row[name]) for name in SAID}
        yield tuple(row.values())


def _groups(rows: Iterator[tuple[Any, ...]]) -> Iterator[list[tuple[Any, ...]]]:
    """Put rows together until they are worth a group."""
    group: list[tuple[Any, ...]] = []
    size = 0
    for row in rows:
        group.append(row)
        size += sum(len(one) for one in row if isinstance(one, str))
        if size >= GROUP or len(group) == MOST:
            yield group
            group, size = [], 0
    if group:
        yield group
