"""A call as a line of a batch, and what comes of the line as a try at the call."""

import json
from functools import lru_cache
from typing import Any

from llamaduo.batch.provider import Came, Line
from llamaduo.records import Outcome, Reply, Request
from llamaduo.service.chat import ChatService
from llamaduo.service.endings import filtered, words_of
from llamaduo.service.heard import Heard
from llamaduo.service.price import Price, snapshot
from llamaduo.service.reading import read


def line_of(service: ChatService, key: str, request: Request, seed: int) -> Line:
    """Return what is sent for a call: the body that it has live."""
    return Line(id=key, body=service.body(request, seed))


def bound_usd(service: ChatService, request: Request) -> float:
    """Return what a request can cost at most in a batch, in dollars."""
    return service.upper_bound_usd(request) * share(service.price)


def share(price: Price) -> float:
    """Return the share of the price that is paid in a batch."""
    assert price.batch is not None, "a service in batch mode has a price for it"
    return price.batch


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
    """Read what came of a line, at the batch price. One that failed cost nothing."""
    headers = {"x-request-id": came.request_id} if came.request_id else {}
    body: Any = json.loads(came.raw) if came.raw else None
    if came.status == 200 and isinstance(body, dict):
        price = batch_price(service.price)
        reply = read(body, body, price, bound_usd(service, request))
        return Heard(
            reply, raw=came.raw, status=came.status, headers=headers, price=snapshot(price)
        )
    words = came.error or f"HTTP {came.status}: {words_of(came.raw)}"
    outcome = Outcome.FILTERED if filtered(words) else Outcome.FAILED
    reply = Reply(outcome=outcome, cause=f"in a batch: {words}"[:300])
    return Heard(reply, raw=came.raw, status=came.status, headers=headers)
