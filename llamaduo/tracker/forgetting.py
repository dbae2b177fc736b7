"""What MLflow has of forgotten rows: found in the database under a home, and taken out.

On a server only what its API can delete is; the rest is said, for whoever runs it.
"""

import sqlite3
from collections.abc import Callable, Collection, Iterator
from contextlib import closing, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llamaduo.component import file_sha256
from llamaduo.errors import LlamaDuoError
from llamaduo.tracker.book import PARENT
from llamaduo.tracker.references import Lined, lined, say, write
from llamaduo.tracker.shown import CONTENT, FINGERPRINT, MADE_BY, TRIAL

WEIGHTS = frozenset({".safetensors", ".bin", ".pt", ".pth", ".gguf"})
"""Ends of the names of files that hold weights."""

CHAMPION = "champion"

_ENTITIES = frozenset(
    {"runs", "experiments", "registered_models", "model_versions", "logged_models", "trace_info"}
)
"""Tables that others hang on: of these a cell is emptied, and of all others the row goes."""


@dataclass(frozen=True)
class Version:
    """A registered version whose weights remember."""

    name: str
    number: str
    aliases: tuple[str, ...]


@dataclass(frozen=True)
class Sought:
    """What is looked for."""

    contents: frozenset[str]
    """Content digests of results that go."""
    hashes: frozenset[str]
    """Sha256 of their files' bytes, of those that no other result has."""
    in_text: Callable[[str], bool]
    in_file: Callable[[Path], bool]
    runs: frozenset[str]
    """Fingerprints of runs that had a part of it: their reports go."""


@dataclass(frozen=True)
class Shown:
    """What the database under a home has of it."""

    files: tuple[Path, ...]
    cells: tuple[tuple[str, str, int], ...]
    """(table, column, rowid)."""
    versions: tuple[Version, ...]
    stale: tuple[int, ...] = ()
    """Rowids of tags by which what is shown of a touched run passes for all of it."""
    lined: tuple[tuple[Lined, tuple[Version, ...]], ...] = ()
    """References that go on without the rows, each with the versions it stands beside."""


def shown(home: Path, sought: Sought) -> Shown:
    """Find what is to go. Nothing is changed."""
    folder, database = home / "mlruns", home / "mlruns" / "mlflow.db"
    if not folder.is_dir():
        return Shown((), (), ())
    ids: set[str] = set()
    cells: list[tuple[str, str, int]] = []
    versions: list[Version] = []
    touched: set[str] = set()
    stale: list[int] = []
    if database.exists():
        with closing(sqlite3.connect(database)) as db:
            ids = _descended(db, sought.contents)
            cells = list(_cells(db, sought))
            versions = list(_versions(db, ids, sought.contents))
            touched = _touched(db, sought.runs)
            stale = list(_stale(db, touched))
    found = [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and not path.name.startswith("mlflow.db")
        and (_goes(path, ids, sought) or _is_report(path, touched))
    ]
    with closing(sqlite3.connect(database)) if database.exists() else nullcontext() as db:
        stay = [(one, _beside(db, one)) for one in lined(found, sought.in_text) if db]
    whole = tuple(path for path in found if all(path != one.path for one, _ in stay))
    return Shown(whole, tuple(cells), tuple(versions), tuple(stale), tuple(stay))


def _beside(db: sqlite3.Connection, one: Lined) -> tuple[Version, ...]:
    """Return the versions of the MLflow run that a file of references stands in."""
    return tuple(version for version in _versions(db, set(one.path.parts), ()))


def _is_report(path: Path, touched: Collection[str]) -> bool:
    return path.parent.name == "report" and path.parent.parent.parent.name in touched


def _touched(db: sqlite3.Connection, fingerprints: Collection[str]) -> set[str]:
    """Return the ids of MLflow runs of these runs, and of those below them but for trials."""
    tags = list(_all(db, "tags", "run_uuid, key, value"))
    found = {run for run, key, value in tags if key == FINGERPRINT and value in fingerprints}
    below = {run for run, key, value in tags if key == PARENT and value in found}
    return found | (below - {run for run, key, _ in tags if key == TRIAL})


def _stale(db: sqlite3.Connection, touched: Collection[str]) -> Iterator[int]:
    for row, run, key in _all(db, "tags", "rowid, run_uuid, key"):
        if run in touched and key in (CONTENT, MADE_BY):
            yield row


def _goes(path: Path, ids: set[str], sought: Sought) -> bool:
    if path.suffix in WEIGHTS:
        return not ids.isdisjoint(path.parts) or file_sha256(path) in sought.hashes
    return sought.in_file(path)


def _descended(db: sqlite3.Connection, contents: Collection[str]) -> set[str]:
    """Return the ids of runs and models that were made from a result that goes."""
    runs = {run for run, value in _all(db, "tags", "run_uuid, value") if _mentions(value, contents)}
    models = {
        model for model, run in _all(db, "logged_models", "model_id, source_run_id") if run in runs
    }
    return runs | models


def _versions(
    db: sqlite3.Connection, ids: Collection[str], contents: Collection[str]
) -> Iterator[Version]:
    parents = {
        value
        for run, key, value in _all(db, "tags", "run_uuid, key, value")
        if key == "mlflow.parentRunId" and run in ids
    }
    tagged = {
        (name, number)
        for name, number, value in _all(db, "model_version_tags", "name, version, value")
        if _mentions(value, contents)
    }
    aliases = list(_all(db, "registered_model_aliases", "name, alias, version"))
    columns = "name, version, run_id, source, current_stage"
    for name, number, run, source, stage in _all(db, "model_versions", columns):
        of = run in ids or run in parents or any(one in str(source) for one in ids)
        if stage != "Deleted_Internal" and (of or (name, number) in tagged):
            called = tuple(a for at, a, v in aliases if (at, str(v)) == (name, str(number)))
            yield Version(name, str(number), called)


def _cells(db: sqlite3.Connection, sought: Sought) -> Iterator[tuple[str, str, int]]:
    """Yield every cell of text that holds what is looked for."""
    tables = [name for (name,) in db.execute("select name from sqlite_master where type = 'table'")]
    for table in tables:
        cursor = db.execute(f'select rowid, * from "{table}"')
        names = [column[0] for column in cursor.description]
        for row in cursor:
            for name, value in zip(names[1:], row[1:], strict=True):
                if isinstance(value, str) and value and sought.in_text(value):
                    yield table, name, int(row[0])


def _all(db: sqlite3.Connection, table: str, columns: str) -> list[tuple[Any, ...]]:
    """Return the rows of a table; none of one that this MLflow does not have."""
    if db.execute("select 1 from sqlite_master where name = ?", (table,)).fetchone() is None:
        return []
    return db.execute(f"select {columns} from {table}").fetchall()


def _mentions(value: object, contents: Collection[str]) -> bool:
    return any(content in str(value) for content in contents)


def take_out(home: Path, found: Shown, step: Callable[[str], None]) -> None:
    """Take out what was found: versions with their aliases, files, cells; then the free pages.

    Raises:
        LlamaDuoError: if another process keeps the database from being written anew.
    """
    database = home / "mlruns" / "mlflow.db"
    for version in found.versions:
        step(f"version {version.name} {version.number}")
        _delete(f"sqlite:///{database}", version)
    for path in found.files:
        step(f"file {path.name}")
        path.unlink(missing_ok=True)
    if not database.exists() or not any((found.cells, found.versions, found.stale, found.lined)):
        return
    step("database")
    with closing(sqlite3.connect(database, timeout=60)) as db:
        db.execute("pragma secure_delete = on")
        for row in found.stale:  # not removed: without one, curves would be shown a second time
            db.execute("update tags set value = 'forgotten' where rowid = ?", (row,))
        for table, column, row in found.cells:
            if table in _ENTITIES:
                db.execute(f'update "{table}" set "{column}" = ? where rowid = ?', ("", row))
            else:
                db.execute(f'delete from "{table}" where rowid = ?', (row,))
        for one, _ in found.lined:
            say(db, one)
        db.commit()
        for one, _ in found.lined:
            step(f"file {one.path.name}")
            write(one)
        try:
            db.execute("vacuum")
            (busy, *_) = db.execute("pragma wal_checkpoint(truncate)").fetchone()
        except sqlite3.OperationalError as error:
            raise LlamaDuoError(f"{database} cannot be written anew ({error})") from None
        if busy:
            raise LlamaDuoError(
                f"{database} is open in another process (mlflow ui?): end it, and give the same "
                "command again"
            )


def _delete(uri: str, version: Version) -> None:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    for alias in version.aliases:
        client.delete_registered_model_alias(version.name, alias)
    client.delete_model_version(version.name, version.number)


def on_server(
    uri: str, fingerprints: Collection[str], contents: Collection[str], *, yes: bool
) -> list[str]:
    """Delete what the API of a server lets us of runs that are touched; say what is left to do.

    Args:
        uri: of the server.
        fingerprints: of the runs.
        contents: digests of results that go, of versions that are tagged with them.
        yes: without it, it is only said.

    Returns:
        Lines for people.
    """
    from mlflow.exceptions import MlflowException
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    where, said = uri.rpartition("@")[2], []
    try:
        places = [one.experiment_id for one in client.search_experiments()]
        runs = []
        for name in sorted(fingerprints):
            for run in _tagged(client, places, "llamaduo.fingerprint", name):
                runs += [run, *_tagged(client, places, "mlflow.parentRunId", run.info.run_id)]
        ids = {run.info.run_id for run in runs}
        found = [
            one
            for one in client.search_model_versions()
            if one.run_id in ids or any(_mentions(v, contents) for v in one.tags.values())
        ]
        for one in found:
            said.append(f"{where}: version {one.version} of {one.name}")
            if yes:
                _delete(uri, Version(one.name, str(one.version), tuple(one.aliases or ())))
        for run in runs:
            said.append(f"{where}: run {run.info.run_id}, its artifacts with it")
            if yes:
                try:
                    get_artifact_repository(run.info.artifact_uri).delete_artifacts()
                except (NotImplementedError, OSError, MlflowException) as error:
                    said.append(
                        f"  its artifacts are left ({type(error).__name__}): "
                        f"{run.info.artifact_uri}"
                    )
                client.delete_run(run.info.run_id)
    except MlflowException as error:
        return [*said, f"{where}: not reached ({type(error).__name__}); give the command again"]
    if runs:
        said.append(
            f"{where}: who runs it has to run `mlflow gc` (deleted runs stay in its database until "
            "then), and to remove older versions of objects in its bucket, and backups"
        )
    return said


def _tagged(client: Any, places: list[str], key: str, value: str) -> list[Any]:
    found, token = [], None
    while True:
        page = client.search_runs(
            places, filter_string=f"tags.`{key}` = '{value}'", page_token=token
        )
        found += list(page)
        token = page.token
        if not token:
            return found
