"""Installed libraries against the ranges that the package itself asks for."""

import importlib.metadata
import platform
from collections.abc import Iterator

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from llamaduo.preflight.finding import Finding, look, missing, ok

PACKAGE = "llamaduo"

SHOWN = ("torch", "transformers", "peft", "trl", "bitsandbytes", "litellm")
"""Versions of these are named where all is well: others give other weights or prices."""


def libraries() -> Iterator[Finding]:
    """Yield a line for each library that is not there or not of its range; else one for all."""
    try:
        wanted = wanted_by(PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        yield look(
            f"versions: {PACKAGE} is not installed, so its ranges are not known: pip install -e ."
        )
        return
    found = [fault for requirement in wanted if (fault := wrong(requirement))]
    yield from found
    yield from python()
    if not found:
        shown = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in SHOWN)
        yield ok(f"{len(wanted)} libraries in their ranges, of them {shown}")


def wanted_by(package: str) -> list[Requirement]:
    """Return what `package` requires here, without its extras."""
    wanted = [Requirement(line) for line in importlib.metadata.requires(package) or ()]
    return [one for one in wanted if one.marker is None or one.marker.evaluate({"extra": ""})]


def wrong(requirement: Requirement) -> Finding | None:
    """Say so if it is not met, with the line that meets it."""
    fix = f"pip install '{requirement.name}{requirement.specifier}'"
    try:
        version = importlib.metadata.version(requirement.name)
    except importlib.metadata.PackageNotFoundError:
        return missing(f"{requirement.name} is not installed: {fix}")
    if requirement.specifier.contains(version, prereleases=True):
        return None
    asked = f"{PACKAGE} wants {requirement.specifier}"
    return look(f"{requirement.name} {version} is installed and {asked}: {fix}")


def python() -> Iterator[Finding]:
    """Yield a line about this Python."""
    version = platform.python_version()
    asked = importlib.metadata.metadata(PACKAGE)["Requires-Python"]
    if asked and not SpecifierSet(asked).contains(version, prereleases=True):
        yield look(f"Python {version}, and {PACKAGE} wants {asked}: make another environment")
    else:
        yield ok(f"Python {version}")
