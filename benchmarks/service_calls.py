"""What the ledger costs: calls a second and CPU a call, beside bare clients; and limits a minute.

    python benchmarks/service_calls.py [--short] [--repeats 5] [--minutes 3] [--folder DIR]

A server of its own process answers OpenAI's chat completions after a delay and counts. It is asked
by plain aiohttp, by bare `litellm.acompletion` and through a desk, with its ledger in a file under
DIR and a budget, in turn; figures are medians, with the lowest and the highest. Then two processes
ask for `--minutes` within 600 requests a minute, and the server says what came when. Takes about
7 minutes; `--short` half a minute, with figures that mean little. The machine has to be quiet.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import statistics
import tempfile
import time
import warnings
from bisect import bisect_left
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import date
from multiprocessing.connection import Connection
from pathlib import Path

import aiohttp
from aiohttp import web

from llamaduo.desk import Desk
from llamaduo.ledger import Ledger
from llamaduo.records import Message, Request
from llamaduo.service.chat import ChatService, Price

PRICE = Price(input=2.5, output=10.0, as_of=date(2026, 11, 1), source="made up")
PROMPT = "You compare an answer with the one that users were satisfied with. " * 20
SAYS = json.dumps({"similarity": 80, "precision": 60, "why": "close in meaning, and shorter"})
BUDGET = 1e6
"""Dollars; never reached, and always looked at."""
PER_MINUTE = 600
SPAWN = multiprocessing.get_context("spawn")


@dataclass
class Case:
    """How long the service takes, and how many calls are in flight."""

    seconds: float
    at_once: int
    calls: int
    target: float
    """Of the rate of bare litellm that ours is to reach, at least."""


CASES = (Case(0.0, 32, 600, 0.85), Case(0.2, 16, 400, 0.95))
SHORT = (Case(0.0, 32, 96, 0.85), Case(0.2, 16, 64, 0.95))


@dataclass
class Arm:
    """One way to ask, in a process of its own, and what came of it in each repeat."""

    name: str
    line: Connection
    rates: list[float] = field(default_factory=list)
    """Calls a second."""
    cpu: list[float] = field(default_factory=list)
    """Milliseconds of the process, all threads, for each call."""

    def go(self, case: Case, repeat: int) -> None:
        """Make all calls of a case once; what is asked is asked in no other repeat."""
        self.line.send((case, repeat))
        wall, cpu = self.line.recv()
        if repeat >= 0:  # the one before is for connections, imports and what adapts
            self.rates.append(case.calls / wall)
            self.cpu.append(1000 * cpu / case.calls)


def main() -> None:
    """Print both tables."""
    made = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    made.add_argument("--short", action="store_true", help="half a minute, to see that it works")
    made.add_argument("--repeats", type=int, default=5, help="side by side; 0: leave it out")
    made.add_argument("--minutes", type=int, default=3, help="under a limit; 0: leave it out")
    made.add_argument("--folder", type=Path, help="of the ledger's file; else a temporary one")
    given = made.parse_args()
    repeats, minutes = (2, 0) if given.short else (given.repeats, given.minutes)
    with tempfile.TemporaryDirectory(dir=given.folder) as folder, served() as (url, server):
        for case in (SHORT if given.short else CASES) if repeats else ():
            server.send(case.seconds)
            server.recv()
            beside(case, repeats, url, Path(folder))
        if minutes:
            server.send(0.05)
            server.recv()
            limited(minutes, url, server, Path(folder))


def beside(case: Case, repeats: int, url: str, folder: Path) -> None:
    """Ask in every way in turn, and print what each came to."""
    with ExitStack() as stack:
        names = ["plain aiohttp", "bare litellm", *(f"ours, {way}" for way in ways())]
        arms = [Arm(name, stack.enter_context(asking(name, url, folder))) for name in names]
        for repeat in range(-1, repeats):
            for n in range(len(arms)):
                arms[(n + repeat) % len(arms)].go(case, repeat)
    print(f"\n{1000 * case.seconds:.0f} ms, {case.at_once} at once, n = {case.calls} x {repeats}")
    print(f"{'':24}{'calls/s':>28}{'CPU ms a call':>28}{'of bare litellm':>28}")
    for arm in arms:
        shares = [a / b for a, b in zip(arm.rates, arms[1].rates, strict=True)]
        print(f"{arm.name:24}{spread(arm.rates, 1)}{spread(arm.cpu, 2)}{spread(shares, 3)}")
        if arm.name.startswith("ours"):
            held = "reached" if statistics.median(shares) >= case.target else "NOT REACHED"
            print(f"{'':24}target {case.target}: {held}")


def spread(figures: Sequence[float], digits: int) -> str:
    """Return the median, and the lowest and the highest."""
    middle, low, high = (f"{f(figures):.{digits}f}" for f in (statistics.median, min, max))
    return f"{f'{middle} ({low} to {high})':>28}"


def ways() -> tuple[str, ...]:
    """Return how a service can be asked."""
    return ("litellm", "direct") if "transport" in ChatService.model_fields else ("litellm",)


@contextmanager
def asking(name: str, url: str, folder: Path) -> Iterator[Connection]:
    """Start a process that asks in one way, whenever it is told to."""
    line, its = SPAWN.Pipe()
    asker = SPAWN.Process(target=ask_when_told, args=(name, url, folder, its), daemon=True)
    asker.start()
    try:
        yield line
    finally:
        asker.kill()
        asker.join()


def quiet() -> None:
    """Keep litellm from warning of itself, and from fetching prices."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    warnings.filterwarnings("ignore", ".*`ReadOnly` qualifier", UserWarning)


def ask_when_told(name: str, url: str, folder: Path, line: Connection) -> None:
    """Ask until killed; say how long it took, and how much CPU."""
    quiet()
    plain = {"plain aiohttp": plainly, "bare litellm": barely}.get(name)
    ledger = None if plain else Ledger(folder / name.replace(" ", "-") / "ledger.sqlite")
    while True:
        case, repeat = line.recv()
        tag = f"{case.seconds} {repeat}"
        wall, cpu = time.perf_counter(), time.process_time()
        if plain:
            asyncio.run(plain(case, tag, url))
        else:
            assert ledger is not None
            ours(ledger, service(url, case.at_once, name.split()[-1]), case.calls, tag)
        line.send((time.perf_counter() - wall, time.process_time() - cpu))


def service(url: str, at_once: int, way: str, per_minute: int | None = None) -> ChatService:
    """Return the service, asked in one of the `ways`."""
    settings = {
        "name": "stand-in",
        "model": "openai/stand-in",
        "price": PRICE,
        "api_base": url,
        "concurrency": at_once,
        "requests_per_minute": per_minute,
    }
    return ChatService.model_validate(settings | ({"transport": way} if len(ways()) > 1 else {}))


def requests(many: int, tag: str) -> list[Request]:
    """Return requests as a judge makes them, that nothing has asked before."""
    return [
        Request(
            messages=(
                Message(role="system", content=PROMPT),
                Message(role="user", content=f"Compare {n} of {tag}."),
            ),
            max_tokens=200,
            temperature=0.0,
            row=str(n),
        )
        for n in range(many)
    ]


def ours(ledger: Ledger, of: ChatService, many: int, tag: str) -> None:
    """Ask through a desk, as a stage does."""
    desk = Desk(ledger=ledger, service=of, recipe=f"judge/{tag}", run="run", seed=42, budget=BUDGET)
    replies = desk.ask(requests(many, tag))
    assert all(reply.text == SAYS for reply in replies), replies[0]


async def plainly(case: Case, tag: str, url: str) -> None:
    """Ask with nothing but an HTTP client."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=case.at_once)) as session:

        async def ask(body: dict[str, object]) -> str:
            async with session.post(f"{url}/chat/completions", json=body) as response:
                said = await response.json()
            return str(said["choices"][0]["message"]["content"])

        await at_once(case, [body(request) for request in requests(case.calls, tag)], ask)


async def barely(case: Case, tag: str, url: str) -> None:
    """Ask through litellm and nothing else."""
    import litellm

    async def ask(body: dict[str, object]) -> str:
        said = await litellm.acompletion(
            **body | {"model": "openai/stand-in"},
            api_base=url,
            api_key="none",
            timeout=120,
            num_retries=0,
        )
        return str(said.choices[0].message.content)

    await at_once(case, [body(request) for request in requests(case.calls, tag)], ask)


def body(request: Request) -> dict[str, object]:
    """Return what is sent for a request."""
    return {
        "model": "stand-in",
        "messages": [message.model_dump() for message in request.messages],
        "max_tokens": request.max_tokens,
        "temperature": request.temperature,
        "seed": 7,
    }


async def at_once(
    case: Case, bodies: list[dict[str, object]], ask: Callable[[dict[str, object]], Awaitable[str]]
) -> None:
    """Ask for all, so many at once."""

    async def work() -> None:
        while bodies:
            assert await ask(bodies.pop()) == SAYS

    await asyncio.gather(*(work() for _ in range(case.at_once)))


def limited(minutes: int, url: str, server: Connection, folder: Path) -> None:
    """Have two processes ask within one limit, and print what the server saw."""
    server.send("arrivals")
    server.recv()
    each = (minutes + 1) * PER_MINUTE // 2
    askers = [
        SPAWN.Process(target=asker, args=(str(folder / "limited"), url, each, n), daemon=True)
        for n in range(2)
    ]
    for one in askers:
        one.start()
    came: list[float] = []
    while not came or time.time() < came[0] + 60 * minutes + 1:
        time.sleep(0.5)
        assert all(one.exitcode in (None, 0) for one in askers), "one has failed"
        server.send("arrivals")
        came += server.recv()
    for one in askers:
        one.kill()
    came.sort()
    counts = [sum(60 * n <= at - came[0] < 60 * (n + 1) for at in came) for n in range(minutes)]
    worst = max(bisect_left(came, at + 60) - n for n, at in enumerate(came))
    share = sum(counts) / (minutes * PER_MINUTE)
    print(f"\n{PER_MINUTE} requests a minute, 2 processes, {minutes} minutes")
    print(f"in each minute: {counts}; {share:.1%} of the limit (target 97 %)")
    print(f"in the worst 60 s: {worst} (never above {PER_MINUTE})")


def asker(home: str, url: str, many: int, number: int) -> None:
    """Ask so many times within the limit."""
    quiet()
    of = service(url, 16, "litellm", PER_MINUTE)
    with closing(Ledger(Path(home) / "ledger.sqlite")) as ledger:
        ours(ledger, of, many, f"process {number}")


@contextmanager
def served() -> Iterator[tuple[str, Connection]]:
    """Start the server. Yields its address, and the line by which it is told and asked."""
    line, its = SPAWN.Pipe()
    server = SPAWN.Process(target=serve, args=(its,), daemon=True)
    server.start()
    try:
        yield f"http://127.0.0.1:{line.recv()}/v1", line
    finally:
        server.kill()


def serve(line: Connection) -> None:
    """Answer until killed. A number sent is the delay from now on; `arrivals` gives and forgets."""
    asyncio.run(serving(line))


async def serving(line: Connection) -> None:
    """Answer, and listen to the line."""
    seconds, came = 0.0, list[float]()
    reply = {
        "id": "x",
        "object": "chat.completion",
        "created": 1,
        "model": "stand-in",
        "choices": [
            {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": SAYS}}
        ],
        "usage": {"prompt_tokens": 300, "completion_tokens": 20, "total_tokens": 320},
    }
    said = json.dumps(reply).encode()

    async def complete(request: web.Request) -> web.Response:
        came.append(time.time())
        await request.read()
        if seconds:
            await asyncio.sleep(seconds)
        return web.Response(body=said, content_type="application/json")

    app = web.Application()
    app.router.add_post("/v1/chat/completions", complete)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    line.send(runner.addresses[0][1])
    while True:
        while not line.poll():
            await asyncio.sleep(0.02)
        told = line.recv()
        if told == "arrivals":
            line.send(came[:])
            came.clear()
        else:
            seconds = told
            line.send(None)


if __name__ == "__main__":
    main()
