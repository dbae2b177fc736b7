"""The rows that a home knows, and those that somebody names to be forgotten."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files as package
from pathlib import Path
from typing import Any

import yaml

from llamaduo import forgotten, runs
from llamaduo.component import SHIPPED, digest
from llamaduo.errors import DataError, UsageError
from llamaduo.keeping import captured
from llamaduo.keeping.captured import Call
from llamaduo.keeping.needles import examples_in, same_question
from llamaduo.keeping.units import Unit
from llamaduo.records import Example
from llamaduo.store import ROWS
from llamaduo.task.rows import FileRows


@dataclass(frozen=True)
class Chosen:
    """Rows to forget, and those that stay."""

    rows: tuple[Example, ...]
    others: tuple[Example, ...]
    before: tuple[str, ...]
    """Sentences about names that are on record as forgotten, of which nothing is known here."""


def chosen(home: Path, names: Sequence[str], all_: Sequence[Unit]) -> Chosen:
    """Find the rows that `names` mean.

    Args:
        names: ids, of captured calls their `litellm_call_id`; `ID@DIGEST` where an id stands for
            different rows.

    Raises:
        UsageError: for a name that stands for none, or for several; and where a row that stays
            asks what one of them asks.
    """
    known = {(row.id, mark(row)): row for row in known_rows(home, all_)}
    picked: dict[tuple[str, str], Example] = {}
    before = []
    calls: list[Call] | None = None
    for name in dict.fromkeys(names):
        found = _called(name, known)
        if not found:  # a person of whom no row was made, but a call was captured
            calls = list(captured.calls(home / ".llamaduo")) if calls is None else calls
            found = _called(name, {(one.row.id, mark(one.row)): one.row for one in calls})
        if len(found) > 1:
            told = "".join(f"\n  {'@'.join(at)}  {_begin(row)}" for at, row in found.items())
            raise UsageError(f"forget: {name} stands for {len(found)} rows; name which:{told}")
        picked |= found
        if not found and (day := forgotten.day_of_id(home / ".llamaduo", name)):
            before.append(f"{name}: forgotten on {day}; no row of this name is known here")
        elif not found:
            raise UsageError(
                f"forget: {name}: no row of this id is in a result under {home}, nor in a file "
                f"that a run there names ({len(known)} rows are), nor is it the litellm_call_id of "
                f"a captured call ({len(calls or ())} are)"
            )
    if calls:
        copies = captured.with_copies(list(picked.values()), calls)
        picked |= {(row.id, mark(row)): row for row in copies}
    rows = tuple(picked.values())
    others = tuple(row for at, row in known.items() if at not in picked)
    more = [one.row for one in calls or () if one.row not in rows]
    apart = (*others, *filter(captured.asks_enough, more))
    others += tuple(more)
    for name, same in same_question(rows, apart).items():
        raise UsageError(
            f"forget: row {same} asks what row {name} asks, so neither can be found without the "
            f"other: name both, or take {same} out of the data and its runs first"
        )
    return Chosen(rows, others, tuple(before))


def _called(name: str, among: dict[tuple[str, str], Example]) -> dict[tuple[str, str], Example]:
    return {at: row for at, row in among.items() if name in (at[0], "@".join(at))}


def mark(row: Example) -> str:
    """Return six digits that tell rows of one id apart."""
    return digest(row.question, row.target)[:6]


def _begin(row: Example) -> str:
    line = " ".join(row.question.split())
    return line if len(line) <= 60 else f"{line[:57]}..."


def known_rows(home: Path, all_: Sequence[Unit]) -> Iterator[Example]:
    """Yield the coverage rows of every split under `home`, and of the files that runs name."""
    for unit in all_:
        if unit.stage == "split":
            yield from rows_in(unit)
    for path in data_files(home):
        try:
            yield from (row for row, _ in FileRows(path=path).read())
        except (DataError, ValueError):  # it is no file of rows any more; its bytes are searched
            continue


def rows_in(unit: Unit) -> Iterator[Example]:
    """Yield the rows that the files of a unit hold."""
    for path in unit.files():
        if path.name == ROWS:
            with path.open("rb") as file:
                yield from examples_in(file)


def data_files(home: Path) -> list[Path]:
    """Return the files of rows that the runs under `home` name, and that are there."""
    found = {data_file(config(place).get("task", {})) for place in runs.places(home)}
    return sorted(path for path in found if path is not None and path.is_file())


def data_file(task: dict[str, Any]) -> Path | None:
    """Return the file of rows that a config's `task` names, there or not; None: it names none."""
    rows = task.get("rows")
    said = rows.get("path") if isinstance(rows, dict) else None
    if not isinstance(said, str):
        return None
    inside = Path(str(package("llamaduo"))) / said.removeprefix(SHIPPED)
    return inside if said.startswith(SHIPPED) else Path(said)


def elsewhere(home: Path) -> Iterator[str]:
    """Yield what the runs under `home` name that lies elsewhere, in words."""
    for place in runs.places(home):
        said = config(place)
        repo = said.get("task", {}).get("rows", {}).get("repo")
        if repo:
            yield f"the Hugging Face cache has the rows of {repo}, and the hub itself"
        if adapter := said.get("local", {}).get("adapter"):
            yield f"an adapter of yours, tuned elsewhere: {adapter}"
        if uri := said.get("tracker", {}).get("uri"):
            yield f"the tracking server that run {place.name} was shown on: {_bare(uri)}"
        name = said.get("service", {}).get("name")
        if name and "simulated" not in str(said["service"].get("_target_", "")):
            yield f"the provider's own logs of what {name} was asked: its terms say how long"


def _bare(uri: str) -> str:
    return uri.rpartition("@")[2]


def config(place: Path) -> dict[str, dict[str, Any]]:
    """Return the sections of a run's config; none where it cannot be read."""
    try:
        said = yaml.safe_load((place / runs.CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    sections = said.items() if isinstance(said, dict) else ()
    return {key: value for key, value in sections if isinstance(value, dict)}


def servers(home: Path) -> list[str]:
    """Return the tracking servers that the runs under `home` were shown on."""
    uris = {config(place).get("tracker", {}).get("uri") for place in runs.places(home)}
    return sorted(str(uri) for uri in uris if uri)
