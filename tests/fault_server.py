"""A provider that fails as it is told to, on real sockets, and counts what it saw and would bill.

It speaks OpenAI's, Anthropic's and Gemini's protocol (`wires.py`); what a request can meet is in
`faults.py`. What it bills is what a careful buyer has to expect: every request that was answered
with 200, or that no end was seen of, whoever hung up first. Refusals with 4xx and 5xx are free.
"""

import asyncio
import json
import random
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from faults import FAULTS, FREE, Hung, Line, Seen
from wires import Name, Said, error, model_in, most_tokens, wire_of

Script = Callable[[Seen], str]
"""Names the fault that a request meets; "" for none."""


def in_turn(*faults: str) -> Script:
    """Let the first requests meet these, one each, and the others none."""
    return lambda seen: faults[seen.number] if seen.number < len(faults) else ""


def none(seen: Seen) -> str:
    """Let every request be answered."""
    return ""


def always(fault: str) -> Script:
    """Let every request meet the same."""
    return lambda seen: fault


def storm(seed: int, share: float, *faults: str) -> Script:
    """Let a `share` of requests (0..1) meet one of `faults`.

    Drawn by what is asked and how often it was before, so that the order of requests does not
    matter.
    """

    def script(seen: Seen) -> str:
        draw = random.Random(f"{seed}/{seen.asks}/{seen.tries}")
        return draw.choice(faults) if draw.random() < share else ""

    return script


def tokens_of(seen: Seen) -> tuple[int, int]:
    """Prompt and completion tokens of a reply: its words, and a number drawn by what is asked."""
    draw = random.Random(seen.asks)
    said = seen.body.get("messages") or seen.body.get("contents")
    return len(json.dumps(said).split()), draw.randint(1, most_tokens(seen.body))


def text_of(seen: Seen) -> str:
    """A reply's text: the same for the same question."""
    return f"So it is with {seen.asks[:12]}."


@dataclass
class FaultServer:
    """What it is told, and what it saw."""

    script: Script = none
    text: Callable[[Seen], str] = text_of
    tokens: Callable[[Seen], tuple[int, int]] = tokens_of
    seconds: float = 0.0
    """Before each answer."""
    retry_after: float = 1.0
    """Seconds that a 429 asks to wait."""
    drip: float = 0.05
    """Seconds between two bytes of a slow reply."""
    dollars: tuple[float, float] = (2.5, 10.0)
    """Per million prompt and completion tokens."""
    remembers: bool = False
    """Whether a request with an idempotency key that was seen gets the first one's answer again,
    and is not billed again."""
    seen: list[Seen] = field(default_factory=list)
    flying: int = 0
    most: int = 0
    """Requests at once, at most."""
    url: str = ""
    """`http://127.0.0.1:PORT`; clients of OpenAI's protocol are told `/v1` behind it, those of
    Gemini's `/v1beta`."""
    _asked: "Counter[str]" = field(default_factory=Counter)
    _known: dict[str, Said] = field(default_factory=dict)

    @property
    def billed(self) -> float:
        """Dollars for all it saw."""
        return sum(seen.usd for seen in self.seen)

    def forget(self) -> None:
        """Begin to count anew."""
        self.seen.clear()
        self._asked.clear()
        self._known.clear()
        self.most = self.flying

    def meet(self, wire: Name, path: str, headers: Mapping[str, str], body: dict[str, Any]) -> Seen:
        """Note a request, and settle what it meets and is billed."""
        model = model_in(path, body)
        seen = Seen(len(self.seen), 0, time.monotonic(), wire, path, model, headers, body)
        seen.tries = self._asked[seen.asks]
        self._asked[seen.asks] += 1
        self.seen.append(seen)
        seen.fault = self.script(seen)
        assert not seen.fault or seen.fault in FAULTS, f"there is no fault {seen.fault!r}"
        if seen.fault in FREE:
            return seen
        prompt, completion = self.tokens(seen)
        seen.said = Said(self.text(seen), seen.model, prompt, completion)
        if known := self.remembers and self._known.get(seen.once):
            seen.said = known
            return seen
        if seen.once:
            self._known[seen.once] = seen.said
        seen.usd = (prompt * self.dollars[0] + completion * self.dollars[1]) / 1e6
        return seen


class _Provider:
    """The sockets of a server."""

    def __init__(self, server: FaultServer) -> None:
        self.server = server

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection, one after the other."""
        try:
            while True:
                await self._one(reader, writer)
        except (Hung, ConnectionError, asyncio.IncompleteReadError):
            pass  # either side hung up
        except asyncio.CancelledError:
            pass  # the server ends; asyncio would print it
        finally:
            writer.close()
            with suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.split("\r\n")
        method, path, _ = first.split(" ")
        named = (line.partition(":") for line in lines if line)
        headers = {name.lower(): value.strip() for name, _, value in named}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        wire = wire_of(path)
        if method != "POST" or wire is None:
            words = f"{method} {path} is nothing here"
            data = json.dumps(error(wire or "openai", 404, words, "not_found")).encode()
            said = f"HTTP/1.1 404 Whatever\r\nContent-Length: {len(data)}\r\n\r\n".encode()
            writer.write(said + data)
            return
        async with self._counted():
            line = Line(
                self.server.meet(wire, path, headers, json.loads(body)),
                reader,
                writer,
                self.server.retry_after,
                self.server.drip,
            )
            if self.server.seconds:
                await asyncio.sleep(self.server.seconds)
            act = FAULTS.get(line.seen.fault, Line.good)
            await act(line)

    @asynccontextmanager
    async def _counted(self) -> AsyncIterator[None]:
        self.server.flying += 1
        self.server.most = max(self.server.most, self.server.flying)
        try:
            yield
        finally:
            self.server.flying -= 1


@contextmanager
def fault_server(**told: Any) -> Iterator[FaultServer]:
    """Serve on a port of this machine until the block ends, on a thread of its own."""
    server = FaultServer(**told)
    provider = _Provider(server)
    loop = asyncio.new_event_loop()
    ready, over = threading.Event(), asyncio.Event()

    async def serve() -> None:
        at = await asyncio.start_server(provider.connected, "127.0.0.1", 0, backlog=1024)
        server.url = f"http://127.0.0.1:{at.sockets[0].getsockname()[1]}"
        ready.set()
        await over.wait()
        at.close()
        open_ = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in open_:
            task.cancel()
        await asyncio.gather(*open_, return_exceptions=True)

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(10)
        loop.close()
