"""What a try comes to: an exchange on the wire, and what a client made of it, as `Heard`."""

import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from llamaduo.flow.headers import wait_of
from llamaduo.records import Outcome, Reply
from llamaduo.secrets import SHORTEST, without_secrets
from llamaduo.service import credentials, endings, native
from llamaduo.service.endings import LONGEST, Trouble
from llamaduo.service.heard import Heard, Unusable
from llamaduo.service.named import other
from llamaduo.service.price import Price, snapshot
from llamaduo.service.reading import read
from llamaduo.service.told import kept
from llamaduo.service.wire import MOST_BYTES, Exchange


@dataclass(frozen=True)
class Asked:
    """Who was asked for what, as far as reading the reply needs it."""

    name: str
    model: str
    address: str | None
    """None: the provider's own."""
    keys: Sequence[str]
    """Variables whose values are shown nowhere."""
    answers_as: str | None
    price: Price
    bound: float
    """Dollars that the call can cost at most."""
    context: int
    """Tokens of a prompt that `price` holds for."""

    def hear(self, exchange: Exchange, said: dict[str, Any] | Trouble | None) -> Heard:
        """Return what the try came to.

        Args:
            said: the reply in OpenAI's form; what a client says went wrong; None where the
                exchange alone tells.

        Raises:
            Unusable: if no request can succeed.
        """
        if exchange.fault and exchange.status < 400:
            return self._lost(exchange)
        if isinstance(said, dict):
            return self._read(exchange, said, native.parsed(exchange.text))
        if exchange.status >= 300 or not exchange.status:
            return self._refused(exchange, exchange.status, said)
        body = native.parsed(exchange.text)
        plain = native.as_openai(body) if body is not None else None
        if plain is not None:
            return self._read(exchange, plain, body)
        if body is not None and (error := endings.error_in(body)) is not None:
            code = error.get("code")  # an error under 200, as some gateways send them
            status = code if isinstance(code, int) and 400 <= code < 600 else 500
            return self._refused(exchange, status, said)
        return self._unread(exchange, said, body)

    def _lost(self, exchange: Exchange) -> Heard:
        """Return a try whose wire gave out: not sent, it costs nothing; sent, nobody knows."""
        reply = Reply(outcome=Outcome.FAILED, cause=self._words(exchange.fault))
        again = len(exchange.body) <= MOST_BYTES
        return self._heard(exchange, reply, again=again, unproven=exchange.sent)

    def _unread(self, exchange: Exchange, said: Trouble | None, body: object) -> Heard:
        """Return a try that no one can read: a proxy's page, half a body, an unknown form."""
        kind = exchange.came.get("content-type", "no content type").partition(";")[0]
        if body is not None:
            why = f"a reply of no form that is known{f' ({said.kind})' if said else ''}"
        elif exchange.body.lstrip()[:1] in (b"{", b"["):
            why = "the reply broke off: its JSON has no end"
        else:
            why = f"a reply that is no JSON but {kind}"
        words = f"{why}: {endings.words_of(exchange.text)}"
        reply = Reply(outcome=Outcome.FAILED, cause=self._words(words))
        return self._heard(exchange, reply, again=body is None, unproven=True)

    def _refused(self, exchange: Exchange, status: int, trouble: Trouble | None) -> Heard:
        """Return a try that was turned away, by the provider or before it. Nothing is billed."""
        kind, seen = (trouble.kind, trouble.status) if trouble else ("", 0)
        if exchange.status:
            words, label = endings.words_of(exchange.text), f"HTTP {exchange.status}"
            if 300 <= exchange.status < 400:
                words = f"it points to {exchange.came.get('location', 'another address')}"
        else:
            words, label = trouble.words if trouble else "", kind
        cause = self._words(f"{label}: {words}")
        code = status or seen
        filtered = endings.filtered(f"{kind} {words}")
        reply = Reply(outcome=Outcome.FILTERED if filtered else Outcome.FAILED, cause=cause)
        heard = self._heard(
            exchange,
            reply,
            again=not filtered and endings.passing(code),
            unproven=(exchange.sent and status in endings.SEEN_BY_NOBODY)
            or (not status and kind == "Timeout"),
            wait=wait_of(status, exchange.came, time.time(), exchange.text),
        )
        unsent = not exchange.status and not exchange.sent
        advice = endings.hopeless(code, f"{kind} {words}", unsent=unsent)
        if advice is not None and not filtered:
            raise Unusable(f"{self.name} cannot be used: {cause}; {self._filled(advice)}", heard)
        return heard

    def _read(
        self, exchange: Exchange, said: Mapping[str, Any], body: dict[str, Any] | None
    ) -> Heard:
        reply = read(said, body, self.price, self.bound, self.context)
        is_other = other(
            self.model,
            reply.model,
            answers_as=self.answers_as,
            own_address=self.address is None,
        )
        if is_other and reply.outcome is not Outcome.FAILED:
            wanted = self.answers_as or self.model.partition("/")[2]
            cause = (
                f"{reply.model} answered, not {wanted}; `answers_as: {reply.model}` in the YAML of "
                f"{self.name} takes its replies"
            )
            reply = reply.model_copy(update={"outcome": Outcome.FAILED, "cause": cause})
        broken = reply.cause.startswith("the reply broke off")
        raw = "" if exchange.status else _as_read(said)
        return self._heard(exchange, reply, again=broken, raw=raw)

    def _heard(
        self,
        exchange: Exchange,
        reply: Reply,
        *,
        again: bool,
        unproven: bool = False,
        wait: float | None = None,
        raw: str = "",
    ) -> Heard:
        return Heard(
            reply=self._without_keys(reply),
            again=again,
            wait=wait,
            unproven=unproven,
            raw=self._clean(raw or exchange.text, exchange.status),
            status=exchange.status,
            headers=kept(exchange.came),
            price=snapshot(self.price),
        )

    def _clean(self, raw: str, status: int) -> str:
        """Return a body without the value of any key, should a server have sent one back.

        Of a good reply only the service's own keys are looked for, which is quick; a refusal may
        quote what was sent.
        """
        own = (os.environ.get(key) for key in self.keys)
        if status >= 400 or any(value and value in raw for value in own):
            return without_secrets(raw, *self.keys)
        return raw

    def _without_keys(self, reply: Reply) -> Reply:
        """Return a reply without the value of the service's own keys; others are not looked for."""
        said = {name: getattr(reply, name) for name in ("text", "cause", "model")}
        own = [v for key in self.keys if len(v := os.environ.get(key, "")) >= SHORTEST]
        if not any(value in part for value in own for part in said.values()):
            return reply
        clean = {name: without_secrets(part, *self.keys) for name, part in said.items()}
        return reply.model_copy(update=clean)

    def _words(self, said: str) -> str:
        """Return words in one short line, without the value of any key."""
        return without_secrets(" ".join(said.split()), *self.keys)[:LONGEST]

    def _filled(self, advice: str) -> str:
        keys = f"the key in {' and '.join(self.keys)}" if self.keys else "its credentials"
        where = f" at {self.address}" if self.address else ""
        holes = {
            "{keys}": keys,
            "{model}": self.model,
            "{where}": where,
            "{renew}": credentials.renewal(self.model, keys),
        }
        for hole, words in holes.items():
            advice = advice.replace(hole, words)
        return advice


def _as_read(said: Mapping[str, Any]) -> str:
    """Return what stands for a body where a provider's client shows none, and say so."""
    told = {name: said.get(name) for name in ("model", "choices", "usage")}
    return json.dumps({"as_read_by": "litellm", **told}, sort_keys=True, default=str)
