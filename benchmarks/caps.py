"""Spend up to a dollar with 64 calls at once, two hundred times, and count what is billed.

    python benchmarks/caps.py                  200 runs with a budget, 10 days of 4 processes
    python benchmarks/caps.py --runs 6 --days 2

The provider is a server on this machine that counts every dollar it would bill. Replies are of
other lengths in every run, so that no call costs what was reserved for it. In every second run a
request in eight meets a fault: it is refused, hangs, is reset, comes cut or without its tokens, and
may be billed all the same. What has to hold: never more than the limit is billed; what the ledger
counts comes within a call of it; a higher limit goes on, and asks nothing again that was answered.
"""

import argparse
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from capping import changes, of_a_day, of_a_run, wrong_with
from fault_server import FaultServer, fault_server

LIMIT, RAISED = 1.0, 1.25
SECONDS = 0.02
"""Before each answer."""
FOUL = 0.125
"""Share of requests that meet a fault in every second run."""
PROCESSES = 4


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("--runs", type=int, default=200)
    asked.add_argument("--days", type=int, default=10)
    given = asked.parse_args()
    wrong: list[str] = []
    for what, times, one in (
        ("a budget, 64 calls at once", given.runs, a_run),
        (f"a limit of a day, {PROCESSES} processes of 16 calls at once", given.days, a_day),
    ):
        began, bills, most = time.monotonic(), [], 0
        for number in range(times):
            with tempfile.TemporaryDirectory() as folder, fault_server(seconds=SECONDS) as server:
                changes(server, number, FOUL * (number % 2))
                said, billed = one(server, Path(folder))
            wrong += [f"{what}, {number}: {line}" for line in said]
            bills.append(billed)
            most = max(most, server.most)
        fair, foul = bills[::2], bills[1::2]
        print(
            f"{what}: {times} times in {time.monotonic() - began:.0f} s, {most} requests at once "
            f"at most. Billed of ${LIMIT:.2f}: {spread(fair)} without faults, {spread(foul)} with",
            flush=True,
        )
    print("\n".join(wrong) or "all of it holds")
    return 1 if wrong else 0


def a_run(server: FaultServer, folder: Path) -> tuple[list[str], float]:
    """Have a budget stop a run and a larger one go on; return what is wrong, and the bill."""
    payer = of_a_run(server, folder / "ledger.sqlite", LIMIT)
    wrong = wrong_with(server, [payer], LIMIT)
    billed = server.billed
    return wrong + wrong_with(server, [replace(payer, budget=RAISED)], RAISED), billed


def a_day(server: FaultServer, folder: Path) -> tuple[list[str], float]:
    """Have the limit of a day stop processes and a larger one go on."""
    path = folder / "ledger.sqlite"
    wrong = wrong_with(server, of_a_day(server, path, LIMIT, PROCESSES), LIMIT, folder)
    billed = server.billed
    more = of_a_day(server, path, RAISED, PROCESSES)
    return wrong + wrong_with(server, more, RAISED, folder), billed


def spread(bills: list[float]) -> str:
    """Return the least and the most."""
    return f"${min(bills):.4f} to ${max(bills):.4f}" if bills else "not tried"


if __name__ == "__main__":
    sys.exit(main())
