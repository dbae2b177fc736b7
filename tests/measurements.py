"""Load tests as they are kept: what a server of one's own was seen to do at rising rates."""

from pathlib import Path
from typing import Any

from llamaduo.loads import FOLDER, AtRate, Load, Times


def at(rate: float, p95: float | None, **changes: Any) -> AtRate:
    """Return what was seen at a rate: 100 answers, of 40 tokens read and 10 written each."""
    whole = None if p95 is None else Times(n=100, p50=p95 / 2, p95=p95, p99=p95)
    fields: dict[str, Any] = {
        "rate": rate,
        "arrived": rate,
        "seconds": 11,
        "sent": 100,
        "answered": 100,
        "failed": {},
        "prompt_tokens": 4000,
        "output_tokens": 1000,
        "counted_by": "server",
        "in_flight": 2,
        "first": whole,
        "between": whole,
        "whole": whole,
        "lag_p95_ms": 1,
        "later": 0,
    }
    return AtRate.model_validate(fields | changes)


def load_of(*rates: AtRate, **changes: Any) -> Load:
    """Return a measurement without an objective, unless `changes` gives one."""
    fields: dict[str, Any] = {
        "model": "triage",
        "number": "2",
        "adapter": "a" * 16,
        "called": "triage",
        "engine": "vllm",
        "url": "http://gpu:8000",
        "at": "2026-11-20T10:00:00+00:00",
        "tool": "guidellm 0.8.1",
        "arrivals": "poisson",
        "seconds": 10,
        "seed": 42,
        "prompts": 212,
        "max_new_tokens": 16,
        "temperature": 0,
        "objective_ms": None,
        "rates": rates or (at(1, 100), at(10, 150), at(20, 900)),
    }
    return Load.model_validate(fields | changes)


def kept_in(folder: Path, load: Load, name: str = "one") -> Path:
    """Write it as `llamaduo load` does, below the folder `.llamaduo`."""
    path = folder / FOLDER / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(load.model_dump_json(), encoding="utf-8")
    return path
