"""Rows that were forgotten under a home: known again by digests alone, and refused.

`.llamaduo/forgotten.jsonl` holds a line for each: the day, and sha256 digests of its id, its
question and its target, with a salt that stands beside them. The salt keeps lists of digests
from being matched across homes; it does not keep who has the file from trying a text he guesses.
"""

import hashlib
import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from llamaduo.errors import DataError
from llamaduo.records import Example, Record
from llamaduo.task import Task
from llamaduo.task.coverage import CoverageTask
from llamaduo.task.rows import FileRows, read_rows

FILE = "forgotten.jsonl"
KEEPS_PARTS = (
    "the rows behind one that is taken out may come into other parts of the split: give them their "
    "`part`, or go on with what `store forget --rest` wrote (docs/housekeeping.md)"
)

SHOWN = 20
"""Rows that are listed; further ones are counted."""


class Gone(Record):
    """A row that was forgotten, as digests in hex."""

    at: str
    """Day, as in 2026-11-23."""
    salt: str
    id: str
    question: str
    target: str
    sources: tuple[str, ...] = ()
    """Where its id means it; none: nobody knows, so everywhere."""


def remember(
    home: Path, rows: Sequence[Example], today: str, sources: Mapping[str, Sequence[str]]
) -> None:
    """Put rows on record, once each.

    Args:
        home: the folder `.llamaduo`.
        rows: with all their texts.
        today: as in 2026-11-23.
        sources: by id, the names of the sources that had it.
    """
    known = read(home)
    salt = known[0].salt if known else secrets.token_hex(16)
    there = {(one.id, one.question, one.target) for one in known}
    fresh = [
        Gone(
            at=today,
            salt=salt,
            id=_mark(salt, row.id),
            question=_mark(salt, row.question),
            target=_mark(salt, row.target),
            sources=tuple(_mark(salt, one) for one in sources.get(row.id, ())),
        )
        for row in rows
    ]
    all_ = [*known, *(one for one in fresh if (one.id, one.question, one.target) not in there)]
    draft = home / f"{FILE}.new"
    draft.write_text("".join(one.model_dump_json() + "\n" for one in all_), encoding="utf-8")
    draft.replace(home / FILE)


def read(home: Path) -> list[Gone]:
    """Return what is on record under `.llamaduo`, oldest first."""
    try:
        lines = (home / FILE).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    return [Gone.model_validate_json(line) for line in lines]


def day_of_id(home: Path, name: str) -> str:
    """Return the day on which a row of this id was forgotten; empty if none was."""
    return next((one.at for one in read(home) if one.id == _mark(one.salt, name)), "")


def found(home: Path, rows: Sequence[Example], source: str) -> list[tuple[Example, str]]:
    """Return those of `rows` that were forgotten, with the day.

    A row is known by its question, whatever it is called now; or by its id and target, in a
    source that it was forgotten of: elsewhere the id may be another row's.

    Args:
        source: what the rows are of, as `source_of` names it.
    """
    known = read(home)
    if not known:
        return []
    days = {one.question: one.at for one in known}
    days |= {
        f"{one.id} {one.target}": one.at
        for one in known
        if not one.sources or _mark(one.salt, source) in one.sources
    }
    salts = sorted({one.salt for one in known})

    def day(row: Example) -> str:
        for salt in salts:
            both = f"{_mark(salt, row.id)} {_mark(salt, row.target)}"
            if at := days.get(_mark(salt, row.question)) or days.get(both):
                return at
        return ""

    return [(row, at) for row in rows if (at := day(row))]


def refuse(home: Path, task: Task, rows: Sequence[Example]) -> None:
    """Raise if any of a task's rows was forgotten under this home.

    Raises:
        DataError: naming each, with file and line where it stands in one.
    """
    gone = found(home, rows, source_of(task))
    if not gone:
        return
    path = file_of(task)
    lines = dict(lines_of(path, [row for row, _ in gone])) if path else {}
    where = f" of {path}" if path else ""
    faults = [
        f"row {row.id}{where}{f', line {lines[row.id]},' if row.id in lines else ''} was forgotten "
        f"on {at}: take it out{' of the file' if path else ' of the data set'}"
        for row, at in gone[:SHOWN]
    ]
    more = [f"and {len(gone) - SHOWN} more"] if len(gone) > SHOWN else []
    raise DataError(
        "\n  ".join(
            [f"task {task.name} has rows that were forgotten:", *faults, *more, KEEPS_PARTS]
        )
    )


def source_of(task: Task) -> str:
    """Name what the rows of `task` stand in: a file, a dataset of the hub, or itself."""
    path = file_of(task)
    if path is not None:
        return named(path)
    repo = getattr(getattr(task, "rows", None), "repo", None)
    return str(repo or task.name)


def named(path: Path) -> str:
    """Name a file as a source of rows."""
    return str(path.resolve())


def file_of(task: Task) -> Path | None:
    """Return the file that the rows of `task` stand in, where they stand in one."""
    if isinstance(task, CoverageTask) and isinstance(task.rows, FileRows):
        return Path(task.rows.path)
    return None


def lines_of(path: Path, rows: Sequence[Example]) -> Iterator[tuple[str, int]]:
    """Yield the ids of `rows` whose question stands in the file, each with its line, from 1."""
    wanted = {row.question: row.id for row in rows}
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                [(row, _)] = read_rows([("", json.loads(line))], "")
            except (ValueError, DataError):
                continue
            if row.question in wanted:
                yield wanted[row.question], number


def _mark(salt: str, text: str) -> str:
    return hashlib.sha256(f"{salt}\x1f{text}".encode()).hexdigest()
