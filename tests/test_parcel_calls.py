"""Dollars that were paid on two machines are counted on both."""

from pathlib import Path

import pytest
from kept import answer, claim, failed, ok

from llamaduo.ledger import Claim, Ledger
from llamaduo.parcel.calls import calls, take
from llamaduo.records import Usage
from llamaduo.service import Heard


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


@pytest.mark.parametrize("seen", [True, False])
def test_what_calls_that_are_open_have_cost_is_carried_once_and_they_stay_open(
    seen: bool, tmp_path: Path
) -> None:
    here, there = Ledger(tmp_path / "here"), Ledger(tmp_path / "there")
    there.use("judge/1", ["key", "never tried"])
    claim(there, "key")
    if seen:  # a try that was paid, and is to be made again
        heard = Heard(failed().model_copy(update={"usage": Usage(usd=0.5)}), again=True)
        there.answer("key", heard, seconds=1.0, last=False)
    else:
        there.release("key")
    brought = list(calls(there, "run", ["judge/1"]))
    for _ in range(2):
        taken = take(here, brought)
        assert (taken.new, taken.known, taken.twice) == (0, 0, 0)
    assert (here.spent("run"), here.unproven("run")) == ((0.5, 0) if seen else (0, 1.0))
    assert list(calls(here, "run", ["judge/1"])) == brought
    assert claim(here, "key", bound=1.0, budget=1.25) is Claim.TOO_DEAR
    assert claim(here, "key") is Claim.MINE
    answer(here, "key", ok(usd=0.25))
    assert here.reply("key") == ok(usd=0.25)
    assert take(there, list(calls(here, "run", ["judge/1"]))).new == 1, "and it goes home"
    assert there.spent("run") == here.spent("run")
    assert there.unproven("run") == here.unproven("run")
    here.close()
    there.close()
