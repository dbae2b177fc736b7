"""A call that is tried again: after how long, and when it is given up."""

import random
from dataclasses import replace

from llamaduo.flow.headers import LONGEST
from llamaduo.service import Heard

LONGEST_WAIT = 60.0
"""Seconds between two tries, at most, where the provider asks for no more."""

GAVE_UP = "given up"
"""Begins the cause of a call whose failure might pass, tried as often as the service says."""


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
