"""Every fault, once and for good, met by the real service, desk and ledger."""

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from fault_server import FaultServer, always, fault_server, in_turn
from faults import FAULTS, Seen
from payer import Payer, asked

from llamaduo.errors import ServiceError

TRIES = 2
"""Of every call."""

FATAL = ("no quota", "redirect", "401", "404")
"""Faults after which no call can succeed; each is met by itself."""

BIG = "10 MB"
"""Takes its time, so it is met by itself too."""

OVERLOADED = ("429 in seconds", "429 by date", "429", "529")
"""After these fewer calls are sent at once, so they are met apart from what takes its time."""

SILENT = ("hang", "stall", "drip")

REST = tuple(name for name in FAULTS if name not in (*FATAL, BIG, *OVERLOADED, *SILENT))

GOOD = 2
"""Calls that meet nothing, among the others: with half of them given up, a service is down."""

RETRY_AFTER = 0.2
"""Seconds that a 429 asks to wait."""

PATIENCE = 1.5
"""Seconds until a try is given up: more than a call takes on a busy machine."""


@dataclass(frozen=True)
class Way:
    """How a provider is reached."""

    model: str
    base: str
    """What follows the server's address."""
    more: Mapping[str, Any]

    def payer(
        self, ledger: Path, server: FaultServer, questions: range, timeout: float = PATIENCE
    ) -> Payer:
        """Return who asks: a good reply costs $0.001, and none more than $0.002."""
        service = {
            "model": self.model,
            "api_base": f"{server.url}{self.base}",
            "answers_as": self.model.partition("/")[2],
            "timeout": timeout,
            "attempts": TRIES,
            "concurrency": 16,
            **self.more,
        }
        return Payer(ledger, server.url, questions, dollars=(0.0, 100.0), service=service)


TOLD: dict[str, Any] = {
    "dollars": (0.0, 100.0),
    "tokens": lambda seen: (5, 10),
    "retry_after": RETRY_AFTER,
}
"""What the server is told, so that a reply costs what it does."""

WAYS = {
    "OpenAI's protocol": Way("openai/m", "/v1", {}),
    "OpenAI's protocol, `transport: direct`": Way("openai/m", "/v1", {"transport": "direct"}),
    "Anthropic's": Way("anthropic/claude-m", "", {}),
    "Gemini's": Way("gemini/gemini-m", "/v1beta", {}),
}


@dataclass(frozen=True)
class Ended:
    """What one call came to."""

    outcome: str
    """Empty where no reply is on record."""
    tries: int
    usd: float
    unproven: float
    requests: int
    """That the server saw."""
    billed: float
    waited: tuple[float, ...]
    """Seconds between two requests."""
    raw: tuple[str, ...]
    """Of each try, as the ledger has it."""
    sent: tuple[str, ...]
    """Of each request, what the server sent back; cut where it was."""
    stopped: str = ""
    """What was said, where the stage was stopped."""


@dataclass(frozen=True)
class Weathered:
    """What a way came to with every fault."""

    once: dict[str, Ended]
    """Met by the first request only."""
    stays: dict[str, Ended]
    """Met by every request of the call."""
    good: list[Ended]
    """Calls that met nothing, among the others, and after a fault that stops all."""


def weathered(folder: Path) -> dict[str, Weathered]:
    """Meet all faults by all ways; what takes its time first, since all is warm then."""
    big = {name: _big(way, folder / f"big-{n}") for n, (name, way) in enumerate(WAYS.items())}
    return {
        name: _weathered(way, big[name], folder / f"way-{n}")
        for n, (name, way) in enumerate(WAYS.items())
    }


def _big(way: Way, folder: Path) -> Ended:
    with fault_server(script=always(BIG), **TOLD) as server:
        payer = way.payer(folder / "ledger.sqlite", server, range(1), timeout=30)
        payer.ask()
        return _ended(payer, server)[0]


def _weathered(way: Way, big: Ended, folder: Path) -> Weathered:
    once, stays = {BIG: big}, {BIG: big}
    good = []
    for group in (OVERLOADED, SILENT, REST):
        ended = _together(way, group, folder / group[0])
        once |= {fault: ended[2 * place] for place, fault in enumerate(group)}
        stays |= {fault: ended[2 * place + 1] for place, fault in enumerate(group)}
        good += [ended[2 * len(group) + n] for n in range(GOOD)]
    for fault in FATAL:
        with fault_server(script=in_turn(fault), **TOLD) as server:
            payer = way.payer(folder / f"{fault}.sqlite", server, range(1))
            once[fault] = stays[fault] = _stopped(payer, server)
            payer.ask()
            good.append(_ended(payer, server)[0])
    return Weathered(once, stays, good)


def _together(way: Way, faults: Sequence[str], folder: Path) -> dict[int, Ended]:
    """Ask a question for each fault that is met once, one for each that stays, and good ones."""

    def script(seen: Seen) -> str:
        place, stays = divmod(asked(seen), 2)
        return "" if place >= len(faults) or (seen.tries and not stays) else faults[place]

    with fault_server(script=script, **TOLD) as server:
        payer = way.payer(folder / "ledger.sqlite", server, range(2 * len(faults) + GOOD))
        payer.ask()
        return _ended(payer, server)


def _stopped(payer: Payer, server: FaultServer) -> Ended:
    try:
        payer.ask()
    except ServiceError as stop:
        return _ended(payer, server, str(stop))[0]
    return _ended(payer, server)[0]


def _ended(payer: Payer, server: FaultServer, stopped: str = "") -> dict[int, Ended]:
    """Return what each question came to, in the ledger and at the server."""
    found = {}
    with closing(sqlite3.connect(payer.ledger)) as db:
        for key, number in payer.numbers().items():
            tries = db.execute(
                "select outcome, usd, unproven, raw from replies where key = ? order by attempt",
                [key],
            ).fetchall()
            seen = [one for one in server.seen if asked(one) == number]
            found[number] = Ended(
                outcome=tries[-1][0] if tries else "",
                tries=len(tries),
                usd=sum(row[1] for row in tries),
                unproven=sum(row[2] for row in tries),
                requests=len(seen),
                billed=sum(one.usd for one in seen),
                waited=tuple(later.at - one.at for one, later in pairwise(seen)),
                raw=tuple(row[3] for row in tries),
                sent=tuple(one.sent.decode() for one in seen),
                stopped=stopped,
            )
    return found
