"""Dollars that were paid on two machines are counted on both."""

from pathlib import Path

import pytest
from kept import answer, claim, ok

from llamaduo.ledger import Ledger
from llamaduo.parcel.calls import calls, take


def test_a_call_paid_on_both_machines_counts_against_the_budget_twice_and_is_brought_once(
    tmp_path: Path,
) -> None:
    here, there = Ledger(tmp_path / "here"), Ledger(tmp_path / "there")
    for ledger, said in ((here, "Mine."), (there, "Theirs.")):
        claim(ledger, "key")
        answer(ledger, "key", ok(usd=0.25, text=said))
    brought = list(calls(there, "run", []))
    assert take(here, brought).twice == 1
    assert take(here, brought).twice == 0
    reply = here.reply("key")
    assert reply is not None
    assert reply.text == "Mine."
    assert here.spent("run") == pytest.approx(0.5)
    here.close()
    there.close()
