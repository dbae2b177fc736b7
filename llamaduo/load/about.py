"""From a registered version to a plan, and what is written down of it."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import yaml

from llamaduo.load.plan import Plan
from llamaduo.load.text import ms
from llamaduo.loads import FOLDER, AtRate, Load
from llamaduo.promotion.held import Held
from llamaduo.promotion.version import CONFIG
from llamaduo.tracker.registry import ADAPTER

TAG = "llamaduo.load_"
"""Begins the names of a version's tags that say what its last load test measured."""


def objective_of(held: Held, asked: float | None, goal: float | None) -> float | None:
    """Return the p95 to keep, in milliseconds: asked for now, or by the goal of its run."""
    if asked is not None or goal is not None:
        return asked if asked is not None else goal
    try:
        told = yaml.safe_load((held.folder / CONFIG).read_text(encoding="utf-8"))
        found = told["goal"].get("latency_p95_ms")
    except (OSError, KeyError, TypeError, AttributeError, yaml.YAMLError):
        return None
    return None if found is None else float(found)


def load_of(
    held: Held, plan: Plan, rates: Sequence[AtRate], *, by: str, objective_ms: float | None
) -> Load:
    """Put a measurement together, which ended now.

    Args:
        by: the tool that sent it, with its version.
        objective_ms: p95 that was to be kept; None: twice that of the lowest rate.
    """
    return Load(
        model=held.version.name,
        number=held.version.number,
        adapter=held.version.tags.get(ADAPTER, ""),
        called=plan.endpoint.model,
        engine=plan.endpoint.engine,
        url=plan.endpoint.url,
        at=now(),
        tool=by,
        arrivals=plan.arrivals,
        seconds=plan.seconds,
        seed=plan.seed,
        prompts=len(plan.chats),
        max_new_tokens=plan.max_new_tokens,
        temperature=plan.temperature,
        objective_ms=objective_ms,
        rates=tuple(rates),
    )


def now() -> str:
    """Return the time, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def keep(load: Load, home: Path) -> Path:
    """Write a measurement below `home`, by a rename; returns the file."""
    folder = home / ".llamaduo" / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    stamp = load.at.replace("+00:00", "Z").replace(":", "")
    path = folder / f"{load.model}-{load.number}-{stamp}.json"
    draft = path.with_suffix(".new")
    draft.write_text(load.model_dump_json(indent=1) + "\n", encoding="utf-8")
    draft.replace(path)
    return path


def tags(load: Load) -> Mapping[str, str | None]:
    """Return what the version's tags say: the figures at the knee, else at the lowest rate.

    None takes one away that an earlier test left.
    """
    at = load.knee or load.rates[0]
    whole = at.whole
    return {
        f"{TAG}knee": _knee(load),
        f"{TAG}rate": f"{at.rate:g}",
        f"{TAG}p95_ms": "" if whole is None else ms(whole.p95).replace(",", ""),
        f"{TAG}tokens_per_s": f"{at.output_tokens_per_s:.1f}",
        f"{TAG}n": str(0 if whole is None else whole.n),
        f"{TAG}at": load.at,
        f"{TAG}url": load.url,
    }


def _knee(load: Load) -> str | None:
    if load.knee is not None:
        return f"{load.knee.rate:g}"
    return "none" if load.limit_ms is not None else None
