"""A probe written down: on the version, in tags, and below home, in files."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from llamaduo.findings import Measure
from llamaduo.intervals import wilson
from llamaduo.parity.probe import Probed
from llamaduo.parity.rule import BARS
from llamaduo.promotion.candidate import Forced, now, who
from llamaduo.promotion.held import Held
from llamaduo.promotion.probed import NOT_KNOWN, PARITY
from llamaduo.secrets import without_secrets

PROBES = "probes"
"""Folder under `.llamaduo`."""
SHOWN = 20
"""Differing answers that are kept, at most."""
FIGURES = ("n", "identical", "unanswered", "ended", "ended_before", "late", "tellable", "as_base")


def tags(found: Probed, forced: Forced | None) -> dict[str, str | None]:
    """Return the tags of a version; None takes one away that an earlier probe put there."""
    seen, said, judged = found.seen, found.verdict, found.judged
    counts, live = seen.counts, found.live
    plain: dict[str, str | None] = {
        "": "passed" if said.passed or forced is not None else "failed",
        "_cause": None if said.passed else said.cause,
        "_reasons": None if said.passed else "; ".join(said.reasons),
        "_forced": None if forced is None else f"{forced.at} by {forced.by}: {forced.reason}",
        "_at": now(),
        "_by": who(),
        "_url": without_secrets(found.endpoint.url),
        "_engine": found.endpoint.engine,
        "_form": found.alike.form,
        "_dtype": found.alike.dtype or NOT_KNOWN,
        "_judged_as": found.alike.words.partition("; judged ")[2],
        **{f"_{name}": str(getattr(seen, name)) for name in FIGURES},
        "_identical_percent": f"{seen.identical_percent:.2f}",
        "_identical_low": _percent(seen.identical, seen.came, 0),
        "_identical_high": _percent(seen.identical, seen.came, 1),
        "_identical_bar": f"{BARS[found.alike.numbers]:g}",
        "_unanswered_percent": f"{seen.unanswered_percent:.2f}",
        "_as_base_low": _percent(seen.as_base, seen.tellable, 0),
        "_as_base_high": _percent(seen.as_base, seen.tellable, 1),
        "_template": None if counts is None else counts.words,
        "_tokens_n": None if counts is None else str(counts.n),
        "_tokens_off": None if counts is None else str(counts.off),
        "_live_n": None if live is None else str(live.n),
        "_live_differ": None if live is None else str(live.differ),
        "_live_noise": None if live is None else str(live.noise),
        "_coverage": _points(judged, "value"),
        "_coverage_low": _points(judged, "low"),
        "_coverage_high": _points(judged, "high"),
        "_coverage_n": None if judged is None else str(judged.n),
    }
    return {f"{PARITY}{key}": value for key, value in plain.items()}


def _percent(part: int, n: int, end: int) -> str | None:
    """Return an end of Wilson's interval."""
    return f"{100 * wilson(part, n)[end]:.2f}" if n else None


def _points(judged: Measure | None, what: Literal["value", "low", "high"]) -> str | None:
    points: float | None = getattr(judged, what, None)
    return None if points is None else f"{points:+.2f}"


def files(found: Probed, held: Held, said: dict[str, str | None], home: Path) -> Path:
    """Write the figures, and beside them the first answers that differ; returns the first file.

    The second holds prompts and answers: forgetting a row takes it away.
    """
    folder = home / ".llamaduo" / PROBES
    folder.mkdir(parents=True, exist_ok=True)
    at = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%f")
    name = f"{held.version.name}-{held.version.number}-{at}"
    differ = [one for one in found.heard if one.finish != "none" and not one.identical][:SHOWN]
    lines = [
        {
            "id": one.reference.id,
            "messages": [message.model_dump() for message in one.reference.messages],
            "reference": one.reference.text,
            "served": one.text,
            "base": None if one.base is None else one.base.text,
            "finish": [one.reference.finish, one.finish],
        }
        for one in differ
    ]
    if lines:
        beside = folder / f"{name}.differing.jsonl"
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        beside.write_text(text, encoding="utf-8")
    figures = {
        "model": held.version.name,
        "version": held.version.number,
        "tags": {key: value for key, value in said.items() if value is not None},
        "figures": found.seen.model_dump(),
        "alike": found.alike.model_dump(),
        "judged": None if found.judged is None else found.judged.model_dump(),
        "verdict": found.verdict.model_dump(),
    }
    path = folder / f"{name}.json"
    path.write_text(json.dumps(figures, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return path
