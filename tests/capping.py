"""Spend up to a limit with many calls in flight, and see whether the bill goes beyond it."""

import random
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from fault_server import FaultServer, storm
from faults import Seen
from payer import Payer, asked, stopped
from striking import DUST, Account, disagreements, finish, in_ledger

from llamaduo.errors import OverBudget

DOLLARS = (5.0, 200.0)
"""Per million prompt and completion tokens."""

MAX_TOKENS = 60
"""So a call costs $0.012 at most, and half of it in the mean."""

SERVICE = {"concurrency": 64, "timeout": 0.5, "attempts": 5}

WEATHER = (
    *("429", "500", "reset before a byte", "hang", "reset", "short body", "half a JSON"),
    *("HTML", "no usage", "no choices"),
)
"""What a provider does to some requests, and bills or not."""


def changes(server: FaultServer, seed: int, share: float) -> None:
    """Bill replies of other lengths for every seed, some as long as they can be; fail a share."""

    def tokens(seen: Seen) -> tuple[int, int]:
        draw = random.Random(f"{seed}/{seen.asks}")
        return 5, MAX_TOKENS if draw.random() < 0.1 else draw.randint(1, MAX_TOKENS)

    server.dollars, server.tokens = DOLLARS, tokens
    server.script = storm(seed, share, *WEATHER)


def of_a_run(server: FaultServer, path: Path, limit: float) -> Payer:
    """Who asks more than a run's budget pays for."""
    return Payer(
        *(path, server.url, range(int(limit * 500))),
        budget=limit,
        dollars=DOLLARS,
        max_tokens=MAX_TOKENS,
        service=SERVICE,
    )


def of_a_day(server: FaultServer, path: Path, limit: float, processes: int) -> list[Payer]:
    """Who ask, each for a run of its own, more than a day's limit pays for together."""
    one, each = of_a_run(server, path, limit), int(limit * 250)
    service = {**SERVICE, "concurrency": 64 // processes, "cap_usd_per_day": limit}
    return [
        replace(
            one,
            questions=range(number * each, (number + 1) * each),
            run=f"run {number}",
            budget=None,
            service=service,
        )
        for number in range(processes)
    ]


def wrong_with(
    server: FaultServer, payers: Sequence[Payer], limit: float, folder: Path | None = None
) -> list[str]:
    """Let them ask until they are stopped, and say what is wrong with what was billed.

    Args:
        folder: for what comes of processes, where each asks in one of its own.
    """
    path = payers[0].ledger
    known, before = _answered(path), len(server.seen)
    whys = _in_processes(payers, folder) if folder else [_why(payer) for payer in payers]
    wrong = [f"{len(whys) - sum(map(bool, whys))} were not stopped"] if not all(whys) else []
    again = known & {asked(seen) for seen in server.seen[before:]}
    ours = sum(in_ledger(*payers).values(), Account())
    if again:
        wrong.append(f"{len(again)} answered questions were asked again")
    if server.billed > limit + DUST:
        wrong.append(f"${server.billed:.6f} of ${limit:.2f} were billed")
    if ours.usd + ours.unproven < limit - payers[0].bound:
        wrong.append(f"stopped at ${ours.usd:.6f} and ${ours.unproven:.6f} of ${limit:.2f}")
    return wrong + disagreements(server, *payers)


def _why(payer: Payer) -> str:
    """Say why one was stopped; "" if it was not."""
    try:
        payer.ask()
    except OverBudget as stop:
        return str(stop)
    return ""


def _in_processes(payers: Sequence[Payer], folder: Path) -> list[str]:
    outs = [folder / payer.run for payer in payers]
    finish([payer.begin(out) for payer, out in zip(payers, outs, strict=True)])
    return [stopped(out) for out in outs]


def _answered(path: Path) -> set[int]:
    """The questions that have an answer in the ledger."""
    if not path.exists():
        return set()
    with closing(sqlite3.connect(path)) as db:
        rows = db.execute("select substr(row, 5) from calls where state = 'answered'")
        return {int(number) for (number,) in rows}
