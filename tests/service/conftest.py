"""The keys of every way to a provider."""

from pathlib import Path

import pytest
from ways import CLOUD, SECRET


@pytest.fixture
def keys_of_all_ways(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Every way of `ways` has its key, and nothing of the machine's own."""
    monkeypatch.setenv("MY_API_KEY", SECRET)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    for name, value in CLOUD.items():
        monkeypatch.setenv(name, value)
