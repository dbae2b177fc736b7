"""A call counts on the day on which it goes out, whenever it was claimed."""

from collections.abc import Iterator
from contextlib import closing

import pytest
from kept import Kept, answer, claim, failed, ok

from llamaduo.ledger import Claim, Ledger, accounts

YESTERDAY = "2026-01-01"


@pytest.fixture
def ledger(kept: Kept) -> Iterator[Ledger]:
    with closing(kept.open()) as made:
        yield made


@pytest.fixture
def waiting(ledger: Ledger) -> Ledger:
    """A ledger with a call of yesterday's that is to go out now."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(accounts, "day_of", lambda at: YESTERDAY)
        claim(ledger, "k", cap=1.5)
        answer(ledger, "k", failed(), last=False)
    return ledger


def days(kept: Kept) -> list[tuple[str, float, float]]:
    rows = kept.look("select day, spent, reserved from days order by day")
    return [
        ("then" if day == YESTERDAY else "now", spent, reserved) for day, spent, reserved in rows
    ]


def test_what_was_claimed_yesterday_and_goes_out_today_counts_today(
    waiting: Ledger, kept: Kept
) -> None:
    held = waiting.send("k")
    assert held is not None
    assert held.out
    assert days(kept) == [("then", 0.0, 0.0), ("now", 0.0, 1.0)]
    assert claim(waiting, "other", cap=1.5) is Claim.CAPPED
    answer(waiting, "k", ok(usd=0.25))
    assert days(kept) == [("then", 0.0, 0.0), ("now", 0.25, 0.0)]


def test_what_today_has_no_room_for_does_not_go_out(waiting: Ledger, kept: Kept) -> None:
    assert claim(waiting, "other", cap=1.5) is Claim.MINE
    assert waiting.send("k") is None
    assert waiting.mine("k") is None
    assert claim(waiting, "k", cap=1.5) is Claim.CAPPED
    assert days(kept) == [("then", 0.0, 0.0), ("now", 0.0, 1.0)]
    assert (kept.account(), kept.unproven()) == ((0.0, 1.0), 0.0)


def test_a_claim_is_renewed_with_each_try(ledger: Ledger, kept: Kept) -> None:
    claim(ledger, "k")
    answer(ledger, "k", failed(), last=False)
    kept.look("update calls set claimed_at = 0")
    ledger.send("k")
    [(since,)] = kept.look("select claimed_at from calls")
    assert since > 0
