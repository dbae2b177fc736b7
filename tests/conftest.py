"""A clean environment for every test, and what several of them start from."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from llamaduo.config import from_overrides
from llamaduo.experiment import Experiment

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ["HF_HUB_OFFLINE"] = "1"


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
        if name.endswith(("_API_KEY", "_TOKEN")) or name.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    monkeypatch.chdir(tmp_path)
    yield


@pytest.fixture
def tiny() -> Experiment:
    """The checked experiment `demo_tiny`, at home in the test's folder."""
    return from_overrides(["experiments=demo_tiny", "tracker=none"])
