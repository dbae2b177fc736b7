"""GPUs of this machine, shared out among jobs that run at the same time.

A job that holds a GPU holds a lock on a file named after it; the kernel lets go of the lock
when the job's process ends, however it ends. Other users' processes know nothing of it.
"""

import csv
import fcntl
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from llamaduo.errors import UsageError

VISIBLE = "CUDA_VISIBLE_DEVICES"
LISTING = ("nvidia-smi", "--query-gpu=index,uuid", "--format=csv,noheader")
EVERY = 0.5
"""Seconds between two looks for a free GPU."""


def listed() -> list[str]:
    """Return the GPUs that this process may use, by UUID.

    Those that `CUDA_VISIBLE_DEVICES` names, where it is set; what it names by an index is the
    GPU of that index in nvidia-smi. None where there is no nvidia-smi, or it fails.
    """
    found = _all()
    named = os.environ.get(VISIBLE)
    if named is None:
        return list(found.values())
    cards = []
    for word in (part.strip() for part in named.split(",")):
        if word.isdigit() and int(word) in found:
            cards.append(found[int(word)])
        elif word.startswith("MIG-"):  # a part of a GPU, which nvidia-smi lists elsewhere
            cards.append(word)
        elif word.startswith("GPU-"):
            cards += [card for card in found.values() if card.startswith(word)]
        else:
            break  # as CUDA does: what follows an unknown name is not seen
    return list(dict.fromkeys(cards))


def _all() -> dict[int, str]:
    if shutil.which(LISTING[0]) is None:
        return {}
    try:
        said = subprocess.run(LISTING, capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError):
        return {}
    rows = csv.reader(said.stdout.splitlines(), skipinitialspace=True)
    return {int(row[0]): row[1].strip() for row in rows if len(row) == 2 and row[0].isdigit()}


@contextmanager
def taken(count: int, say: Callable[[str], None]) -> Iterator[list[str]]:
    """Take `count` free GPUs, and have `CUDA_VISIBLE_DEVICES` name them alone.

    Before torch is imported: it looks once. Waits for those that other jobs hold; jobs are
    served in turn, so that one that takes several is not overtaken for ever. Where no GPU is
    listed, nothing happens.

    Raises:
        UsageError: where there are fewer than `count`, held or free.
    """
    there = listed() if count else []
    if not there:
        yield []
        return
    if len(there) < count:
        among = f" (of {VISIBLE}={os.environ[VISIBLE]})" if VISIBLE in os.environ else ""
        raise UsageError(
            f"this job takes {count} GPUs at once, and there are {len(there)}{among}; set "
            f"tuner.processes={len(there)} at most"
        )
    folder = _folder()
    with ExitStack() as stack:
        with (folder / "turn").open("w") as turn:
            if not _locked(turn):
                say(f"waiting for {count} of {len(there)} GPUs: other jobs were first")
                fcntl.flock(turn, fcntl.LOCK_EX)
            mine = _wait(there, count, folder, stack, say)
        before = os.environ.get(VISIBLE)
        os.environ[VISIBLE] = ",".join(mine)
        try:
            yield mine
        finally:
            if before is None:
                del os.environ[VISIBLE]
            else:
                os.environ[VISIBLE] = before


def _wait(
    there: list[str], count: int, folder: Path, stack: ExitStack, say: Callable[[str], None]
) -> list[str]:
    mine: list[str] = []
    said = False
    while True:
        for card in there:
            if len(mine) == count:
                return mine
            if card in mine:
                continue
            file = (folder / card.replace("/", "_")).open("w")
            if _locked(file):
                stack.enter_context(file)
                mine.append(card)
            else:
                file.close()
        if len(mine) == count:
            return mine
        if not said:
            say(f"waiting for {count} of {len(there)} GPUs: other jobs hold them")
            said = True
        time.sleep(EVERY)


def _locked(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _folder() -> Path:
    """Return where this user's locks are, on a local disk: a folder that is theirs alone."""
    own = os.environ.get("XDG_RUNTIME_DIR")
    under = Path(own) if own and Path(own).is_dir() else Path(tempfile.gettempdir())
    folder = under / f"llamaduo-gpus-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise UsageError(f"{folder}: is another user's; set XDG_RUNTIME_DIR to a folder of yours")
    return folder
