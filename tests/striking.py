"""Kill -9 a stage that pays, let it go on, and hold the ledger against what the server saw."""

import random
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from fault_server import FaultServer
from payer import Payer, asked, texts

PATIENCE = 600.0
"""Seconds for any process to do what it is waited for."""

DUST = 1e-9
"""Dollars that sums of floats may be off."""


def strike(payer: Payer, server: FaultServer, moments: Sequence[int], out: Path) -> list[str]:
    """Kill the stage each time the server has seen so many requests; returns its final rows.

    A kill comes up to 20 ms after its moment, so that it hits whatever the process then does.
    """
    draw = random.Random(len(moments))
    for moment in sorted(moments):
        process = payer.begin(out)
        until(process, lambda moment=moment: len(server.seen) >= moment)  # type: ignore[misc]
        time.sleep(draw.uniform(0, 0.02))
        assert not out.exists(), "the stage was done before it was killed"
        process.kill()
        process.join()
    finish([payer.begin(out)])
    return texts(out)


def until(process: ForkServerProcess, there: Callable[[], bool]) -> None:
    """Wait."""
    late = time.monotonic() + PATIENCE
    while not there():
        assert process.is_alive() or there(), "the process ended too early"
        assert time.monotonic() < late
        time.sleep(0.001)


def finish(processes: Sequence[ForkServerProcess]) -> None:
    """Wait for processes to end well."""
    for process in processes:
        process.join(PATIENCE)
        assert process.exitcode == 0, f"exit code {process.exitcode}"


@dataclass(frozen=True)
class Account:
    """What one question, or all, came to."""

    tries: int = 0
    """That were sent, as far as is known; others found no connection in time."""
    usd: float = 0.0
    unproven: float = 0.0

    def __add__(self, other: "Account") -> "Account":
        return Account(
            self.tries + other.tries, self.usd + other.usd, self.unproven + other.unproven
        )


def in_ledger(*payers: Payer) -> dict[int, Account]:
    """What their ledger has of every question; a call that was given up leaves its tries only."""
    numbers = {key: number for payer in payers for key, number in payer.numbers().items()}
    found: dict[int, Account] = {}
    with closing(sqlite3.connect(payers[0].ledger)) as db:
        rows = db.execute("select key, status, usd, unproven from replies")
        for key, status, usd, unproven in rows:
            number, sent = numbers[key], bool(status or unproven)
            found[number] = found.get(number, Account()) + Account(sent, usd, unproven)
    return found


def at_server(server: FaultServer) -> dict[int, Account]:
    """What the server saw of every question, and would bill."""
    found: dict[int, Account] = {}
    for seen in server.seen:
        number = asked(seen)
        found[number] = found.get(number, Account()) + Account(1, seen.usd)
    return found


def disagreements(server: FaultServer, *payers: Payer) -> list[str]:
    """Say where the ledger has less than the server saw, and where what is proven differs."""
    said = []
    known, seen = in_ledger(*payers), at_server(server)
    unsaid = {asked(one) for one in server.seen if one.fault == "no usage"}  # counted as the most
    for number in sorted(known.keys() | seen.keys()):
        ours, theirs = known.get(number, Account()), seen.get(number, Account())
        if theirs.tries > ours.tries:
            said.append(f"question {number}: {theirs.tries} requests, {ours.tries} on record")
        if theirs.usd > ours.usd + ours.unproven + DUST:
            said.append(f"question {number}: ${theirs.usd:.6f} billed, {ours} on record")
        if not ours.unproven and ours.tries != theirs.tries:
            said.append(f"question {number}: {ours.tries} on record, {theirs.tries} requests")
        if not ours.unproven and number not in unsaid and abs(ours.usd - theirs.usd) > DUST:
            said.append(f"question {number}: ${ours.usd:.6f} known, ${theirs.usd:.6f} billed")
    return said + _accounts(payers[0].ledger, list(known.values()))


def _accounts(path: Path, known: list[Account]) -> list[str]:
    """Say which sums of the ledger are none of its rows."""
    total = sum(known, Account())
    said = []
    with closing(sqlite3.connect(path)) as db:
        for table in ("runs", "days"):
            sums = f"select sum(spent), sum(reserved), sum(unproven) from {table}"
            spent, reserved, unproven = db.execute(sums).fetchone()
            if abs(spent - total.usd) > DUST or abs(unproven - total.unproven) > DUST:
                said.append(f"{table} say ${spent:.6f} and ${unproven:.6f}, the replies {total}")
            if abs(reserved) > DUST:
                said.append(f"{table} keep ${reserved:.6f} reserved")
        states = Counter(state for (state,) in db.execute("select state from calls"))
    return said + ([f"calls are left: {dict(states)}"] if set(states) != {"answered"} else [])
