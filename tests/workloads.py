"""A workload of one server against one service, and what can be changed in it."""

from typing import Any

from llamaduo.workload import Workload

GIVEN: dict[str, Any] = {
    "name": "ours",
    "local_name": "Gemma 2B",
    "service_name": "a service",
    "input_tokens_per_day": 10_000_000,
    "output_tokens_per_day": 1_000_000,
    "price": {"input": 5, "output": 15, "as_of": "2025-01-31", "source": "a list"},
    "tuning_usd": 800,
    "servers": 1,
    "server_usd": 2539,
    "watts_per_server": 229,
    "usd_per_kwh": 0.18195,
}
MEASURED = {
    "output_tokens_per_s": 100,
    "prompt_tokens_per_s": 1000,
    "sequences": 10,
    "cache_tokens": 10_000,
    "context": 1000,
    "peak_to_mean": 2,
}
"""Speeds of one server."""


def ours(**changes: Any) -> Workload:
    """Return it with some keys changed."""
    return Workload.model_validate(GIVEN | changes)
