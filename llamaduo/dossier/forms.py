"""How the dossier writes a value: one name for each form, so that a figure can be checked."""

import json
import shlex
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from llamaduo.unseen import visible

LONGEST = 6000
"""Characters of one text that the dossier shows; of a longer one it says how long it is."""

NONE = "-"
"""What stands where there is no value."""


def cut(text: str) -> str:
    """Return the beginning of a text, as long as the dossier shows."""
    return visible(text[:LONGEST])


def dollars(amount: float) -> str:
    """Write dollars without cents."""
    whole = round(amount)
    return f"-${-whole:,}" if whole < 0 else f"${whole:,}"


def counted(found: dict[str, int]) -> str:
    """Write counts by name: `6 filtered, 2,316 ok`."""
    return ", ".join(f"{n:,} {visible(name)}" for name, n in found.items()) or "none"


def day(seconds: float) -> str:
    """Write seconds since 1970 as a day, UTC."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d}"


def command(words: list[str]) -> str:
    """Write overrides as the command that runs them."""
    return visible(shlex.join(["llamaduo", "run", *words]))


FORMS: dict[str, Callable[[Any], str]] = {
    "text": visible,
    "cut": cut,
    "name": lambda name: visible(name) or "(none)",
    "command": command,
    "counted": counted,
    "day": day,
    "one": lambda value: f"{value:.1f}",
    "signed": lambda value: f"{value:+.1f}",
    "two": lambda value: f"{value:.2f}",
    "three": lambda value: f"{value:.3f}",
    "whole": lambda value: f"{value:,}",
    "plain": lambda value: f"{value:,.10g}",
    "percent": lambda share: f"{100 * share:.4g} %",
    "usd": dollars,
    "cents": lambda amount: f"${amount:,.4f}",
    "length": lambda text: f"{len(text):,}",
    "sum": lambda values: f"{sum(values):,}",
    "sum cents": lambda values: f"${sum(values):,.4f}",
    "none left": lambda values: f"{sum(value is None for value in values):,}",
}
"""Each takes the value as JSON has it; none of them sees None."""

SAID = frozenset({"text", "cut", "name", "command", "counted"})
"""Forms of words; the others are of figures."""


def written(value: Any, form: str) -> str:
    """Write a value in a form; a dash where there is none."""
    return NONE if value is None else FORMS[form](value)


def exact(value: Any, form: str) -> str:
    """Return the figure behind what is written, to its last digit."""
    if form == "length":
        value = len(value)
    elif form.startswith("sum"):
        value = sum(value)
    elif form == "none left":
        value = sum(one is None for one in value)
    return "" if value is None else json.dumps(value)
