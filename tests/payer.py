"""A stage that pays, through the real service, desk and ledger, also in a process of its own.

Processes are forked by one that has litellm imported, and pytest, which they would import too where
a test starts them: going on after a kill then takes no seconds.
"""

import json
import multiprocessing
import os
import re
from contextlib import closing
from dataclasses import dataclass, field
from datetime import date
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from faults import Seen

from llamaduo.desk import Desk
from llamaduo.errors import OverBudget
from llamaduo.ledger import Ledger
from llamaduo.records import Message, Reply, Request
from llamaduo.service.chat import ChatService, Price

os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # as the tests have it
FORKED = multiprocessing.get_context("forkserver")
FORKED.set_forkserver_preload(["pytest", "litellm", "llamaduo.service.chat", "llamaduo.desk"])


@dataclass(frozen=True)
class Payer:
    """Who asks what, and what may be paid."""

    ledger: Path
    url: str
    """Of a fault server."""
    questions: range
    """Numbers of the questions to ask."""
    run: str = "run"
    budget: float | None = None
    dollars: tuple[float, float] = (2.5, 10.0)
    """Price of a million prompt and completion tokens, the server's."""
    max_tokens: int = 20
    service: dict[str, Any] = field(default_factory=dict)
    """What is said of the service otherwise than below."""

    def made(self) -> ChatService:
        """Return the service."""
        price = Price(
            input=self.dollars[0],
            output=self.dollars[1],
            as_of=date(2026, 1, 2),
            source="the server's own",
        )
        said: dict[str, Any] = {
            "name": "paid",
            "model": "openai/m",
            "api_base": f"{self.url}/v1",
            "price": price,
            "backoff": 0.01,
            "timeout": 10,
        }
        return ChatService.model_validate(said | self.service)

    def request(self, number: int) -> Request:
        """Return what is asked."""
        return Request(
            messages=(Message(role="user", content=f"Question {number}?"),),
            max_tokens=self.max_tokens,
            temperature=1.0,
            row=f"row {number}",
        )

    @property
    def bound(self) -> float:
        """Dollars that no question costs more than."""
        return self.made().upper_bound_usd(self.request(10**6))

    def ask(self) -> list[Reply]:
        """Ask all, and return the replies.

        Raises:
            OverBudget: as the desk does.
        """
        requests = [self.request(number) for number in self.questions]
        with closing(Ledger(self.ledger)) as ledger:
            return self._desk(ledger).ask(requests)

    def numbers(self) -> dict[str, int]:
        """Return the number of each question by its key in the ledger."""
        with closing(Ledger(self.ledger)) as ledger:
            desk = self._desk(ledger)
            return {desk._key(self.request(number)): number for number in self.questions}

    def _desk(self, ledger: Ledger) -> Desk:
        return Desk(ledger, self.made(), "judge/1", self.run, seed=42, budget=self.budget)

    def begin(self, out: Path) -> ForkServerProcess:
        """Ask in a process of its own, which writes to `out` what came of it (`came`)."""
        process = FORKED.Process(target=_ask, args=(self, out), daemon=True)
        process.start()
        return process


def _ask(payer: Payer, out: Path) -> None:
    try:
        came = {"texts": [reply.text for reply in payer.ask()]}
    except OverBudget as stop:
        came = {"stopped": [str(stop)]}
    draft = out.with_suffix(".draft")
    draft.write_text(json.dumps(came), encoding="utf-8")
    draft.rename(out)


def texts(out: Path) -> list[str]:
    """Return the replies' texts; a process that was stopped by a limit has none."""
    return _came(out).get("texts", [])


def stopped(out: Path) -> str:
    """Return the words of the limit that stopped a process; "" if none did."""
    return "".join(_came(out).get("stopped", []))


def _came(out: Path) -> dict[str, list[str]]:
    came: dict[str, list[str]] = json.loads(out.read_text(encoding="utf-8"))
    return came


def asked(seen: Seen) -> int:
    """The number of the question of a request that a server saw, by whichever protocol."""
    [number] = re.findall(r"Question (\d+)\?", json.dumps(seen.body))
    return int(number)
