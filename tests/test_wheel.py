"""What users who install the wheel get."""

import tomllib
import zipfile
from pathlib import Path

from hatchling.builders.wheel import WheelBuilder

ROOT = Path(__file__).parent.parent
SHIPPED = {".css", ".html", ".jsonl", ".md", ".sql", ".yaml"}
"""Ends of the names of what is read at run time, and is no code."""


def test_the_wheel_carries_every_option_experiment_and_row(tmp_path: Path) -> None:
    [built] = WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    held = set(zipfile.ZipFile(built).namelist())
    for folder in ("conf", "experiments"):
        for path in (ROOT / folder).rglob("*.yaml"):
            assert f"llamaduo/{path.relative_to(ROOT)}" in held
    data = [p for p in (ROOT / "llamaduo").rglob("*") if p.suffix in SHIPPED]
    assert data
    assert all(str(path.relative_to(ROOT)) in held for path in data)
    assert not [name for name in held if name.startswith(("tests/", "docs/"))]


def test_the_versions_that_are_pinned_are_those_that_are_asked_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pinned = {
        line.partition("==")[0].lower().replace("_", "-")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
    }
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    for requirement in wanted:
        name = requirement.partition(">")[0].partition("[")[0].lower().replace("_", "-")
        assert name in pinned, requirement
