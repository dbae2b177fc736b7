"""Where MLflow keeps runs: a file under home, made once and put right if home was moved."""

import fcntl
import gc
import logging
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from llamaduo.errors import TrackerError
from llamaduo.local import cache_home
from llamaduo.progress import Progress
from llamaduo.secrets import without_secrets
from llamaduo.tracker.book import Book

FILE = "mlflow.db"
ARTIFACTS = "artifacts"
PATHS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "storage_location"),
)
"""Where MLflow's database has absolute paths of artifacts."""
PATIENCE = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
}
"""Seconds, and times, that a server is waited for. MLflow's own make it minutes a call, and a
run that cannot be shown now is shown by the next command; what the environment says stands."""


def is_server(uri: str | None) -> bool:
    """Whether `uri` is the address of a tracking server, and not of a database."""
    return uri is not None and urlsplit(uri).scheme in ("http", "https")


def folder_of(home: Path) -> Path:
    """Return the folder of MLflow's file database and artifacts."""
    return home.absolute() / "mlruns"


def address(uri: str | None, home: Path) -> str:
    """Return where MLflow is to look."""
    return uri or f"sqlite:///{folder_of(home) / FILE}"


def name_of(task: str) -> str:
    """Return what the experiment of a task is called."""
    return f"llamaduo/{task}"


def be_patient() -> None:
    """Set how long MLflow waits in this process; before it is imported."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # every nested run's
    for name, value in PATIENCE.items():
        os.environ.setdefault(name, value)


def _import_mlflow() -> None:
    """Import MLflow without looking for garbage among what stays for good.

    They are some hundred thousand objects. To look for garbage while they are made, and among
    them at every full collection of a run, takes about as long again as importing them.
    """
    if "mlflow.tracking" in sys.modules:
        return
    collects = gc.isenabled()
    gc.disable()
    try:
        import mlflow.store.tracking.sqlalchemy_store
        import mlflow.tracking  # noqa: F401
    finally:
        gc.freeze()
        if collects:
            gc.enable()


def client_of(uri: str | None, home: Path) -> Any:
    """Return MLflow's client. A file database is opened, and made, by it: hold the lock."""
    be_patient()
    logging.getLogger("alembic").setLevel(logging.WARNING)
    from mlflow.tracking import MlflowClient

    file = folder_of(home) / FILE
    if uri is None and not file.exists():
        _make(file)
    return MlflowClient(tracking_uri=address(uri, home))


def _make(file: Path) -> None:
    """Make an empty database: whole or not at all, and once for each version of MLflow.

    MLflow makes its tables by going through every migration there ever was, and a kill among
    them leaves a file that it can neither use nor mend. So they are made in the user's cache.
    """
    from mlflow import __version__
    from mlflow.tracking import MlflowClient

    empty = cache_home() / "mlflow" / f"{__version__}.db"
    draft = file.with_suffix(f".{os.getpid()}")
    if empty.is_file():
        shutil.copyfile(empty, draft)
    else:
        draft.unlink(missing_ok=True)
        MlflowClient(tracking_uri=f"sqlite:///{draft}")
        with suppress(OSError):  # a cache that nothing can be written to: made anew each time
            empty.parent.mkdir(parents=True, exist_ok=True)
            kept = empty.with_suffix(f".{os.getpid()}")
            shutil.copyfile(draft, kept)
            kept.rename(empty)
    _own_place(draft, file.parent / ARTIFACTS)
    draft.rename(file)


def _own_place(database: Path, artifacts: Path) -> None:
    """Have MLflow's experiment `Default`, which it puts in the working folder, stand there too."""
    from sqlalchemy import create_engine, text
    from sqlalchemy.pool import NullPool

    engine = create_engine(f"sqlite:///{database}", poolclass=NullPool)
    with closing(engine.connect()) as connection, connection.begin():
        place = text("update experiments set artifact_location = :place where experiment_id = 0")
        connection.execute(place, {"place": f"{artifacts.as_uri()}/0"})


@contextmanager
def opened(uri: str | None, home: Path, task: str) -> Iterator[Book]:
    """Open the experiment of a task under a lock, made with its database if they are not there.

    Whoever finds or makes a run does so within; others on this machine wait.

    Raises:
        TrackerError: with MLflow's reason.
    """
    be_patient()
    _import_mlflow()  # takes a second; others need not wait for it
    from mlflow.exceptions import MlflowException

    with locked(home):
        try:
            if uri is None:
                put_right(home, Progress())
            client = client_of(uri, home)
            place = None if is_server(uri) else (folder_of(home) / ARTIFACTS).as_uri()
            yield Book(client, _experiment(client, name_of(task), place))
        except MlflowException as error:
            raise TrackerError(
                f"tracker: {address(uri, home)} cannot be used: {in_a_line(error)}; "
                "`llamaduo doctor` says more, and tracker=none goes without"
            ) from None


@contextmanager
def locked(home: Path) -> Iterator[None]:
    """Hold the lock of this home's database; the kernel lets go of it even after kill -9."""
    folder = folder_of(home)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def in_a_line(error: Exception) -> str:
    """Return what is wrong, as one line without a secret."""
    return without_secrets(" ".join(str(error).split()))[:500]


def is_ours(error: Exception) -> bool:
    """Whether an error is a fault of this code, and not of a server, a store or its library.

    Each kind of store has a library of its own, with errors of its own.
    """
    if isinstance(error, OSError | ImportError):  # those of requests are OSErrors
        return False
    return type(error).__module__.partition(".")[0] in ("builtins", "llamaduo", "json")


def _experiment(client: Any, name: str, place: str | None) -> str:
    from mlflow.exceptions import MlflowException

    known = client.get_experiment_by_name(name)
    if known is None:
        try:
            return str(client.create_experiment(name, artifact_location=place))
        except MlflowException as error:  # another machine was faster
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            known = client.get_experiment_by_name(name)
    if known.lifecycle_stage != "active":
        raise TrackerError(
            f"tracker: the experiment {name} was deleted in MLflow; restore it there, on its page "
            f"or with `mlflow experiments restore --experiment-id {known.experiment_id}`"
        )
    return str(known.experiment_id)


def put_right(home: Path, progress: Progress) -> None:
    """Have the database of a home that was moved or copied name its artifacts where they are.

    To be called under the lock, before MLflow opens it. The old place is not touched.
    """
    from sqlalchemy import create_engine, inspect, text
    from sqlalchemy.pool import NullPool

    folder = folder_of(home)
    if not (folder / FILE).is_file():
        return
    here = (folder / ARTIFACTS).as_uri()
    engine = create_engine(f"sqlite:///{folder / FILE}", poolclass=NullPool)
    with closing(engine.connect()) as connection, connection.begin():
        tables = set(inspect(connection).get_table_names())
        if "experiments" not in tables:
            return
        found = connection.execute(
            text(
                "select artifact_location from experiments"
                " where name like 'llamaduo/%' or experiment_id = 0"
            )
        ).scalars()
        file = [place.removesuffix("/0") for place in found if place and place.startswith("file:")]
        elsewhere = set(file) - {here}
        olds = [place for place in elsewhere if place.endswith(f"/mlruns/{ARTIFACTS}")]
        for old in olds:
            for table, column in PATHS:
                if table in tables:
                    connection.execute(
                        text(
                            f"update {table} set {column} = :here || substr({column}, :length + 1)"
                            f" where substr({column}, 1, :length + 1) in (:old, :old || '/')"
                        ),
                        {"here": here, "old": old, "length": len(old)},
                    )
    for old in olds:
        was = Path(unquote(urlsplit(old).path)).parents[1]
        progress.say(f"tracker: the runs of {was} are in {home} now; their artifacts too")
