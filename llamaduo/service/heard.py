"""What came of one try to have a request answered, as it came; and who sets its limits."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from llamaduo.records import Reply


@dataclass(frozen=True)
class Heard:
    """One try: how it ended, and what is needed to prove it."""

    reply: Reply
    again: bool = False
    """Whether asking again may go better."""
    wait: float | None = None
    """Seconds that the provider asks to wait; None: it does not say."""
    unproven: bool = False
    """The request went out and nobody saw how it ended, so it may have been billed."""
    raw: str = ""
    """The body as it came, before any parsing."""
    status: int = 0
    """HTTP code; 0 where there was none."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Those about rate limits and the request's id, in lower case."""
    price: str = ""
    """The price it is counted by, as canonical JSON; "" where none counts."""


@dataclass(frozen=True)
class Limits:
    """What may be asked of one payee, over all processes that share a ledger."""

    payee: str
    """Who bills: model and address, whatever the label."""
    usd_per_day: float | None = None
    """Dollars; a day is one of UTC."""
    requests_per_minute: int | None = None
    """In any 60 seconds."""
    tokens_per_minute: int | None = None
    """In any 60 seconds, prompt and most completion tokens of what was sent."""
