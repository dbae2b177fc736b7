"""Which runs have their rows from where a forgotten row stood.

Ids coincide between data sets ("1", "2"). One that a row that stays has too says by itself whose
it is only in what was made for a run whose rows held the forgotten one.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from llamaduo import forgotten, runs
from llamaduo.errors import DataError
from llamaduo.keeping.needles import Needles
from llamaduo.keeping.persons import Chosen, config, data_file, mark, rows_in
from llamaduo.keeping.units import Unit
from llamaduo.records import Example
from llamaduo.task.rows import FileRows

Key = tuple[str, str]
"""Id and `mark` of a row."""


@dataclass(frozen=True)
class Sources:
    """What to look for, by the run that something is of."""

    left: Needles
    """For what is of no run, or of one with other rows: without ids that another row has too."""
    ids: frozenset[str]
    """Of all that go."""
    foreign: dict[str, frozenset[str]]
    """By run, the ids that stand for other rows in it."""
    named: dict[str, tuple[str, ...]]
    """By id, the sources it was found in, as `forgotten.source` names them; none: not known."""

    def of(self, run: str) -> Needles:
        """Return what to look for in what `run` made; "" is one that nobody knows."""
        ids = self.ids - self.foreign.get(run, frozenset())
        return replace(self.left, ids=tuple(sorted({*ids, *self.left.ids})))

    def of_unit(self, unit: Unit) -> Needles:
        """Return what to look for in a unit; a split shows its rows, so that texts decide."""
        return self.left if unit.stage == "split" else self.of(unit.by)


def sources(home: Path, named: Chosen, all_: Sequence[Unit]) -> Sources:
    """Find where the named rows stood, without texts to look for yet."""
    wanted = {(row.id, mark(row)) for row in named.rows}
    said = {place.name: config(place).get("task", {}) for place in runs.places(home)}
    known: dict[str, set[Key]] = {}
    for unit in all_:
        if unit.stage == "split" and unit.by:
            rows = {(row.id, mark(row)) for row in rows_in(unit)}
            known.setdefault(_group(unit.by, said), set()).update(rows)
    for run, task in said.items():
        path = data_file(task)
        if path is not None:
            rows = {(row.id, mark(row)) for row in _read(path)}
            known.setdefault(_group(run, said), set()).update(rows)
    ids = frozenset(row.id for row in named.rows)
    shared = ids & {row.id for row in named.others}
    makers = {*said, *(unit.by for unit in all_ if unit.by)}
    foreign = {}
    for run in makers:
        there = known.get(_group(run, said))
        if there is not None:
            foreign[run] = shared - {id_ for id_, _ in wanted & there}
    places: dict[str, set[str]] = {id_: set() for id_ in ids}
    for run, task in said.items():
        for id_, _ in wanted & known.get(_group(run, said), set()):
            places[id_].add(_name(task))
    return Sources(
        Needles((), tuple(sorted(ids - shared))),
        ids,
        foreign,
        {id_: tuple(sorted(at - {""})) for id_, at in places.items()},
    )


def _group(run: str, said: dict[str, dict[str, Any]]) -> str:
    """Return what runs with one task have in common."""
    task = said.get(run)
    return json.dumps(task, sort_keys=True, default=str) if task else run


def _name(task: dict[str, Any]) -> str:
    rows = task.get("rows")
    repo = rows.get("repo") if isinstance(rows, dict) else None
    path = data_file(task)
    return forgotten.named(path) if path is not None else str(repo or task.get("name") or "")


def _read(path: Path) -> list[Example]:
    try:
        return [row for row, _ in FileRows(path=path).read()]
    except (DataError, ValueError):  # it is no file of rows any more
        return []
