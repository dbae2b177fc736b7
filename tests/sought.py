"""Looks for a secret in what a run leaves, however it is written and in whatever it is packed."""

import base64
import gzip
import io
import re
import sqlite3
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import closing
from itertools import product
from pathlib import Path
from urllib.parse import quote, quote_plus

DEEPEST = 4
"""Archives in archives that are opened."""


def forms(secret: str) -> dict[str, bytes]:
    """The bytes that a secret can stand as, by a name for each.

    In base64 what stands for a text depends on its distance from the beginning, modulo 3, and
    the outermost characters on what is beside it: so there are three, without those.
    """
    plain = secret.encode()
    found = {
        "as it is": plain,
        "in UTF-16": secret.encode("utf-16-le"),
        "in hex": plain.hex().encode(),
    }
    for way in (quote, quote_plus):
        for safe, lower in product(("", "/"), (False, True)):
            said = way(secret, safe=safe)
            said = re.sub("%..", lambda byte: byte[0].lower(), said) if lower else said
            found[f"URL-encoded, as {said}"] = said.encode()
    for shift, alphabet in product(range(3), (base64.b64encode, base64.urlsafe_b64encode)):
        first = -(-shift * 8 // 6)  # characters that hold bits of what stands before
        last = (shift + len(plain)) * 8 // 6
        name = f"in base64, {shift} behind, {alphabet.__name__}"
        found[name] = alphabet(b"\0" * shift + plain)[first:last]
    return found


def places(secret: str, *roots: Path, **texts: bytes) -> list[str]:
    """Say where a secret stands: in the files under `roots`, their names, and `texts`."""
    sought = forms(secret)
    found = []
    for root in roots:
        for path in sorted(root.rglob("*")):
            pieces = [(str(path), str(path).encode())]
            if path.is_file():
                pieces.append((str(path), path.read_bytes()))
                pieces += _rows_of(path)
            found += [
                f"{at}: {way}" for name, data in pieces for at, way in _in(name, data, sought)
            ]
    for name, data in texts.items():
        found += [f"{at}: {way}" for at, way in _in(name, data, sought)]
    return found


def _in(
    name: str, data: bytes, sought: dict[str, bytes], depth: int = 0
) -> Iterator[tuple[str, str]]:
    """Yield where, and in which form."""
    for way, form in sought.items():
        if form in data:
            yield name, way
    if depth < DEEPEST:
        for inside, what in _unpacked(data):
            yield from _in(f"{name}/{inside}", what, sought, depth + 1)


def _unpacked(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield what an archive or a database holds; kinds are known by how they begin."""
    if data.startswith(b"\x1f\x8b"):
        yield "gz", gzip.decompress(data)
    elif data.startswith(b"PK\x03\x04"):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for name in archive.namelist():
                yield "names", name.encode()
                yield name, archive.read(name)
    elif data.startswith(b"PAR1"):
        yield from _columns(data)
    elif data.startswith(SQLITE):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "db"
            path.write_bytes(data)
            yield from _tables(path)


SQLITE = b"SQLite format 3\0"


def _rows_of(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the tables of a SQLite file together with its log, where it has one."""
    log = Path(f"{path}-wal")
    with path.open("rb") as file:
        if file.read(16) != SQLITE or not log.exists():
            return
    with tempfile.TemporaryDirectory() as folder:
        for one in (path, log):
            (Path(folder) / one.name).write_bytes(one.read_bytes())
        yield from ((f"{path}/{name}", what) for name, what in _tables(Path(folder) / path.name))


def _tables(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield every table as bytes: a text that is longer than a page is in several pieces there."""
    with closing(sqlite3.connect(path)) as db:
        db.text_factory = bytes
        names = db.execute("select name from sqlite_master where type = 'table'").fetchall()
        for (name,) in names:
            rows = db.execute(f'select * from "{name.decode()}"')
            cells = (cell for row in rows for cell in row if cell is not None)
            said = [cell if isinstance(cell, bytes) else str(cell).encode() for cell in cells]
            yield name.decode(), b"\n".join(said)


def _columns(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the cells of a Parquet file, and what is said of them."""
    import pyarrow.parquet

    file = pyarrow.parquet.ParquetFile(io.BytesIO(data))
    yield "schema", str(file.schema_arrow).encode() + str(file.metadata.metadata).encode()
    for column in file.read().columns:
        cells = column.to_pylist()
        yield "cells", b"\n".join(c if isinstance(c, bytes) else str(c).encode() for c in cells)
