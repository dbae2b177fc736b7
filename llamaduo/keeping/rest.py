"""The rows that are left, each with the part it has: a file to go on with.

Parts are drawn in the order of the rows. With a line gone, all rows of its category behind it
would be drawn anew, and a sealed test row could come to be tuned on.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from llamaduo.errors import UsageError
from llamaduo.keeping.units import Unit
from llamaduo.records import Example, Placed
from llamaduo.store import ROWS


def write(path: Path, gone: Sequence[Example], all_: Sequence[Unit]) -> int:
    """Write the rows that stood beside `gone` in the split that was made last.

    A row that is in no part is left out, as it was.

    Returns:
        How many there are.

    Raises:
        UsageError: where there is a file already, or no split that has them all.
    """
    if path.exists():
        raise UsageError(f"store forget: --rest {path}: there is something; name another file")
    ids = {row.id for row in gone}
    for unit in sorted(all_, key=lambda unit: -unit.finished):
        if unit.stage != "split" or unit.kind != "result":
            continue
        lines = (unit.place / "out" / ROWS).read_bytes().split(b"\n")
        placed = [Placed.model_validate_json(line) for line in lines if line]
        if ids <= {one.example.id for one in placed}:
            break
    else:
        raise UsageError("store forget: --rest: no split here has all of the rows; name them apart")
    left = [one for one in placed if one.part != "out" and one.example.id not in ids]
    path.write_text("".join(_line(one) + "\n" for one in left), encoding="utf-8")
    return len(left)


def _line(row: Placed) -> str:
    example = row.example
    said = {
        "id": example.id,
        "part": row.part,
        "category": example.category,
        "messages": [message.model_dump() for message in example.messages],
        "target": example.target,
    }
    return json.dumps(said, ensure_ascii=False)
