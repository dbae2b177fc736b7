"""How long texts are, in tokens: measured where the ledger knows, else assumed, in words."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from llamaduo.forecast.figures import Range, same
from llamaduo.forecast.seen import Seen
from llamaduo.forecast.sizes import reply_tokens
from llamaduo.records import Request
from llamaduo.service import Service
from llamaduo.service.tgi import TgiService

ASSUMED_BYTES = Range(least=6.0, low=4.5, high=3.5, most=1.0)
"""Bytes of a prompt to one token. English has about 4 with the tokenizers of 2024 and later;
JSON, code and other scripts have fewer. No token is shorter than a byte."""

NEAR = 1.1
"""How far another batch's mean length may be from the measured one, as a factor."""

WORDS = (5, 40)
"""Tokens in each place of a reply's form that is for words: from a few to a sentence or two."""

UNKNOWN = (20.0, 200.0)
"""Tokens of a reply of which nothing is known."""

ANSWER_BYTES = 16
"""Bytes of an answer to each of its tokens, at most. Words of one token are seldom longer."""

_FORM = re.compile(r"^\{.*\}\s*$", re.MULTILINE)
_PLACE = re.compile(r"<[^<>\d\n]*>")
"""Where words are to stand; where a number is, the form shows its digits."""

Look = Callable[[str, str], Seen | None]
"""Given a service's name and a stage: what the ledger has seen of them."""


@dataclass
class Lengths:
    """Lengths by stage and service, and in words what they rest on."""

    look: Look
    said: dict[str, None] = field(default_factory=dict)
    """What lengths rest on, a line each, in the order they came up."""
    _found: dict[tuple[str, str], Seen | None] = field(default_factory=dict)

    def seen(self, service: Service, stage: str) -> Seen | None:
        """Return what was measured; an audit's calls are like a judgement's."""
        found = self.look(service.name, stage)
        return (
            self.look(service.name, "judgements") if found is None and stage == "audit" else found
        )

    def of(
        self, service: Service, stage: str, request: Request, guess: tuple[float, float], why: str
    ) -> tuple[Range, Range]:
        """Return the bytes of a prompt to one token (fewer make more), and the tokens of a reply.

        Args:
            request: one of those that are asked.
            guess: tokens of a reply, from and to, where nothing was measured.
            why: what the guess goes by, in words.
        """
        found = self.seen(service, stage)
        rate, reply = _rate(service, found), _reply(reply_tokens(service, request), found, guess)
        known = found is not None and (found.bytes_per_token or isinstance(service, TgiService))
        stored = f", {found.cached:.0%} of them from its cache" if found and found.cached else ""
        where = (
            f"measured here, n = {found.calls:,}"
            if found is not None
            else f"assumed; replies by {why}"
        )
        bytes_ = _between(rate.high, rate.low)
        self.said[
            f"{service.name}, {stage}: {bytes_} byte{'' if bytes_ == '1' else 's'} of a prompt to "
            "a token"
            f"{'' if known or found is None else ' (assumed)'}{stored}, "
            f"{_between(reply.low, reply.high, '.0f')} tokens a reply ({where})"
        ] = None
        return rate, reply

    def cached(self, service: Service, stage: str) -> float:
        """Return the share of prompt tokens that the provider's cache is likely to have."""
        found = self.seen(service, stage)
        return 0.0 if found is None else found.cached

    def seconds(self, service: Service, stage: str) -> float | None:
        """Return what a call takes; None where nobody timed one."""
        found = self.seen(service, stage)
        return None if found is None else found.seconds


def by_form(request: Request) -> tuple[float, float]:
    """Return the tokens of a reply in the form that the end of a prompt shows.

    The form, with a few words in every place for words, and with a sentence or two.
    """
    forms = _FORM.findall(request.messages[-1].content)
    if not forms:
        return UNKNOWN
    form = len(forms[-1].encode()) / 4
    low, high = (words * len(_PLACE.findall(forms[-1])) for words in WORDS)
    return form + low, form + high


def _rate(service: Service, found: Seen | None) -> Range:
    if isinstance(service, TgiService):  # it tells no tokens of a prompt: each byte is one
        return same(1.0)
    if found is None or found.bytes_per_token is None:
        return ASSUMED_BYTES
    rate = found.bytes_per_token
    least = max(rate * 2, ASSUMED_BYTES.least)
    return Range(least=least, low=rate * NEAR, high=rate / NEAR, most=1.0)


def _reply(most: int, found: Seen | None, guess: tuple[float, float]) -> Range:
    if found is not None:
        guess = (found.reply_tokens / NEAR, found.reply_tokens * NEAR)
    low, high = (min(one, most) for one in guess)
    return Range(least=low / 2, low=low, high=high, most=most)


def _between(low: float, high: float, form: str = ".2g") -> str:
    first, last = format(low, form), format(high, form)
    return first if first == last else f"{first} to {last}"
