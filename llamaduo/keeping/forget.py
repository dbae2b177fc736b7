"""Forgetting rows: in an order in which a kill at any point leaves what finds the rest.

What was made from a result goes before it, and last of all the split, which holds the rows'
texts: until it is gone, the same command finds all that is left.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from llamaduo import forgotten, openings
from llamaduo.component import digest
from llamaduo.keeping.calls import opened
from llamaduo.keeping.captured import blank
from llamaduo.keeping.plan import Plan
from llamaduo.keeping.units import clear, put_away, put_folder_away
from llamaduo.tracker.forgetting import take_out

PACKED = (".gz", ".zip", ".xz", ".bz2", ".zst", ".tgz")
"""Ends of the names of files that are not looked into."""


def forget(plan: Plan, step: Callable[[str], None] = lambda what: None) -> None:
    """Take out all that `plan` found.

    Args:
        step: is told of each thing before it is done.

    Raises:
        LlamaDuoError: if a process of somebody's stands in the way; the same command goes on.
    """
    private = plan.home / ".llamaduo"
    clear(private)
    step("record")  # first: from here on no run takes the rows up again
    forgotten.remember(private, plan.rows, date.today().isoformat(), plan.sources.named)
    with opened(plan.home) as ledger:
        if ledger is not None:
            step("ledger")
            ledger.scrub(plan.calls.keys)
    take_out(plan.home, plan.shown, step)
    for path in plan.files:
        step(f"file {path.name}")
        path.unlink(missing_ok=True)
    for folder in plan.folders:
        step(f"folder {folder.name}")
        put_folder_away(folder, private)
    for one in plan.captured:
        step(f"lines of {one.path.name}")
        blank(one.path, plan.left)
    if plan.looks:
        step("openings")
        _unsee(private / "openings", {digest(row.question, row.target) for row in plan.rows})
    for unit in plan.units:
        step(unit.recipe)
        if unit.place.exists():
            put_away(unit, private)
    step("proof")


def _unsee(folder: Path, gone: set[str]) -> None:
    """Take prompts out of the record of looks; the looks themselves stay."""
    looks = openings.add(folder, [])
    kept = [
        look.model_copy(update={"prompts": tuple(one for one in look.prompts if one not in gone)})
        for look in looks
    ]
    draft = folder / f"{openings.FILE}.new"
    draft.write_text("".join(look.model_dump_json() + "\n" for look in kept), encoding="utf-8")
    draft.replace(folder / openings.FILE)


@dataclass(frozen=True)
class Proof:
    """What a search of every file under home found afterwards."""

    left: tuple[Path, ...]
    """Files that hold a row still."""
    packed: tuple[Path, ...]
    """Archives, which were not looked into, and files that could not be read."""
    looked: int
    """Files that were searched."""


def proof(plan: Plan) -> Proof:
    """Search every file under home for what was forgotten, byte by byte."""
    left, packed, looked = [], [], 0
    for path in _every_file(plan.home):
        if path.suffix in PACKED:
            packed.append(path)
            continue
        try:
            looked += 1
            if plan.left.in_file(path):
                left.append(path)
        except (OSError, ValueError):
            packed.append(path)
    return Proof(tuple(left), tuple(packed), looked)


def _every_file(home: Path) -> Iterator[Path]:
    for folder, _, names in os.walk(home):
        for name in sorted(names):
            path = Path(folder) / name
            if path.is_file() and not path.is_symlink():
                yield path
