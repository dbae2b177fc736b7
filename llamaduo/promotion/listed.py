"""Versions in a table."""

from collections.abc import Sequence

from llamaduo.report.words import aligned
from llamaduo.tracker.registry import CHAMPION, Version

HEAD = ("version", "aliases", "run", "verdict", "coverage %", "n", "holds", "registered", "beside")


def table(versions: Sequence[Version]) -> list[str]:
    """Return the lines of a table, newest first."""
    return aligned(HEAD, [_row(one) for one in reversed(versions)])


def _row(one: Version) -> list[str]:
    def said(name: str) -> str:
        return one.tags.get(f"llamaduo.{name}", "-")

    beside = ["forced"] if said("forced") == "true" else []
    beside += ["simulated"] if said("simulated") == "true" else []
    if "llamaduo.rolled_back" in one.tags and CHAMPION not in one.aliases:
        beside.append(f"rolled back {said('rolled_back')[:10]}")
    return [
        one.number,
        ", ".join(one.aliases) or "-",
        said("fingerprint")[:8],
        said("verdict"),
        _coverage(one),
        said("n"),
        said("weights"),
        said("promoted").replace("T", " ").replace("+00:00", ""),
        ", ".join(beside) or "-",
    ]


def _coverage(one: Version) -> str:
    """Write the coverage with its interval, as reports do."""
    found = [one.tags.get(f"llamaduo.coverage{end}") for end in ("", "_low", "_high")]
    if None in found:
        return "-"
    value, low, high = (float(number) for number in found if number is not None)
    return f"{value:.1f} ({low:.1f} to {high:.1f})"
