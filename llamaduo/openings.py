"""Who has looked at a test set: one line for each model of each run, kept under `home`."""

import fcntl
from pathlib import Path

from llamaduo.findings import Opening


def record(folder: Path, test_set: str, opening: Opening) -> tuple[Opening, ...]:
    """Add an opening that is not there yet; returns all of this test set, oldest first.

    Args:
        folder: where the records stand, one file a test set.
        test_set: digest of the test rows: the same rows under another split are the same set.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{test_set}.jsonl").open("a+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        known = [Opening.model_validate_json(line) for line in file if line.strip()]
        if opening not in known:
            file.write(opening.model_dump_json() + "\n")
            known.append(opening)
    return tuple(known)
