"""Runs under a home: what made them, found by name, read, and what cannot be read is said."""

import json
import re
from collections.abc import Iterable
from pathlib import Path
from uuid import uuid4

import yaml
from pydantic import ValidationError

from llamaduo.comparison import Finished
from llamaduo.errors import UsageError
from llamaduo.experiment import Experiment
from llamaduo.findings import Result
from llamaduo.resolved import resolved
from llamaduo.scores import FILE, read_scores
from llamaduo.started import Started

RESULT = "result.json"
CONFIG = "config.yaml"
"""In a run's folder: every value it was made with."""
TYPED = "overrides.json"
"""Beside it: the overrides as they were typed here."""
_DIGITS = re.compile("[0-9a-f]+")


def places(home: Path) -> list[Path]:
    """Return the folders of all runs under `home`, begun or finished, by fingerprint."""
    return sorted(p for p in (home / ".llamaduo" / "runs").glob("*") if p.is_dir())


def newest(home: Path) -> Path | None:
    """Return the folder of the run that was finished last; None where none was."""
    found = [path for place in places(home) if (path := place / RESULT).is_file()]
    return max(found, key=lambda path: path.stat().st_mtime).parent if found else None


def remember(place: Path, exp: Experiment, started: Started | None) -> None:
    """Write down in a run's folder what makes the run.

    A component of one's own may hold what no YAML can say: that is said there instead, and such
    a run is named by its overrides only.
    """
    try:
        text = config_of(exp)
    except TypeError as error:
        text = f"# {error}\n"
    draft = place / f"{CONFIG}.{uuid4().hex}"  # two jobs may begin one run at once
    draft.write_text(text, "utf-8")
    draft.replace(place / CONFIG)
    if started is not None:
        words = json.dumps(list(started.overrides))
        (place / TYPED).write_text(words + "\n", encoding="utf-8")


def config_of(exp: Experiment) -> str:
    """Return what `config.yaml` holds of a run.

    Raises:
        TypeError: for a value that no YAML can say.
    """
    values = resolved(exp)
    del values["_target_"], values["home"]  # the folder may be moved
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True)


def typed(place: Path) -> tuple[str, ...] | None:
    """Return the overrides that a run was last started with; None where nobody knows."""
    try:
        return tuple(map(str, json.loads((place / TYPED).read_text(encoding="utf-8"))))
    except (OSError, ValueError):
        return None


def place_of(home: Path, name: str) -> Path | None:
    """Return the folder of the run whose fingerprint begins with `name`; None if there is none.

    Raises:
        UsageError: if there are several.
    """
    found = [p for p in places(home) if _DIGITS.fullmatch(name) and p.name.startswith(name)]
    if len(found) > 1:
        names = ", ".join(p.name for p in found)
        raise UsageError(f"{name}: {len(found)} runs begin with it: {names}")
    return found[0] if found else None


def read(found: Iterable[Path]) -> tuple[list[Finished], list[str]]:
    """Read runs from their folders, in order; those that cannot be are said, one line each.

    A run whose result is whole and whose scores are not is among the runs: it is in the
    tables, and nothing can be said of its single prompts.
    """
    runs: list[Finished] = []
    said: list[str] = []
    for place in found:
        try:
            result = Result.model_validate_json((place / RESULT).read_bytes())
        except FileNotFoundError:
            said.append(f"{place.name}: left out, {why_unfinished(place)}")
            continue
        except (OSError, ValidationError) as error:
            said.append(
                f"{place.name}: left out, {RESULT} cannot be read ({_first(error)}): it is damaged "
                "or of another version; the command that made it makes it anew, from the store"
            )
            continue
        try:
            runs.append(Finished(result, read_scores(place / FILE), settings_of(place)))
        except (OSError, ValueError) as error:
            said.append(
                f"{place.name}: in the tables only, {FILE} cannot be read ({_first(error)}); the "
                "command that made it makes it anew, from the store"
            )
            runs.append(Finished(result, settings=settings_of(place)))
    return runs, said


def why_unfinished(place: Path) -> str:
    """Say why a run has no result, in words that end a sentence."""
    if (place.parents[1] / "forgotten.jsonl").exists() and (place / CONFIG).exists():
        return (
            "it is not finished, or its result held a row that was forgotten; the command that "
            "made it goes on, or says what to change"
        )
    return "it is not finished or was never begun"


OF_PLACE = frozenset({"tracker", "trusted", "ledger"})
"""Root keys that say where a run was, and nothing of what it is."""


def settings_of(place: Path) -> dict[str, str]:
    """Return what a run was made with, by dotted key, each value as YAML has it.

    Empty where it was not kept, or cannot be read.
    """
    try:
        values = yaml.safe_load((place / CONFIG).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return {}
    flat: dict[str, str] = {}

    def walk(value: object, key: str) -> None:
        if isinstance(value, dict) and value:
            for name, below in value.items():
                walk(below, f"{key}.{name}".lstrip("."))
        else:
            flat[key] = value if isinstance(value, str) else json.dumps(value)

    if isinstance(values, dict):
        walk({key: below for key, below in values.items() if key not in OF_PLACE}, "")
    return flat


def in_order(runs: Iterable[Finished]) -> list[Finished]:
    """Return runs in an order to read: by task, local model, rows and judge."""
    return sorted(
        runs,
        key=lambda run: (
            run.result.task,
            run.result.local,
            run.rows,
            run.result.judge,
            run.result.fingerprint,
        ),
    )


def _first(error: Exception) -> str:
    if isinstance(error, ValidationError):
        fault = error.errors()[0]
        where = ".".join(map(str, fault["loc"]))
        return f"{where}: {fault['msg']}" if where else str(fault["msg"])
    if isinstance(error, FileNotFoundError):
        return "it is not there"
    return f"{type(error).__name__}: {error}"
