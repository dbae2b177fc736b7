"""What is sent: which prompts, at which rates, for how long; and how guidellm is told."""

import math
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from llamaduo.loads import Arrivals
from llamaduo.records import Message, Record
from llamaduo.serving.endpoint import Endpoint

WARM_UP = 0.2
"""Of the seconds of a rate, on top of them: so long requests come in that are not counted."""
ALONE = 5
"""Requests sent one after another, to see what one takes that meets no other."""

HOPELESS = 0.5
"""Share of requests that fail at which a rate is ended, and no higher one is tried."""
FIRST = 10
"""Requests that are waited for before that is said."""


class Plan(Record):
    """What every rate has in common."""

    endpoint: Endpoint
    chats: tuple[tuple[Message, ...], ...]
    """As they are sent, in this order, again from the first where a rate takes more."""
    max_new_tokens: int
    temperature: float
    seconds: float
    arrivals: Arrivals
    seed: int
    """Of when requests arrive."""

    @property
    def warm_up(self) -> float:
        """Seconds before a rate is measured."""
        return WARM_UP * self.seconds

    def requests(self, rate: float) -> int:
        """Return how many requests a rate takes, those of its warm-up among them."""
        return max(1, math.ceil(rate * (self.seconds + self.warm_up)))


def mixed(chats: Sequence[tuple[Message, ...]], seed: int) -> tuple[tuple[Message, ...], ...]:
    """Return each different chat once, in an order that hangs on the seed alone."""
    found = list(dict.fromkeys(chats))
    random.Random(seed).shuffle(found)
    return tuple(found)


def scenario(plan: Plan, rates: Sequence[float], out: Path) -> dict[str, Any]:
    """Return the config of guidellm for an open loop at `rates`, one after another.

    Every request of a rate is answered, fails, or is waited for until the endpoint's timeout,
    so that the slowest count: those that are cut off would be missing from every percentile.

    Args:
        out: the file it writes.
    """
    profile = {"kind": plan.arrivals, "rate": list(rates[:1])}
    counts = [plan.requests(rate) for rate in rates]
    longest = plan.seconds + plan.warm_up + plan.endpoint.timeout
    told = _scenario(plan, profile, counts[0], longest, max(counts), out)
    told["benchmarks"] = [
        {"profile.rate": [rate], "constraints[0].count": count}
        for rate, count in zip(rates, counts, strict=True)
    ]
    return told


def alone(plan: Plan, out: Path) -> dict[str, Any]:
    """Return the config of guidellm for a few requests, each sent when the last is answered."""
    longest = ALONE * plan.endpoint.timeout
    return _scenario(plan, {"kind": "synchronous"}, ALONE, longest, ALONE, out)


def _scenario(
    plan: Plan, profile: dict[str, Any], count: int, longest: float, rows: int, out: Path
) -> dict[str, Any]:
    body = {
        "max_tokens": plan.max_new_tokens,
        "temperature": plan.temperature,
        # Its own asks for vLLM's running counts too, which costs time.
        "stream_options": {"include_usage": True, "continuous_usage_stats": None},
    }
    sent = [[message.model_dump() for message in chat] for chat in plan.chats]
    return {
        "spec": {
            "backend": {
                "kind": "openai_http",
                "target": plan.endpoint.url,
                "model": plan.endpoint.model,
                "timeout": plan.endpoint.timeout,
                "http2": False,
                "verify": True,
                "validate_backend": False,
                "extras": {"body": body},
            },
            "profile": profile,
            "constraints": [
                {"kind": "max_requests", "count": count},
                {"kind": "max_duration", "seconds": longest},
                {
                    "kind": "max_global_error_rate",
                    "rate": HOPELESS,
                    "minimum": FIRST,
                    "stopping_scope": "all",
                },
            ],
            "data": [
                {
                    "kind": "in_memory_dict_list",
                    "data": [{"messages": sent[i % len(sent)]} for i in range(rows)],
                }
            ],
            "outputs": [{"kind": "json", "path": str(out)}],
            "seed": {"kind": "static", "value": plan.seed},
        }
    }
