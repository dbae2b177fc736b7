"""What came of one try at a call, and the limits that a service is asked within."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from llamaduo.errors import ServiceError
from llamaduo.records import Record, Reply


@dataclass(frozen=True)
class Heard:
    """One try, as it went."""

    reply: Reply
    again: bool = False
    """Whether asking again may go better."""
    wait: float | None = None
    """Seconds that the provider asks to be left alone; None where it asks for none."""
    unproven: bool = False
    """Whether the request went out and nobody saw how it ended (a time-out, a reset, a body that
    was cut): the provider may have billed it all the same."""
    raw: str = ""
    """The body as it came, before anything was read of it."""
    status: int = 0
    """HTTP status; 0 where none came, or where no HTTP was spoken."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Those about rate limits, and the request's id; names in lower case."""
    price: str = ""
    """The price it was counted at, as canonical JSON with its date; empty where none counts."""


class Unusable(ServiceError):
    """No request can succeed; carries the try that showed it."""

    def __init__(self, words: str, heard: Heard) -> None:
        """Say what stands in the way and what to do."""
        super().__init__(words)
        self.heard = heard


class Limits(Record):
    """What a service is not to be sent, or paid, more than; None: no limit."""

    payee: str
    """Who bills, whatever a config calls it: the model and its address. Limits and days are counted
    by it, over all processes that share a ledger."""
    usd_per_day: float | None = None
    """Dollars a day, which begins at 0:00 UTC."""
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    hidden_tokens: int = 0
    """Tokens that a reply can take beyond `max_tokens`: reasoning that is not shown."""
