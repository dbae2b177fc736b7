"""Paid calls that hold a forgotten row."""

from collections.abc import Iterator
from dataclasses import dataclass

from llamaduo.keeping.needles import Needles
from llamaduo.ledger import FORGOTTEN, Ledger


@dataclass(frozen=True)
class Held:
    """Calls that hold a row."""

    keys: tuple[str, ...]
    usd: float
    """What they cost when they were bought."""


def holding(ledger: Ledger, needles: Needles) -> Held:
    """Return the calls whose request, reply or row is, or holds, what is looked for."""
    ids = set(needles.ids)
    found = {key for key, row, text in _texts(ledger) if row in ids or needles.in_text(text)}
    usd = 0.0
    with ledger.transaction() as db:
        for key in sorted(found):
            usd += sum(
                paid for (paid,) in db.execute("select usd from replies where key = ?", (key,))
            )
    return Held(tuple(sorted(found)), usd)


def _texts(ledger: Ledger) -> Iterator[tuple[str, str, str]]:
    """Yield (key, row, text) of all that calls hold."""
    with ledger.transaction() as db:
        for key, row, request in db.execute("select key, row, request from calls").fetchall():
            yield key, row, request
        for key, text, cause in db.execute("select key, text, cause from replies").fetchall():
            if not key.startswith(FORGOTTEN):
                yield key, "", f"{text}\n{cause}"
