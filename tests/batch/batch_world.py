"""What the tests of batches start from: a service with batches, requests, a desk."""

from datetime import date
from typing import Any

from batch_server import INPUT, OUTPUT, Batches

from llamaduo.desk import Desk
from llamaduo.ledger import Ledger
from llamaduo.records import Message, Request
from llamaduo.service.chat import ChatService
from llamaduo.service.price import Price

SECRET = "sk-test-0123456789abcdef"
PRICE = Price(input=INPUT, output=OUTPUT, batch=0.5, as_of=date(2026, 1, 2), source="a list")
TOKENS = 20
"""`max_tokens` of a request."""


def service(server: Batches, **changes: Any) -> ChatService:
    fields: dict[str, Any] = {
        "name": "gpt",
        "model": "openai/gpt-4o-2024-08-06",
        "price": PRICE,
        "api_base": server.url,
        "mode": "batch",
        "batch_poll_seconds": 0.01,
        "batch_least": 2,
        "concurrency": 2,
        "attempts": 3,
        "backoff": 0.0,
    }
    return ChatService.model_validate({**fields, **changes})


def requests(*samples: int) -> list[Request]:
    """Questions, one of them with a break that is no newline."""
    return [
        Request(
            messages=(Message(role="user", content=f"How\u2028is {sample:04d}?"),),
            max_tokens=TOKENS,
            temperature=1.0,
            sample=sample,
            row=f"r{sample}",
        )
        for sample in samples
    ]


def desk(ledger: Ledger, by: ChatService, *, budget: float | None = None, run: str = "run") -> Desk:
    return Desk(ledger=ledger, service=by, recipe="judge/1", run=run, seed=42, budget=budget)
