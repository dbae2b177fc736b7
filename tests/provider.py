"""A provider that says what it is told to, in the event loop of who asks it."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from llamaduo.records import Message, Request
from llamaduo.service.chat import ChatService
from llamaduo.service.heard import Heard

ASKED = Request(
    messages=(Message(role="system", content="Be brief."), Message(role="user", content="How?")),
    max_tokens=100,
    temperature=0.7,
    sample=3,
    row="r1",
)


@dataclass
class Provider:
    """What it says, and what it was sent."""

    body: str | bytes | Mapping[str, Any] = ""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    length: int | None = None
    """Bytes it says there are; None: as many as there are."""
    seconds: float = 0.0
    """Before it says anything."""
    got: list[dict[str, Any]] = field(default_factory=list)
    """Bodies, with `path` and `headers` beside."""
    connections: int = 0

    @property
    def wire(self) -> bytes:
        """All it sends."""
        said = self.body
        data = said if isinstance(said, bytes) else None
        data = data or (said if isinstance(said, str) else json.dumps(said)).encode()
        lines = {
            "Content-Type": "application/json",
            "Content-Length": str(len(data) if self.length is None else self.length),
            **self.headers,
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        return f"HTTP/1.1 {self.status} Said\r\n{head}\r\n".encode() + data

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer what comes on one connection."""
        self.connections += 1
        try:
            while head := (await reader.readuntil(b"\r\n\r\n")).decode():
                first, *lines = head.split("\r\n")
                pairs = (line.split(": ", 1) for line in lines if line)
                headers = {name.lower(): value for name, value in pairs}
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                self.got.append({**json.loads(body), "path": first.split()[1], "headers": headers})
                await asyncio.sleep(self.seconds)
                writer.write(self.wire)
                await writer.drain()
                if self.length is not None:
                    break
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()


def heard(service: ChatService, provider: Provider, times: int = 1, **given: Any) -> list[Heard]:
    """Let `service` ask the provider, whose address takes the place of HERE in its own."""

    async def ask() -> list[Heard]:
        server = await asyncio.start_server(provider.connected, "127.0.0.1", 0)
        at = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        base = service.api_base and service.api_base.replace("http://here", at)
        there = service.model_copy(update={"api_base": base})
        asked = ASKED.model_copy(update=given)
        try:
            return [await there.attempt(asked, 7, "once-1") for _ in range(times)]
        finally:
            server.close()

    return asyncio.run(ask())
