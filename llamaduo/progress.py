"""Show long work: a live bar on a terminal, plain lines in a log."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, TextIO

READER_GONE = 141
"""Exit code where what reads the output is gone."""
EVERY = 15.0
"""Seconds between two plain lines of one stage."""


def tell(text: str) -> None:
    """Print what a run came to; no run fails because its reader has seen enough (`| head`)."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        nobody_reads(sys.stdout)


def nobody_reads(stream: TextIO) -> None:
    """Send what is yet to be written to `stream` nowhere; its reader is gone."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


class Meter(Protocol):
    """The progress of one stage."""

    def step(self, count: int = 1, *, note: str = "") -> None:
        """Say that `count` more units are done; `note` is shown beside them (spend, loss)."""
        ...


class Progress:
    """Where a run says what it is doing. Writes to standard error unless told otherwise."""

    def __init__(self, out: TextIO | None = None) -> None:
        self.out = sys.stderr if out is None else out

    def say(self, line: str) -> None:
        """Write one line."""
        print(f"llamaduo: {line}", file=self.out, flush=True)

    @contextmanager
    def stage(self, name: str, total: int, unit: str, *, done: int = 0) -> Iterator[Meter]:
        """Meter a stage of `total` units of which `done` were there before it began."""
        if self.out.isatty():
            with _bar(name, total, unit, done, self.out) as meter:
                yield meter
        else:
            lines = _Lines(self, name, total, unit, done)
            yield lines
            lines.end()


class _Lines:
    def __init__(self, to: Progress, name: str, total: int, unit: str, done: int) -> None:
        self.to, self.name, self.total, self.unit = to, name, total, unit
        self.first = self.done = done
        self.note = ""
        self.started = self.last = time.monotonic()
        resumed = f", {done} there already" if done else ""
        to.say(f"{name}: {total} {unit}{resumed}")

    def step(self, count: int = 1, *, note: str = "") -> None:
        self.done += count
        self.note = note or self.note
        if time.monotonic() - self.last >= EVERY:
            self.last = time.monotonic()
            self._line()

    def end(self) -> None:
        self._line()

    def _line(self) -> None:
        seconds = time.monotonic() - self.started
        rate = (self.done - self.first) / seconds if seconds else 0.0
        tail = f", {self.note}" if self.note else ""
        self.to.say(
            f"{self.name}: {self.done}/{self.total} {self.unit}, "
            f"{rate:.1f}/s, {seconds:.0f} s{tail}"
        )


@contextmanager
def _bar(name: str, total: int, unit: str, done: int, out: TextIO) -> Iterator[Meter]:
    from tqdm import tqdm

    with tqdm(total=total, initial=done, desc=name, unit=f" {unit}", file=out, leave=True) as bar:

        class Bar:
            def step(self, count: int = 1, *, note: str = "") -> None:
                if note:
                    bar.set_postfix_str(note, refresh=False)
                bar.update(count)

        yield Bar()
