"""From requests to calls, tokens, dollars and seconds."""

from collections.abc import Callable
from datetime import date
from math import inf
from typing import Protocol, runtime_checkable

from llamaduo.forecast.figures import Line, Price, Range
from llamaduo.forecast.lengths import Lengths
from llamaduo.forecast.sizes import Four, Sizes
from llamaduo.records import Request
from llamaduo.service import Service

Guess = Callable[[Request], tuple[float, float]]
"""Given a request: the tokens of its reply, from and to, where nothing was measured."""


@runtime_checkable
class Priced(Protocol):
    """A price per million tokens that was read on a day."""

    @property
    def input(self) -> float:
        """Dollars per million prompt tokens."""
        ...

    @property
    def output(self) -> float:
        """Dollars per million completion tokens."""
        ...

    @property
    def as_of(self) -> date:
        """The day it was read."""
        ...

    @property
    def source(self) -> str:
        """Where it was read."""
        ...

    def usd(self, prompt_tokens: int, completion_tokens: int) -> float:
        """Return what a call of so many tokens costs."""
        ...


def line(
    service: Service,
    stage: str,
    name: str,
    sizes: Four,
    times: Range,
    lengths: Lengths,
    guess: Guess,
    why: str,
    *,
    round: int | None = None,
    sure: bool = True,
) -> Line | None:
    """Return what a stage asks of a service; None where it asks nothing.

    Args:
        sizes: requests that are made `times` times.
        guess: how long replies are likely to be.
        why: what the guess goes by, in words.
    """
    first = sizes.most.first
    if first is None:
        return None
    rate, reply = lengths.of(service, stage, first, guess(first), why)
    calls = _rising(
        sizes.least.different * times.least,
        sizes.low.calls * times.low,
        sizes.high.calls * times.high,
        sizes.most.calls * times.most,
    )
    prompts = _rising(
        sizes.least.bytes / max(sizes.least.calls, 1) * calls.least / rate.least,
        sizes.low.bytes * times.low / rate.low,
        sizes.high.bytes * times.high / rate.high,
        sizes.most.prompt_tokens * times.most,
    )
    replies = _rising(
        calls.least * reply.least,
        calls.low * reply.low,
        calls.high * reply.high,
        sizes.most.reply_tokens * times.most,
    )
    most_usd = sizes.most.usd * times.most
    return Line(
        stage=stage,
        name=name,
        service=service.name,
        round=round,
        sure=sure,
        batch=batched(service, calls.high),
        calls=calls,
        prompt_tokens=prompts,
        completion_tokens=replies,
        usd=_dollars(service, calls, prompts, replies, most_usd, lengths.cached(service, stage)),
        seconds=_seconds(service, stage, calls, sizes, lengths),
        largest=(sizes.low.largest, sizes.most.largest),
    )


def _rising(least: float, low: float, high: float, most: float) -> Range:
    """Return a range; where a lower figure would be over a higher one, it is the higher."""
    high = min(high, most)
    low = min(low, high)
    return Range(least=min(least, low), low=low, high=high, most=most)


def _dollars(
    service: Service, calls: Range, prompts: Range, replies: Range, most: float, cached: float
) -> Range:
    price = price_of(service)
    if price is None:  # a service of one's own kind: only its upper bound is known
        return Range(least=0.0, low=0.0, high=most, most=most)
    spared = _cached(price, cached)

    def usd(prompt: float, reply: float, asked: float) -> float:
        share = _share(service, price, asked)
        return share * (price.usd(round(prompt), round(reply)) - spared * prompt / 1e6)

    return _rising(
        usd(prompts.least, replies.least, calls.most),  # no more than the cheaper way
        usd(prompts.low, replies.low, calls.low),
        usd(prompts.high, replies.high, calls.high),
        most,
    )


def price_of(service: Service) -> Priced | None:
    """Return the price of `service`; None where it has none to read."""
    price = getattr(service, "price", None)
    return price if isinstance(price, Priced) else None


def _cached(price: Priced, share: float) -> float:
    """Return what a million tokens of prompts cost less, where a share comes from the cache."""
    cached = getattr(price, "cached_input", None)
    return 0.0 if cached is None else share * (price.input - float(cached))


def batched(service: Service, calls: float) -> bool:
    """Whether so many calls of a stage, whichever it is, are handed in as a batch."""
    least: int = getattr(service, "batch_least", 1)
    return getattr(service, "mode", "live") == "batch" and calls >= least


def _share(service: Service, price: Priced, calls: float) -> float:
    """Return the share of the price that is paid: less than 1 through a batch API."""
    batch = getattr(price, "batch", None)
    return float(batch) if batched(service, calls) and batch is not None else 1.0


def _seconds(
    service: Service, stage: str, calls: Range, sizes: Four, lengths: Lengths
) -> tuple[float, float] | None:
    """Return how long live calls take, side by side and within the limits of a minute.

    A limit of tokens counts the most that a call can take.
    """
    if batched(service, calls.high):
        return None
    each, limits = lengths.seconds(service, stage), service.limits

    def takes(number: float, of: Sizes) -> float | None:
        tokens = number * (of.prompt_tokens + of.reply_tokens) / max(of.calls, 1)
        ways = [] if each is None else [number * each / service.concurrency]
        if limits.requests_per_minute is not None:
            ways.append(60 * number / limits.requests_per_minute)
        if limits.tokens_per_minute is not None:
            ways.append(60 * tokens / limits.tokens_per_minute)
        return max(ways, default=None)

    low, high = takes(calls.low, sizes.low), takes(calls.high, sizes.high)
    return None if low is None or high is None else (low, high)


def said(service: Service) -> Price:
    """Return what the service costs, in words."""
    price = price_of(service)
    if price is None:
        says = "its price is not to be read: likely is up to what a budget reserves"
    else:
        says = (
            f"${price.input:g} in, ${price.output:g} out per million tokens, as of {price.as_of}, "
            f"{price.source}"
        )
        if (share := _share(service, price, inf)) < 1:
            says += f"; through its batch API {share:g} of that"
    return Price(service=service.name, says=says, simulated=service.simulated)
