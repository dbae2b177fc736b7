"""What goes when rows are forgotten: all that holds them, and all that was made from it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from llamaduo import forgotten, openings, runs
from llamaduo.component import digest, file_sha256
from llamaduo.errors import LlamaDuoError
from llamaduo.keeping.calls import Held, holding, opened
from llamaduo.keeping.captured import Lines, lined
from llamaduo.keeping.loose import loose
from llamaduo.keeping.masked import with_masked
from llamaduo.keeping.needles import Needles, and_made, of_rows
from llamaduo.keeping.persons import Chosen, data_files, elsewhere, rows_in
from llamaduo.keeping.sources import Sources, sources
from llamaduo.keeping.units import Unit, being_made, descended, manifest
from llamaduo.records import Example
from llamaduo.tracker.forgetting import WEIGHTS, Shown, Sought, shown

NO_REPORT = frozenset({runs.CONFIG, runs.TYPED, "error.json"})
"""What stands in a run's folder and is no report; it goes where it holds a row."""


@dataclass(frozen=True)
class Plan:
    """All that goes."""

    home: Path
    rows: tuple[Example, ...]
    sources: Sources
    """What it was found by."""
    left: Needles
    """What nothing may hold afterwards: without ids that another row has too."""
    units: tuple[Unit, ...]
    """In the order in which they go."""
    calls: Held
    files: tuple[Path, ...]
    """Of runs, sweeps, comparisons, searches; and weights anywhere under home."""
    folders: tuple[Path, ...]
    """Versions that were brought from a tracking server."""
    captured: tuple[Lines, ...]
    """Captured calls of rollouts."""
    looks: int
    """Digests of their prompts on record as seen tests."""
    shown: Shown
    """In MLflow."""
    runs: tuple[str, ...]
    """Fingerprints of the runs that had a part of it."""
    yours: tuple[tuple[Path, tuple[int, ...]], ...]
    """Files of yours that runs read their rows from, with the lines to take out, from 1."""
    outside: tuple[str, ...]
    """What cannot be reached from here."""

    @property
    def seconds(self) -> float:
        """How long it took to make the results that go."""
        return sum(float(manifest(unit.place).get("seconds", 0)) for unit in self.units)

    @property
    def contents(self) -> frozenset[str]:
        """Content digests of the results that go."""
        return frozenset(unit.content for unit in self.units) - {""}


def plan(home: Path, named: Chosen, all_: Sequence[Unit]) -> Plan:
    """Find all that goes with the rows that were named. Nothing is changed.

    Raises:
        LlamaDuoError: while a run is going on.
    """
    _refuse_while_one_runs(all_)
    private = home / ".llamaduo"
    by = _sources(home, named, all_)
    left = by.left

    def holds(unit: Unit) -> bool:
        needles = by.of_unit(unit)
        texts = (path for path in unit.files() if path.suffix not in WEIGHTS)
        return not set(needles.ids).isdisjoint(unit.rows) or any(map(needles.in_file, texts))

    go = descended(all_, holds)
    contents = {unit.content for unit in go} - {""}
    lines = tuple((path, _lines(path, named.rows)) for path in data_files(home))
    yours = tuple((path, at) for path, at in lines if at)
    there = {unit.place for unit in go}
    kept = {sha for unit in all_ if unit.place not in there for sha in _hashes(unit)}
    hashes = {sha for unit in go for sha in _hashes(unit)} - kept
    beside = loose(home, by, contents, hashes)
    ours = beside.files
    touched = sorted(
        {unit.by for unit in go} & {place.name for place in runs.places(home)}
        | {path.relative_to(private / "runs").parts[0] for path in ours if _of_run(path, private)}
    )
    ours = tuple(dict.fromkeys([*_reports(private, touched), *ours]))
    sought = Sought(
        frozenset(contents),
        frozenset(hashes),
        left.in_text,
        left.in_file,
        frozenset(touched),
    )
    return Plan(
        home=home,
        rows=named.rows,
        sources=by,
        left=left,
        units=tuple(go),
        calls=_calls(home, by),
        files=ours,
        folders=beside.folders,
        captured=tuple(lined(private, left)),
        looks=len(_seen(private, named.rows)),
        shown=shown(home, sought),
        runs=tuple(touched),
        yours=yours,
        outside=tuple(dict.fromkeys(elsewhere(home))),
    )


def _refuse_while_one_runs(all_: Sequence[Unit]) -> None:
    busy = sorted({unit.recipe for unit in all_ if unit.kind == "begun" and being_made(unit.place)})
    if busy:
        raise LlamaDuoError(
            f"a run is going on, and makes {', '.join(busy)}: nothing is forgotten meanwhile. End "
            "it (Ctrl-C keeps what it has), and give the same command again"
        )


def _sources(home: Path, named: Chosen, all_: Sequence[Unit]) -> Sources:
    """Return what to find by, and what nothing may hold afterwards."""
    by = sources(home, named, all_)
    made: dict[str, Example] = {}
    others: dict[str, Example] = {}
    for unit in all_:
        if unit.stage in ("synthetic", "sifted", "train"):
            ids = set(by.of_unit(unit).ids)
            for row in rows_in(unit):
                if row.origin.seeds:
                    of = made if ids & set(row.origin.seeds) else others
                    of[row.model_dump_json()] = row
    left = of_rows(named.rows, named.others)
    left = and_made(left, list(made.values()), [*named.others, *others.values()])
    return replace(by, left=left)


def _lines(path: Path, rows: Sequence[Example]) -> tuple[int, ...]:
    return tuple(number for _, number in forgotten.lines_of(path, rows))


def _reports(private: Path, touched: Sequence[str]) -> Iterator[Path]:
    """Yield what touched runs wrote at their end, in whatever words: the next run writes it anew.

    A dossier cuts long texts, and quotes answers: it goes even where no search finds the row.
    """
    for name in touched:
        for path in sorted((private / "runs" / name).glob("*")):
            if path.is_file() and path.name not in NO_REPORT:
                yield path


def _of_run(path: Path, private: Path) -> bool:
    return path.is_relative_to(private / "runs")


def _hashes(unit: Unit) -> Iterator[str]:
    """Yield the sha256 of a unit's files, as its manifest has them."""
    yield from manifest(unit.place).get("files", {}).values()
    if unit.kind == "begun":
        yield from (file_sha256(path) for path in unit.files() if path.suffix in WEIGHTS)


def _calls(home: Path, by: Sources) -> Held:
    with opened(home) as ledger:
        return Held((), 0.0) if ledger is None else holding(ledger, with_masked(home, by.of))


def _seen(private: Path, rows: Sequence[Example]) -> set[str]:
    """Return the digests of their prompts that are on record as seen."""
    if not (private / "openings" / openings.FILE).exists():
        return set()
    mine = {digest(row.question, row.target) for row in rows}
    return {
        prompt
        for look in openings.add(private / "openings", [])
        for prompt in look.prompts
        if prompt in mine
    }
