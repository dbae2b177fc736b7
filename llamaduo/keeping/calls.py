"""Paid calls that hold a forgotten row."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from llamaduo import runs
from llamaduo.errors import LlamaDuoError
from llamaduo.keeping.needles import Needles
from llamaduo.ledger import FORGOTTEN, Ledger, batches
from llamaduo.privacy.hidden import in_no_order


@contextmanager
def opened(home: Path) -> Iterator[Ledger | None]:
    """Open the ledger that stands under `home`; None where none does, and none is made.

    Raises:
        LlamaDuoError: where a run has its ledger elsewhere, with others' locks on this store.
    """
    shared = [place.name for place in runs.places(home) if _elsewhere(place)]
    if shared:
        raise LlamaDuoError(
            f"{', '.join(shared)}: its ledger is on a server, and so are the locks of the store. "
            "Neither is looked at here yet, so nothing is removed"
        )
    path = home / ".llamaduo" / "ledger.sqlite"
    if not path.exists():
        yield None
        return
    ledger = Ledger(path)
    try:
        yield ledger
    finally:
        ledger.close()


def _elsewhere(place: Path) -> bool:
    """Whether a run says that its ledger is no file."""
    try:
        said = yaml.safe_load((place / runs.CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return False
    return isinstance(said, dict) and said.get("ledger", "file") != "file"


@dataclass(frozen=True)
class Held:
    """Calls that hold a row."""

    keys: tuple[str, ...]
    usd: float
    """What they cost when they were bought."""


def holding(ledger: Ledger, needles: Callable[[str], Needles]) -> Held:
    """Return the calls whose request, reply or row is, or holds, what is looked for.

    Args:
        needles: what to look for in the calls of a run, by its fingerprint; a masked text as
            `in_no_order` has it.

    Raises:
        LlamaDuoError: if a batch is open that holds one of them, whose reply is yet to come.
    """
    of = cache(needles)
    found = {
        key
        for key, run, row, text in _texts(ledger)
        if row in of(run).ids or any(of(run).in_text(one) for one in {text, in_no_order(text)})
    }
    usd = 0.0
    with ledger.transaction() as db:
        if handed_in := found & set(batches.holders(db)):
            raise LlamaDuoError(
                f"a batch that a provider has holds {len(handed_in)} of these calls, and their "
                "replies are yet to come: nothing was removed. Let the run that handed it in "
                "collect it, or cancel it with `llamaduo ledger --cancel-batch all`"
            )
        for key in sorted(found):
            usd += sum(
                paid for (paid,) in db.execute("select usd from replies where key = ?", (key,))
            )
    return Held(tuple(sorted(found)), usd)


def _texts(ledger: Ledger) -> Iterator[tuple[str, str, str, str]]:
    """Yield (key, run, row, text) of all that calls hold; run is empty of one that was given up."""
    with ledger.transaction() as db:
        for key, run, row, request in db.execute(
            "select key, run, row, request from calls"
        ).fetchall():
            yield key, run, row, request
        tries = (
            "select r.key, c.run, text, cause, raw"
            " from replies r left join calls c on c.key = r.key"
        )
        for key, run, *texts in db.execute(tries).fetchall():
            if not key.startswith(FORGOTTEN):
                yield key, run or "", "", "\n".join(texts)
