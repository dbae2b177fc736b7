"""What a home takes on disk: by stage, by run, and beside the store. Nothing is hashed."""

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from llamaduo.errors import LlamaDuoError
from llamaduo.keeping.runs_here import Build, runs_here
from llamaduo.keeping.units import Unit, in_words, size, units
from llamaduo.local import cache_home
from llamaduo.local.hub import hub_folder
from llamaduo.tables import aligned

MEANS = {
    "served": "merged weights: `gc` frees them, the next `serve` makes them anew",
    "versions": "brought from a tracking server: removed, they are brought anew",
    "probes": "what `probe` saw",
    "loads": "what `load` measured",
    "rollout": "configs of gateways, and captured calls",
    "sentinel": "pinned prompts and looks: removed, the next look is the first",
}
"""What stands beside the store, by folder; the rest explains itself."""


@dataclass
class _Stage:
    """The sums of a stage."""

    results: int = 0
    bytes: int = 0
    begun: int = 0
    begun_bytes: int = 0
    damaged: int = 0
    newest: float = 0.0


def text(home: Path, build: Build) -> str:
    """Return the tables of what stands under `home`, and of what is cached for its user."""
    private = home / ".llamaduo"
    all_ = units(private / "store")
    sizes = {unit.place / unit.kind: unit.size for unit in all_}
    return "\n\n".join(
        part
        for part in (
            f"under {home}",
            _stages(all_, sizes),
            _runs(home, build, all_, sizes),
            _beside(home),
            _outside(),
        )
        if part
    )


def _stages(all_: Sequence[Unit], sizes: dict[Path, int]) -> str:
    """Sum up by stage."""
    sums: dict[str, _Stage] = defaultdict(_Stage)
    for unit in all_:
        for one in (sums[unit.stage], sums["in all"]):
            taken = sizes[unit.place / unit.kind]
            if unit.kind == "result":
                one.results += 1
                one.bytes += taken
                one.newest = max(one.newest, _used(unit))
            elif unit.kind == "begun":
                one.begun += 1
                one.begun_bytes += taken
            else:
                one.damaged += 1
                one.bytes += taken
    last = sums.pop("in all", _Stage())
    rows = [
        (
            stage,
            str(one.results),
            in_words(one.bytes),
            f"{one.begun} ({in_words(one.begun_bytes)})" if one.begun else "",
            str(one.damaged or ""),
            time.strftime("%Y-%m-%d", time.localtime(one.newest)) if one.newest else "",
        )
        for stage, one in [*sorted(sums.items()), ("in all", last)]
    ]
    head = ("stage", "results", "bytes", "begun", "damaged", "last used")
    return _table(head, rows)


def _used(unit: Unit) -> float:
    """Return when a result was last read, as far as the file system says so, or made."""
    try:
        seen = (unit.place / "manifest.json").stat()
    except FileNotFoundError:
        return 0.0
    return max(seen.st_atime, seen.st_mtime)


def _runs(home: Path, build: Build, all_: Sequence[Unit], sizes: dict[Path, int]) -> str:
    """Say how much each run needs, and how much of it no other does."""
    try:
        here = runs_here(home, build)
    except LlamaDuoError as error:  # the other tables can be had
        return f"what runs need is not known: {error}"
    taken: dict[str, int] = defaultdict(int)
    for unit in all_:
        if unit.kind != "damaged":
            taken[unit.recipe] += sizes[unit.place / unit.kind]
    wanted: dict[str, int] = defaultdict(int)
    for run in here:
        for recipe in run.needs.recipes:
            wanted[recipe] += 1
    rows = []
    for run in here:
        mine = run.needs.recipes & taken.keys()
        alone = sum(taken[recipe] for recipe in mine if wanted[recipe] == 1)
        state = "finished" if run.needs.finished else "unfinished"
        first = run.why.split("\n")[0].removeprefix(f"{run.name}: ")
        rows.append(
            (
                run.name,
                f"not known: {first}" if run.why else state,
                "" if run.why else str(len(mine)),
                "" if run.why else in_words(sum(taken[recipe] for recipe in mine)),
                "" if run.why else in_words(alone),
            )
        )
    unwanted = [recipe for recipe in taken if recipe not in wanted]
    free = in_words(sum(taken[recipe] for recipe in unwanted))
    rows.append(("no run", "", str(len(unwanted)), free, free))
    return _table(("run", "is", "results", "needs", "of it alone"), rows)


def _beside(home: Path) -> str:
    """Say what stands under home beside the store."""
    private = home / ".llamaduo"
    places = sorted(private.iterdir()) if private.is_dir() else []
    names = {path.name: size(path) for path in places if path.name != "store"}
    ledger = sum(taken for name, taken in names.items() if name.startswith("ledger."))
    rows = [("ledger", in_words(ledger), "paid replies: never garbage")]
    rows += [
        (name, in_words(taken), MEANS.get(name, ""))
        for name, taken in names.items()
        if not name.startswith("ledger.")
    ]
    rows.append(("mlruns", in_words(size(home / "mlruns")), ""))
    return _table(("beside the store", "bytes", ""), rows)


def _outside() -> str:
    """Say what is cached for the user, for all homes."""
    hub = hub_folder("model", "any/model", "any").parents[2]
    rows = [(str(place), in_words(size(place))) for place in (cache_home(), hub)]
    return _table(("outside home, shared with others: base models", "bytes"), rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(aligned([list(head), *map(list, rows)]))
