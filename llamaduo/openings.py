"""Who has looked at a test: one line for each model a verdict was given on, under `home`.

A look is known by the prompts that were seen, so that a test to which rows were added, or from
which some went, does not pass for a fresh one.
"""

from collections.abc import Sequence
from pathlib import Path

from llamaduo.component import digest
from llamaduo.findings import Opening
from llamaduo.locks import Hold, flocked
from llamaduo.records import Example, Record

FILE = "openings.jsonl"


class Look(Record):
    """A line of the record."""

    run: str
    model: str
    adapter: str
    prompts: tuple[str, ...]
    """A digest of each prompt and its target."""


def record(
    folder: Path,
    prompts: Sequence[Example],
    *,
    run: str,
    model: str,
    adapter: str,
    hold: Hold = flocked,
) -> tuple[Opening, ...]:
    """Add a look that is not there yet; returns all looks at any of `prompts`, oldest first.

    Args:
        folder: where the record stands.
        prompts: the test as it is now.
        run: fingerprint.
        model: e.g. `round 1`.
        adapter: content digest.
        hold: how the record is held.
    """
    mine = {digest(row.question, row.target) for row in prompts}
    look = Look(run=run, model=model, adapter=adapter, prompts=tuple(sorted(mine)))
    known = add(folder, [look], hold)
    found = [
        Opening(
            run=one.run,
            model=one.model,
            adapter=one.adapter,
            prompts=len(mine & set(one.prompts)),
        )
        for one in known
    ]
    return tuple(one for one in found if one.prompts)


def add(folder: Path, looks: Sequence[Look], hold: Hold = flocked) -> list[Look]:
    """Add those of `looks` that are not there yet; returns all there are, oldest first."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / FILE
    with hold(path, ""), path.open("a+", encoding="utf-8") as file:
        file.seek(0)
        known = [Look.model_validate_json(line) for line in file if line.strip()]
        for look in looks:
            if look not in known:
                file.write(look.model_dump_json() + "\n")
                known.append(look)
    return known
