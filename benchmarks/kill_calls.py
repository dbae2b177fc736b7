"""Kill -9 a stage of paid calls at random moments, and let many processes ask the same at once.

    python benchmarks/kill_calls.py              30 kills of 2,000 calls; 8 processes, 500 calls
    python benchmarks/kill_calls.py --kills 3 --calls 200 --processes 3 --same 100

The provider is a server on this machine that counts every request it gets and every dollar it
would bill. What has to hold: the rows of an undisturbed stage; no more requests than calls, and
the calls in flight at each kill; the ledger and the server agree on every other call; what the
server bills beyond the ledger is no more than the ledger calls unproven. Exit code 1 if not.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from fault_server import FaultServer, fault_server
from payer import Payer, texts
from striking import Account, at_server, disagreements, finish, in_ledger, strike

SECONDS = 0.02
"""Before each answer, so that calls are in flight when the kill comes."""


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("--calls", type=int, default=2000)
    asked.add_argument("--kills", type=int, default=30)
    asked.add_argument("--slots", type=int, default=16, help="calls in flight at once")
    asked.add_argument("--processes", type=int, default=8)
    asked.add_argument("--same", type=int, default=500, help="calls that all of them ask")
    asked.add_argument("--seed", type=int, default=0)
    asked.add_argument(
        "--service", type=json.loads, default={}, help="keys of the service: '{\"timeout\": 5}'"
    )
    given = asked.parse_args()
    with tempfile.TemporaryDirectory() as folder, fault_server(seconds=SECONDS) as server:
        wrong = killed(given, Path(folder), server) + same(given, Path(folder), server)
    print("\n".join(wrong) or "all of it holds")
    return 1 if wrong else 0


def killed(given: argparse.Namespace, folder: Path, server: FaultServer) -> list[str]:
    """Compare a stage that is killed with one that is not."""
    service = {"concurrency": given.slots, **given.service}
    calls = range(given.calls)
    alone = Payer(folder / "alone.sqlite", server.url, calls, service=service)
    began = time.monotonic()
    finish([alone.begin(folder / "alone")])
    print(
        f"left alone: {len(server.seen)} requests in {time.monotonic() - began:.0f} s", flush=True
    )
    wrong = disagreements(server, alone)
    server.forget()
    # A stage of N calls sends N requests at least: whenever it is killed, it is not done yet.
    moments = sorted(
        random.Random(given.seed).sample(range(1, given.calls - given.slots), given.kills)
    )
    began = time.monotonic()
    payer = Payer(folder / "killed.sqlite", server.url, calls, service=service)
    rows = strike(payer, server, moments, folder / "killed")
    ours = sum(in_ledger(payer).values(), Account())
    theirs = sum(at_server(server).values(), Account())
    most = given.calls + given.slots * given.kills
    beyond = theirs.usd - ours.usd
    print(
        f"{given.kills} kills: {theirs.tries} requests of {most} at most, in "
        f"{time.monotonic() - began:.0f} s; billed ${theirs.usd:.6f}, in the ledger "
        f"${ours.usd:.6f}, so ${beyond:.6f} beyond it, of ${ours.unproven:.6f} unproven"
    )
    wrong += disagreements(server, payer)
    if rows != texts(folder / "alone") or len(set(rows)) != given.calls:
        wrong.append("the rows differ from those of a stage left alone")
    if theirs.tries > most:
        wrong.append(f"{theirs.tries} requests are more than {most}")
    if beyond > ours.unproven:
        wrong.append(f"${beyond:.6f} were billed beyond the ledger")
    return wrong


def same(given: argparse.Namespace, folder: Path, server: FaultServer) -> list[str]:
    """Let processes ask the same at once."""
    server.forget()
    service = {"concurrency": given.slots, **given.service}
    payer = Payer(folder / "same.sqlite", server.url, range(given.same), service=service)
    outs = [folder / f"same-{number}" for number in range(given.processes)]
    began = time.monotonic()
    finish([payer.begin(out) for out in outs])
    print(
        f"{given.processes} processes that ask the same {given.same} calls: {len(server.seen)} "
        f"requests in {time.monotonic() - began:.0f} s, {server.most} at once at most"
    )
    wrong = disagreements(server, payer)
    if len(server.seen) != given.same:
        wrong.append(f"{len(server.seen)} requests for {given.same} calls")
    if len({tuple(texts(out)) for out in outs}) != 1 or len(texts(outs[0])) != given.same:
        wrong.append("the processes have different rows")
    return wrong


if __name__ == "__main__":
    sys.exit(main())
