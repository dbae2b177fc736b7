"""A call as a line of a batch, and what comes of the line as a try at the call."""

from dataclasses import replace
from functools import lru_cache

from llamaduo.batch.provider import Came, Line
from llamaduo.records import Outcome, Reply, Request
from llamaduo.secrets import without_secrets
from llamaduo.service.chat import ChatService
from llamaduo.service.heard import Heard, Unusable
from llamaduo.service.price import Price
from llamaduo.service.wire import Exchange, Patience

_NO_WAIT = Patience(total=1, connect=1, first_byte=1)
"""For an exchange that is over."""


def line_of(service: ChatService, key: str, request: Request, seed: int) -> Line:
    """Return what is sent for a call: the body that it has live."""
    return Line(id=key, body=service.body(request, seed))


def bound_usd(service: ChatService, request: Request) -> float:
    """Return what a request can cost at most in a batch, in dollars."""
    return service.upper_bound_usd(request) * share(service.price)


def share(price: Price) -> float:
    """Return the share of the price that is paid in a batch; 1 where none is known."""
    return 1.0 if price.batch is None else price.batch


@lru_cache(maxsize=8)
def batch_price(price: Price) -> Price:
    """Return the price of what comes in a batch."""
    by = share(price)
    cached, written = (
        None if usd is None else usd * by for usd in (price.cached_input, price.cache_write)
    )
    return price.model_copy(
        update={
            "input": price.input * by,
            "output": price.output * by,
            "cached_input": cached,
            "cache_write": written,
            "source": f"{price.source}; in a batch {by:g} of it",
        }
    )


def heard_of(service: ChatService, came: Came, request: Request) -> Heard:
    """Read what came of a line as a live reply is read, at the batch price.

    Its provider says how every line ended, so only one that cannot be read is unproven.
    """
    if not came.status:
        reply = Reply(outcome=Outcome.FAILED, cause=f"in a batch: {came.error}")
        return Heard(reply, again=True, unproven=came.garbled, raw=came.raw)
    asked = service.asked(batch_price(service.price), bound_usd(service, request))
    exchange = Exchange(
        _NO_WAIT,
        sent=True,
        status=came.status,
        came={"x-request-id": came.request_id, "content-type": "application/json"},
        body=came.raw.encode("utf-8", "replace"),  # half of a surrogate pair becomes `?`
    )
    try:
        heard = asked.hear(exchange, None)
    except Unusable as error:  # a live call says so again, and what to do
        heard = error.heard
    except Exception as error:  # or one line would keep all others from being collected
        why = f"in a batch: its reply cannot be read: {type(error).__name__}"
        raw = without_secrets(exchange.text, *asked.keys)
        reply = Reply(outcome=Outcome.FAILED, cause=why)
        heard = Heard(reply, unproven=True, raw=raw, status=came.status)
    return replace(heard, unproven=heard.unproven and came.status < 300)
