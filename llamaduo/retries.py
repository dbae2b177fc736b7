"""A call that is tried again: after how long, when it is given up, and when the service is."""

import random
import re
from collections.abc import Mapping
from dataclasses import replace

from llamaduo.errors import ServiceError
from llamaduo.flow.headers import LONGEST
from llamaduo.ledger import Ledger
from llamaduo.records import Outcome, Reply
from llamaduo.service import Heard

LONGEST_WAIT = 60.0
"""Seconds between two tries, at most, where the provider asks for no more."""

GAVE_UP = "given up"
"""Begins the cause of a call whose failure might pass, tried as often as the service says."""

REFUSED = re.compile(r"HTTP 4\d\d: ")
"""Begins the cause of a call that the provider turned away and that cannot pass as it is."""

MANY = 8
"""Calls of a batch whose failure speaks for itself, whatever went before."""


def pause_after(heard: Heard, tried: int, backoff: float) -> float:
    """Return the seconds before the next try: jittered, and no less than the provider asks.

    Args:
        tried: tries so far; each further wait is twice the one before.
        backoff: seconds before the second try.
    """
    own = min(backoff * 2 ** (tried - 1), LONGEST_WAIT)
    asked = min(heard.wait or 0.0, LONGEST)
    return float(max(own * random.uniform(0.5, 1.0), asked * random.uniform(1.0, 1.1)))


def gave_up(heard: Heard, tries: int) -> Heard:
    """Say of the last try that there were so many."""
    cause = f"{GAVE_UP} after {tries} tries: {heard.reply.cause}"
    return replace(heard, reply=heard.reply.model_copy(update={"cause": cause}))


def refuse_an_outage(replies: Mapping[str, Reply], ledger: Ledger, recipe: str, name: str) -> None:
    """Stop where a service is down or takes no request, so that no run ends in empty rows.

    A few calls that fail among all of the stage's are none: they stay without a reply, or a
    call that can never be answered would keep a stage from ever ending.

    Args:
        replies: of the calls that were handed over together, by their keys.
        recipe: what they are for.
        name: of the service.

    Raises:
        ServiceError: if half of them or more were given up, or turned away and not paid for.
    """
    gone = [key for key, reply in replies.items() if reply.cause.startswith(GAVE_UP)]
    refused = [key for key, reply in replies.items() if _refused(reply)]
    if len(refused) > 1:  # a single one may be at fault itself
        gone += refused
    if not gone or 2 * len(gone) < len(replies):
        return
    all_ = ledger.tally(recipe)
    if len(replies) >= MANY or 2 * all_.outcomes.get(Outcome.FAILED, 0) >= all_.calls:
        ledger.reopen(gone)
        cause = replies[gone[-1]].cause
        how = "" if cause.startswith(GAVE_UP) else "once that is put right, "
        raise ServiceError(
            f"{len(gone)} of {len(replies)} calls to {name} failed: {cause}. "
            f"What was bought is kept; {how}the same command goes on"
        )


def _refused(reply: Reply) -> bool:
    """Whether a call was turned away, and nothing paid for it."""
    refused = reply.outcome is Outcome.FAILED and REFUSED.match(reply.cause) is not None
    return refused and not reply.usage.usd
