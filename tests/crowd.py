"""Processes that share a ledger: `python crowd.py TASK PRIVATE WHERE MANY` forks so many.

Each does the task, and says in a line of standard output what came of it.
"""

import contextlib
import io
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import small_world
from kept import Kept, claim
from small_world import Diary, experiment
from test_desk import Scripted, ask_for, desk

from llamaduo import session
from llamaduo.component import digest
from llamaduo.errors import OverBudget
from llamaduo.progress import Progress
from llamaduo.records import Record
from llamaduo.store import Store, Work

BUDGET = 4.0


class Row(Record):
    n: int


def start(task: str, kept: Kept, many: int = 1) -> "subprocess.Popen[str]":
    """Start a crowd."""
    kept.private.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, __file__, task, str(kept.private), kept.where, str(many)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def ended(crowd: "subprocess.Popen[str]") -> list[str]:
    """Return what its processes said, once all came to a good end."""
    said, _ = crowd.communicate(timeout=100)
    assert crowd.returncode == 0
    return said.splitlines()


def same(kept: Kept) -> str:
    """Ask what all ask; say what was paid."""
    ledger = kept.open()
    replies = desk(ledger, Scripted(seconds=0.02)).ask(ask_for(*range(12)))
    return f"{len({reply.text for reply in replies})} {ledger.calls_now}"


def spend(kept: Kept) -> str:
    """Ask what nobody else asks until the budget of all is spent; say what was paid."""
    ledger, mine = kept.open(), os.getpid()
    try:
        desk(ledger, Scripted(seconds=0.005), budget=BUDGET).ask(
            ask_for(*range(30), text=f"Of {mine}?")
        )
    except OverBudget:
        return str(ledger.calls_now)
    raise AssertionError("30 calls do not fit")


def make(kept: Kept) -> str:
    """Make a result that all want; say what was made."""
    ledger = kept.open()

    def rows(work: Work, done: tuple[Row, ...]) -> Iterator[Row]:
        for n in range(len(done), 5):
            time.sleep(0.02)
            yield Row(n=n)

    store = Store(kept.private / "store", hold=ledger.held)
    found = store.rows("count", ["x"], Row, rows)
    return f"{len(store.made)} {[row.n for row in found]}"


def die(kept: Kept) -> str:
    """Claim a call and hold a lock, and wait to be killed."""
    ledger = kept.open()
    with ledger.held(kept.private / "lock"):
        claim(ledger, "k", budget=1.0)
        print(os.getpid(), flush=True)
        time.sleep(100)
    raise AssertionError("it was to be killed")


def run(kept: Kept) -> str:
    """Run a whole experiment that all run; say what was paid and what came of it."""
    small_world.coverage_file = lambda folder: folder / "rows.jsonl"  # there: none writes it anew
    diary = Diary()
    exp = experiment(kept.private.parent, diary, rounds=2, ledger="postgresql")
    with contextlib.redirect_stdout(io.StringIO()):
        result = session.run(exp, Progress(io.StringIO()))
    return f"{len(diary.asked)} {len(diary.tuned)} {digest(result.model_dump(mode='json'))}"


TASKS = {"same": same, "spend": spend, "make": make, "die": die, "run": run}


def main(task: str, kept: Kept, many: int) -> int:
    children = []
    for _ in range(many):
        child = os.fork()
        if not child:
            try:
                said = TASKS[task](kept)
                os.write(1, f"{said}\n".encode())
            except BaseException as error:
                print(type(error).__name__, error, file=sys.stderr, flush=True)
                os._exit(1)
            os._exit(0)
        children.append(child)
    return max(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children)


if __name__ == "__main__":
    place = Kept(Path(sys.argv[2]), on_server=sys.argv[3] == "server")
    sys.exit(main(sys.argv[1], place, int(sys.argv[4])))
