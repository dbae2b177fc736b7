"""Processes that are killed, and processes that ask the same: nothing is lost, nothing paid twice.

`benchmarks/kill_calls.py` does the same at length.
"""

from pathlib import Path

from fault_server import fault_server
from payer import Payer, texts
from striking import Account, at_server, disagreements, finish, in_ledger, strike

SLOTS = 16
"""Calls in flight at once."""


def test_a_stage_that_is_killed_twice_ends_as_one_left_alone_and_no_dollar_is_lost_sight_of(
    tmp_path: Path,
) -> None:
    with fault_server(seconds=0.01) as server:
        calls, moments = range(60), (20, 45)
        left_alone = Payer(tmp_path / "alone.sqlite", server.url, calls)
        finish([left_alone.begin(tmp_path / "alone")])
        assert disagreements(server, left_alone) == []
        assert len(server.seen) == len(calls)
        server.forget()
        named = {"idempotency_header": "Idempotency-Key"}
        killed = Payer(tmp_path / "killed.sqlite", server.url, calls, service=named)
        rows = strike(killed, server, moments, tmp_path / "killed")
    assert rows == texts(tmp_path / "alone")
    assert len(set(rows)) == len(calls)
    assert disagreements(server, killed) == []
    assert len(server.seen) <= len(calls) + SLOTS * len(moments)
    ours = sum(in_ledger(killed).values(), Account())
    theirs = sum(at_server(server).values(), Account())
    assert 0 < theirs.usd - ours.usd <= ours.unproven
    keys = {seen.once for seen in server.seen}
    assert "" not in keys
    assert len(keys) == len(calls), "a provider that knows these keys bills no call twice"


def test_processes_that_ask_the_same_at_once_pay_once(tmp_path: Path) -> None:
    with fault_server(seconds=0.01) as server:
        payer = Payer(tmp_path / "ledger.sqlite", server.url, range(40))
        outs = [tmp_path / f"rows-{number}" for number in range(3)]
        finish([payer.begin(out) for out in outs])
    assert len(server.seen) == 40
    assert disagreements(server, payer) == []
    assert len({tuple(texts(out)) for out in outs}) == 1
    assert len(texts(outs[0])) == 40
