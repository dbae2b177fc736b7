"""A line to the terminal as each job of a sweep begins and ends, wherever it runs."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from llamaduo.progress import Progress
from llamaduo.sweep import ends
from llamaduo.sweep.plan import Plan

EVERY = 0.5
"""Seconds between two looks at the sweep's folder."""
STOPPED = 5.0
"""Seconds without a sign of life after which a job counts as gone, when it was told to stop."""
SILENT = 10.0
"""The same, when its launcher broke and it may go on."""
ELSEWHERE = 120.0
"""The same on other machines: a shared file system shows a sign late, NFS after a minute."""


class Watch:
    """Looks at the folder of a sweep, and says what is new."""

    def __init__(self, plan: Plan, folder: Path, progress: Progress) -> None:
        self.plan, self.folder, self.progress = plan, folder, progress
        self.begun: dict[int, tuple[float, float]] = {}
        """Of each job without an end: its last sign of life, and when that was seen here."""
        self.ended: set[int] = set()

    def look(self) -> None:
        """Say what has begun and ended since the last look."""
        for number, differs in enumerate(self.plan.jobs):
            if number in self.ended:
                continue
            place = self.folder / str(number)
            self._sign(number, place, " ".join(differs))
            end = ends.read(place)
            if end is not None:
                self.ended.add(number)
                self.begun.pop(number, None)
                self.progress.say(f"job {number} ended: {end.said}")
                if end.trace:
                    print(end.trace, file=self.progress.out, flush=True)

    def _sign(self, number: int, place: Path, differs: str) -> None:
        try:
            sign = (place / ends.BEGUN).stat().st_mtime
        except FileNotFoundError:
            return
        if number not in self.begun:
            self.progress.say(f"job {number} begun: {differs} (what it says: {place / ends.LOG})")
        if self.begun.get(number, (0.0, 0.0))[0] != sign:
            self.begun[number] = (sign, time.monotonic())

    def outlive(self, silent: float) -> None:
        """Wait for jobs that outlive their launcher, until none has given a sign of life.

        Args:
            silent: seconds without one after which a job counts as gone.
        """
        while True:
            self.look()
            now = time.monotonic()
            if not any(now - seen < silent for _, seen in self.begun.values()):
                return
            time.sleep(EVERY)


@contextmanager
def watched(plan: Plan, folder: Path, progress: Progress) -> Iterator[Watch]:
    """Look on while jobs run that do not write to the terminal themselves."""
    watch = Watch(plan, folder, progress)
    over = threading.Event()

    def look_on() -> None:
        while not over.wait(EVERY):
            watch.look()

    thread = threading.Thread(target=look_on, daemon=True)
    if plan.apart:
        thread.start()
    try:
        yield watch
    finally:
        over.set()
        if plan.apart:
            thread.join()
            watch.look()
