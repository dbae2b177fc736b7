"""One finished run of the small world, to copy."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from kept_world import Run, go, made
from small_world import Diary


@dataclass(frozen=True)
class World:
    """A home, what was done there, and what it came to."""

    home: Path
    diary: Diary
    run: Run


@pytest.fixture(scope="session")
def first(tmp_path_factory: pytest.TempPathFactory) -> World:
    home, diary = tmp_path_factory.mktemp("world") / "home", Diary()
    return World(home, diary, go(made(home, diary)))


@pytest.fixture
def home(first: World, tmp_path: Path) -> Path:
    """A copy of the home of `first`."""
    shutil.copytree(first.home, tmp_path / "home")
    return tmp_path / "home"
