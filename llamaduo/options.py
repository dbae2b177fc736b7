"""What can be chosen: groups and their options, read from folders, without Hydra."""

import ast
import difflib
from collections.abc import Iterable
from pathlib import Path

from llamaduo.errors import UsageError

PACKAGE = Path(__file__).resolve().parent
EXPERIMENTS = "experiments"


def shipped(folder: str) -> Path:
    """Return our own `conf` or `experiments`: in the package (wheel) or beside it (checkout)."""
    inside = PACKAGE / folder
    return inside if inside.is_dir() else PACKAGE.parent / folder


def folders(folder: str) -> list[Path]:
    """Return where options may stand: the working folder first, then ours."""
    own = Path.cwd() / folder
    ours = shipped(folder)
    return [own, ours] if own.is_dir() and own.resolve() != ours.resolve() else [ours]


def groups() -> list[str]:
    """Return the names of our groups. A user's `conf/` adds options, not groups."""
    return sorted(p.name for p in shipped("conf").iterdir() if p.is_dir())


def options(group: str) -> dict[str, Path]:
    """Return the options of a group, or the experiments, by name; the user's shadow ours."""
    found: dict[str, Path] = {}
    for folder in folders(EXPERIMENTS) if group == EXPERIMENTS else folders("conf"):
        place = folder if group == EXPERIMENTS else folder / group
        for path in sorted(place.glob("*.yaml")):
            found.setdefault(path.stem, path)
    return dict(sorted(found.items()))


def says(path: Path) -> str:
    """Return the first comment of an option that is not a Hydra header."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            if line.startswith("#") and "@package" not in line:
                return line.lstrip("# ").strip()
    return ""


def about(group: str) -> str:
    """Return the first line of the group's package docstring, without importing it."""
    if group == EXPERIMENTS:
        return "Named runs: a few choices and settings each."
    source = (PACKAGE / group / "__init__.py").read_text(encoding="utf-8")
    return (ast.get_docstring(ast.parse(source)) or "").split("\n")[0]


def nearest(name: str, among: Iterable[str]) -> str:
    """Return "; did you mean `x`?" for the name most like `name`, or ""."""
    close = difflib.get_close_matches(name, list(among), n=1, cutoff=0.5)
    return f"; did you mean `{close[0]}`?" if close else ""


def check_option(group: str, name: str) -> None:
    """Raise if `group` has no option `name`.

    Raises:
        UsageError: with the nearest name and all there are.
    """
    there = options(group)
    if name not in there:
        raise UsageError(
            f"{group}={name}: no such option{nearest(name, there)} (there are: {', '.join(there)})"
        )
