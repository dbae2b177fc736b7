"""A TGI server on a real socket, made from TGI's own description of its protocol.

Every request and every reply is held against the schema; what does not hold fails the test at
the end of `serving`. To an adapter it does not know it answers with the base, as TGI does, and
calls the answer by the name it was asked for.
"""

import hashlib
import random
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import tgi_contract
from tgi_replies import (
    GENERATION,
    INCOMPLETE,
    NO_SYSTEM,
    OVERLOADED,
    TOO_LONG,
    UNAUTHORIZED,
    UNHEALTHY,
    Canned,
    Json,
    Said,
    invalid,
)
from tgi_socket import Http

__all__ = [
    "GENERATION",
    "INCOMPLETE",
    "NO_SYSTEM",
    "OVERLOADED",
    "TOO_LONG",
    "UNAUTHORIZED",
    "UNHEALTHY",
    "Canned",
    "TgiServer",
    "seeds",
    "serving",
]

CHAT = "POST /v1/chat/completions"
SAMPLING = ("temperature", "top_k", "top_p", "typical_p")
"""What turns sampling on at /generate where `do_sample` does not."""


def hashed(prompt: str, by: str, draw: int) -> str:
    """Say who answers, and what hangs on all that makes an answer."""
    return f"{by} {hashlib.sha256(f'{prompt}{by}{draw}'.encode()).hexdigest()[:6]}"


def laid_out(messages: Sequence[Json]) -> str:
    """Lay a chat out as the model's template does."""
    turns = [f"<|im_start|>{one['role']}\n{one['content']}<|im_end|>\n" for one in messages]
    return "".join([*turns, "<|im_start|>assistant\n"])


@dataclass
class TgiServer:
    """What it serves, what it was asked, and what it shall say wrong."""

    adapters: set[str] = field(default_factory=lambda: {"triage"})
    model_id: str = "llamaduo/tiny-random"
    key: str | None = None
    strict: bool = True
    """Whether a key of a request that TGI would ignore is a fault."""
    says: Callable[[str, str, int], str] = hashed
    """Returns the answer to a prompt, laid out, by an adapter or `base`; 0 is the greedy draw."""
    layout: Callable[[Sequence[Json]], str] = laid_out
    takes_system: bool = True
    """Whether the template knows a system turn."""
    healthy: bool = True
    canned: list[Canned] = field(default_factory=list)
    """Said in the place of the next answers."""
    too_long: str = "\0"
    """What makes a prompt too long."""
    most: int = 2048
    """Tokens of a prompt and its answer, at most. A token is a word."""
    admits: int = 128
    """Requests answered at once; one more is told that the server is overloaded."""
    seconds: float = 0.0
    """How long an answer takes."""
    cut: int | None = None
    """Events of a stream, or bytes of a reply, after which the connection breaks."""
    fails: int | None = None
    """Events of a stream after which generation fails."""
    after: int | None = None
    """Answers given until it only turns keys away."""
    wavers: int = 0
    """Of greedy answers of the base, one in so many comes out otherwise."""
    last: str = "<|im_end|>"
    """Text of the last token."""
    finish: str = "eos_token"
    shown: str = ""
    """What of the last token stands in the text: nothing, if the tokenizer calls it special."""
    sent: list[Json] = field(default_factory=list)
    """Bodies of the requests to /generate and /generate_stream."""
    chats: list[Json] = field(default_factory=list)
    """Bodies of the requests to /v1/chat/completions."""
    answered: list[Json] = field(default_factory=list)
    """Bodies of the requests that got an answer."""
    refused: int = 0
    """Requests that were told that the server is overloaded, for it was."""
    headers: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    """What the schema has against a request or a reply; a test that means it takes it out."""
    url: str = ""
    bare: int = 0
    busy: int = 0
    lock: threading.RLock = field(default_factory=threading.RLock)

    def sampled(self) -> list[Json]:
        """Return what was asked for answers, and not to prove anything."""
        return [body for body in [*self.sent, *self.chats] if _is_sampled(body)]

    def get(self, path: str) -> Canned | None:
        """Return what a path says; None: nothing is there."""
        if path == "/health":
            return (200, None) if self.healthy else UNHEALTHY
        if path == "/v1/models":
            one = {"id": self.model_id, "object": "model", "created": 0, "owned_by": self.model_id}
            return 200, {"object": "list", "data": [one]}
        return self.info() if path == "/info" else None

    def info(self) -> Canned:
        said = {
            "model_id": self.model_id,
            "model_sha": None,
            "max_concurrent_requests": self.admits,
            "max_best_of": 2,
            "max_stop_sequences": 4,
            "max_input_tokens": self.most - 1,
            "max_total_tokens": self.most,
            "validation_workers": 2,
            "max_client_batch_size": 4,
            "router": "text-generation-router",
            "version": "3.3.5",
        }
        return 200, said

    def answer(self, route: str, body: Json) -> Canned | Said:
        """Return the answer to a request, or the error in its place."""
        with self.lock:
            (self.chats if route == CHAT else self.sent).append(body)
            if wrong := tgi_contract.of_request(route, body, strict=self.strict):
                self.wrong += wrong
                return invalid(wrong[0])
            if self.after is not None and len(self.sampled()) > self.after:
                return UNAUTHORIZED
            if self.canned:
                return self.canned.pop(0)
            if self.busy >= self.admits:
                self.refused += 1
                return OVERLOADED
            self.busy += 1
        try:
            time.sleep(self.seconds)
            return self._said(route, body)
        finally:
            with self.lock:
                self.busy -= 1

    def _said(self, route: str, body: Json) -> Canned | Said:
        if route == CHAT:
            if not self.takes_system and any(m["role"] == "system" for m in body["messages"]):
                return NO_SYSTEM
            prompt, asked, model = self.layout(body["messages"]), body, body.get("model")
            adapter, limit = (None if model == "tgi" else model), body.get("max_tokens")
        else:
            prompt, asked = body["inputs"], body.get("parameters", {})
            adapter, limit = asked.get("adapter_id"), asked.get("max_new_tokens")
            model = adapter
        taken = len(_words(prompt))
        limit = 1024 if limit is None else limit
        if self.too_long in prompt:
            return TOO_LONG
        if taken + limit > self.most:
            return invalid(
                f"`inputs` tokens + `max_new_tokens` must be <= {self.most}. "
                f"Given: {taken} `inputs` tokens and {limit} `max_new_tokens`"
            )
        warm, known, seed = _is_sampled(body), adapter in self.adapters, asked.get("seed")
        by = adapter if known and adapter else "base"
        with self.lock:
            if not known and not warm:
                self.bare += 1
                by += str(self.bare) if self.wavers and self.bare % self.wavers == 0 else ""
            self.answered.append(body)
        draw = random.getrandbits(62) if seed is None else seed
        text = self.says(prompt, by, draw if warm else 0)
        told = [{"id": 5, "text": one, "logprob": -0.1, "special": False} for one in _words(text)]
        end = {"id": 2, "text": self.last, "logprob": -0.1, "special": True}
        whole = len(told) < limit
        return Said(
            model=model or self.model_id,
            tokens=(*told, end) if whole else tuple(told[:limit]),
            finish=self.finish if whole else "length",
            shown=self.shown if whole else "",
            prompt_tokens=taken,
            seed=draw if warm else None,
        )


@contextmanager
def serving(server: TgiServer) -> Iterator[TgiServer]:
    """Put `server` on a socket of its own.

    Raises:
        AssertionError: at the end, if a request or a reply was not as the schema has it.
    """
    with Http(server) as http:
        server.url = f"http://127.0.0.1:{http.server_port}"
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            http.shutdown()
            thread.join()
    assert not server.wrong, "\n".join(["not as TGI's schema has it:", *server.wrong])


def seeds(bodies: Sequence[dict[str, Any]]) -> list[int]:
    return [body.get("parameters", body)["seed"] for body in bodies]


def _words(text: str) -> list[str]:
    """Cut a text into words that come to the text when put together."""
    return re.findall(r"\s*\S+|\s+$", text)


def _is_sampled(body: Json) -> bool:
    """Whether TGI samples: a chat always, unless the temperature is said to be 0."""
    if "messages" in body:
        return body.get("temperature") != 0
    asked = body.get("parameters", {})
    return bool(asked.get("do_sample")) or any(asked.get(name) is not None for name in SAMPLING)
