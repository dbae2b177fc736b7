"""Installed libraries against the ranges of the package's own metadata."""

import importlib.metadata
import platform

import pytest
from packaging.requirements import Requirement

from llamaduo.preflight import libraries
from llamaduo.preflight.libraries import wanted_by, wrong


def test_this_environment_is_in_order() -> None:
    found = list(libraries.libraries())
    assert {level for level, _ in found} == {"ok"}
    assert "torch" in found[-1].line


def test_extras_are_not_asked_for() -> None:
    names = {one.name for one in wanted_by("llamaduo")}
    assert "trl" in names
    assert not {"pytest", "ruff"} & names


def test_a_library_of_another_range_is_said_with_the_line_that_mends_it() -> None:
    found = wrong(Requirement("pydantic<2"))
    assert found is not None
    assert found.level == "look"
    assert found.line.endswith(": pip install 'pydantic<2'")
    assert importlib.metadata.version("pydantic") in found.line


def test_a_library_that_is_not_there_makes_a_run_impossible() -> None:
    found = wrong(Requirement("no-such-library>=3"))
    assert found == (
        "MISSING",
        "no-such-library is not installed: pip install 'no-such-library>=3'",
    )


def test_a_library_of_the_range_is_not_spoken_of() -> None:
    assert wrong(Requirement("pydantic>=2")) is None


def test_another_python_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "python_version", lambda: "3.9.1")
    [found] = libraries.python()
    assert found.level == "look"
    assert "3.9.1" in found.line


def test_a_package_that_is_not_installed_has_no_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libraries, "PACKAGE", "no-such-package")
    [found] = libraries.libraries()
    assert found.level == "look"
