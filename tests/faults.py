"""What a request can meet at a provider, written on a real socket byte by byte."""

import asyncio
import hashlib
import json
import socket
import struct
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from email.utils import formatdate
from typing import Any

from wires import Name, Said, credential_in, error, reply

BIG = 10_000_000
"""Bytes of text in a big reply."""


@dataclass
class Seen:
    """One request, as the server got it."""

    number: int
    """From 0, over all."""
    tries: int
    """How many with the same body came before."""
    at: float
    """Seconds of the monotonic clock of this machine, when it was read to its end."""
    wire: Name
    path: str
    model: str
    headers: Mapping[str, str]
    """Names in lower case."""
    body: dict[str, Any]
    fault: str = ""
    """What it met; "" for a good reply."""
    said: Said | None = None
    """What it was, or would have been, answered; None for a refusal."""
    usd: float = 0.0
    """What it would be billed."""
    sent: bytes = b""
    """The body that was handed to the socket, whole or not."""
    answered: bool = False
    """Whether a whole answer was handed to the socket."""

    @property
    def once(self) -> str:
        """The idempotency key; "" without one."""
        return self.headers.get("idempotency-key", "")

    @property
    def asks(self) -> str:
        """Digest of what is asked: equal for equal bodies to one path."""
        said = json.dumps([self.path, self.body], sort_keys=True).encode()
        return hashlib.sha256(said).hexdigest()


class Hung(Exception):
    """The connection is of no more use."""


@dataclass
class Line:
    """The connection a request came by, and what is written on it."""

    seen: Seen
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    retry_after: float
    """Seconds that a 429 asks to wait."""
    drip: float
    """Seconds between two bytes of a slow reply."""

    async def send(
        self,
        body: bytes | dict[str, Any],
        status: int = 200,
        kind: str = "application/json",
        **headers: str,
    ) -> None:
        """Send a whole answer."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.seen.answered, self.seen.sent = True, data
        self.writer.write(self.head(status, kind, len(data), **headers) + data)
        await self.writer.drain()

    def head(self, status: int, kind: str, length: int | None, **headers: str) -> bytes:
        """Return what stands before a body; without a length it comes in chunks."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        size = {"Transfer-Encoding": "chunked"} if length is None else {"Content-Length": length}
        ids = {"x-request-id": f"req-{self.seen.number}", "request-id": f"req-{self.seen.number}"}
        lines = {"Content-Type": kind, **size, **ids, **named}
        said = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        return f"HTTP/1.1 {status} Whatever\r\n{said}\r\n".encode()

    async def good(self, *, empty: bool = False, usage: bool = True, **other: Any) -> None:
        """Send a reply; `other` is what is not as it should be with what is said."""
        assert self.seen.said is not None
        said = replace(self.seen.said, **other)
        await self.send(reply(self.seen.wire, said, empty=empty, usage=usage))

    async def refuse(self, status: int, words: str, code: str = "", **headers: str) -> None:
        """Send an error in the provider's own form."""
        await self.send(error(self.seen.wire, status, words, code), status, **headers)

    def whole(self) -> bytes:
        """Return the body of a good reply."""
        assert self.seen.said is not None
        return json.dumps(reply(self.seen.wire, self.seen.said)).encode()

    async def begin(self, *, chunked: bool = False) -> None:
        """Send a head and half a body."""
        data = self.whole()
        half = self.seen.sent = data[: len(data) // 2]
        if chunked:
            half = f"{len(half):x}\r\n".encode() + half + b"\r\n"
        self.writer.write(self.head(200, "application/json", None if chunked else len(data)) + half)
        await self.writer.drain()

    async def wait(self) -> None:
        """Say nothing more until the client hangs up."""
        while await self.reader.read(1024):
            continue
        raise Hung

    def reset(self) -> None:
        """Break the connection as a crash does: RST and no FIN."""
        at: socket.socket = self.writer.get_extra_info("socket")
        at.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()
        raise Hung


Act = Callable[[Line], Awaitable[None]]


async def _retry_date(line: Line) -> None:
    # HTTP dates have no fractions: the next full second after the wait.
    at = int(time.time() + line.retry_after) + 1
    await line.refuse(
        429, "slow down", "rate_limit_exceeded", retry_after=formatdate(at, usegmt=True)
    )


async def _hang(line: Line) -> None:
    await line.wait()


async def _stall(line: Line) -> None:
    await line.begin()
    await line.wait()


async def _drip(line: Line) -> None:
    data = line.whole()
    line.writer.write(line.head(200, "application/json", len(data)))
    for at in range(len(data)):
        line.seen.answered = at == len(data) - 1
        line.writer.write(data[at : at + 1])
        await line.writer.drain()
        await asyncio.sleep(line.drip)
        if line.reader.at_eof():
            raise Hung


async def _reset(line: Line) -> None:
    await line.begin()
    await asyncio.sleep(0.01)  # what was sent arrives first
    line.reset()


async def _reset_early(line: Line) -> None:
    line.reset()


async def _short(line: Line) -> None:
    await line.begin()
    raise Hung


async def _cut_chunks(line: Line) -> None:
    await line.begin(chunked=True)
    raise Hung


async def _half_json(line: Line) -> None:
    data = line.whole()
    await line.send(data[: len(data) // 2])


def _key_said_again(line: Line) -> str:
    key = credential_in(line.seen.headers)
    return f"Incorrect API key provided: {key}. You sent {dict(line.seen.headers)}."


FAULTS: dict[str, Act] = {
    "429 in seconds": lambda line: line.refuse(
        429, "slow down", "rate_limit_exceeded", retry_after=f"{line.retry_after:g}"
    ),
    "429 by date": _retry_date,
    "429": lambda line: line.refuse(429, "slow down", "rate_limit_exceeded"),
    "500": lambda line: line.refuse(500, "the server had an error"),
    "500 with the key": lambda line: line.refuse(500, _key_said_again(line)),
    "502": lambda line: line.send(b"<html><h1>502 Bad Gateway</h1></html>", 502, "text/html"),
    "504": lambda line: line.send(b"<html><h1>504 Gateway Time-out</h1></html>", 504, "text/html"),
    "529": lambda line: line.refuse(529, "overloaded"),
    "reset before a byte": _reset_early,
    "hang": _hang,
    "stall": _stall,
    "drip": _drip,
    "reset": _reset,
    "short body": _short,
    "cut chunks": _cut_chunks,
    "half a JSON": _half_json,
    "HTML": lambda line: line.send(b"<html>Sign in to the network</html>", kind="text/html"),
    "no choices": lambda line: line.good(empty=True),
    "no text": lambda line: line.good(text=None),
    "refusal": lambda line: line.good(end="refused", text="I cannot help with that."),
    "filtered": lambda line: line.good(end="filtered"),
    "policy": lambda line: line.refuse(
        400, "rejected as a result of our content_policy_violation", "content_policy_violation"
    ),
    "cut": lambda line: line.good(end="length"),
    "10 MB": lambda line: line.good(text="word " * (BIG // 5)),
    "no usage": lambda line: line.good(usage=False),
    "another model": lambda line: line.good(model="somebody-else-1"),
    "bad request": lambda line: line.refuse(400, "temperature does not go with this model"),
    "no quota": lambda line: line.refuse(
        429, "You exceeded your current quota: insufficient_quota", "insufficient_quota"
    ),
    "redirect": lambda line: line.send(b"", 307, location="http://127.0.0.1:9/elsewhere"),
    "401": lambda line: line.refuse(401, _key_said_again(line), "invalid_api_key"),
    "404": lambda line: line.refuse(404, "the model does not exist", "model_not_found"),
}
"""What a request can meet, by name."""

FREE = frozenset(
    {
        *("429 in seconds", "429 by date", "429", "500", "500 with the key", "502", "529"),
        *("policy", "bad request", "no quota", "redirect", "401", "404"),
    }
)
"""Those that no provider bills."""
