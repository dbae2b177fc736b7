"""Asking again, alone, the calls of a run that went wrong; all other replies come from the ledger.

The results that rest on these calls go first, then the calls are opened; what follows is a run like
any other. What is to be done is written down before the first step and taken away after the last,
so that a kill between them is finished by the next command. Until then nothing is lost: a result
that went is made again of the replies that are in the ledger.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from llamaduo.errors import LlamaDuoError
from llamaduo.experiment import Experiment
from llamaduo.keeping.units import Unit, clear, in_order, put_away, units
from llamaduo.ledger import Ledger
from llamaduo.records import Outcome, Record, Request
from llamaduo.service import Service
from llamaduo.spending.rounds import walked

FILE = "retry.json"
"""In a run's folder, while what it says is not done yet."""


class Again(Record):
    """What is to be asked again, and what goes for it."""

    calls: dict[str, int]
    """Number of the last try at each call, by key: one that has been tried since is left alone."""
    recipes: tuple[str, ...]
    """Results that rest on them, or on replies that came after they were made."""


@dataclass(frozen=True)
class Plan:
    """What a retry would do."""

    again: Again
    calls: dict[str, int]
    """How many calls of each stage are asked again."""
    most: float
    """Dollars that they can cost at most, each answered at its first try."""
    stale: int
    """Results that rest on none of these calls, but on others that were answered anew since."""


@dataclass(frozen=True)
class _Bad:
    recipe: str
    key: str
    service: str
    request: str
    tries: int
    """Number of its last try."""


def plan(exp: Experiment, private: Path, ledger: Ledger, wanted: Sequence[Outcome]) -> Plan:
    """Find what of a run ended in one of the outcomes `wanted`. Nothing is changed.

    Args:
        private: the folder `.llamaduo`.
    """
    run = walked(exp, private, ledger, trials=False)
    bad = _bad(ledger, run, wanted)
    first = {one.key: one for one in reversed(bad)}
    there = {unit.recipe: unit for unit in units(private / "store") if unit.kind == "result"}
    stale = _stale(ledger, run, there)
    resting = {one.recipe for one in bad}
    services = _services(exp)
    recipes = [name for name in run if name in resting or name in stale]
    return Plan(
        again=Again(calls={k: first[k].tries for k in sorted(first)}, recipes=tuple(recipes)),
        calls=dict(Counter(one.recipe.partition("/")[0] for one in first.values())),
        most=sum(_bound(one, services) for one in first.values()),
        stale=len(stale - resting),
    )


def _bad(ledger: Ledger, run: Mapping[str, str], wanted: Sequence[Outcome]) -> list[_Bad]:
    """Return the answered calls that a run rests on whose last try ended so, by result in order.

    What was asked in those of a forgotten row is gone, and cannot be asked again.
    """
    marks = ", ".join("?" * len(wanted))
    found = []
    for recipe in run:
        rows = ledger.tables.execute(
            "select c.key, c.service, c.request, r.attempt"
            " from uses u join calls c on c.key = u.key join replies r on r.key = c.key"
            " where u.recipe = ? and c.state = 'answered' and c.request <> ''"
            " and r.attempt = (select max(attempt) from replies where key = c.key)"
            f" and r.outcome in ({marks}) order by c.key",
            (recipe, *(one.value for one in wanted)),
        ).fetchall()
        found += [_Bad(recipe, *row) for row in rows]
    return found


def _stale(ledger: Ledger, run: Mapping[str, str], there: Mapping[str, Unit]) -> set[str]:
    """Return the results of which a call has been answered anew since, for another run perhaps."""
    found = set()
    for recipe in run:
        (last,) = ledger.tables.execute(
            "select max(r.at) from uses u join replies r on r.key = u.key"
            " where u.recipe = ? and r.attempt >= 0",
            (recipe,),
        ).fetchone()
        if recipe in there and last is not None and last > there[recipe].finished:
            found.add(recipe)
    return found


def _services(exp: Experiment) -> dict[str, Service]:
    asked = exp.engine.asked
    all_ = (exp.service, *exp.judges, *((asked.service,) if asked is not None else ()))
    return {one.name: one for one in all_}


def _bound(call: _Bad, services: Mapping[str, Service]) -> float:
    """Return what a call can cost at most; of a service that goes by another name now, the most."""
    request = Request.model_validate_json(call.request)
    named = services.get(call.service)
    return max(one.upper_bound_usd(request) for one in ([named] if named else services.values()))


def begin(place: Path, again: Again, ledger: Ledger, *, shared: bool = False) -> None:
    """Let go of results and open calls, as planned; `carry_out` finishes it after a kill.

    Args:
        place: the run's folder.
        shared: whether the locks of the store are the ledger's, for several hosts.

    Raises:
        LlamaDuoError: if a process makes one of the results now.
    """
    place.mkdir(parents=True, exist_ok=True)
    draft = place / f"{FILE}.new"
    draft.write_text(again.model_dump_json(indent=1) + "\n", encoding="utf-8")
    draft.replace(place / FILE)
    carry_out(place, again, ledger, shared=shared)


def left(place: Path) -> Again | None:
    """Return what a retry that was broken off has left to do; None where there was none."""
    try:
        return Again.model_validate(json.loads((place / FILE).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None


def carry_out(place: Path, again: Again, ledger: Ledger, *, shared: bool = False) -> None:
    """Do what is written down, or what is left of it.

    Args:
        shared: whether the locks of the store are the ledger's, for several hosts.

    Raises:
        LlamaDuoError: if a process makes one of the results now.
    """
    private = place.parents[1]
    clear(private)
    going = [
        unit
        for unit in units(private / "store")
        if unit.recipe in again.recipes and unit.kind != "damaged"
    ]
    for unit in in_order(going):
        lock = ledger.held(unit.place / "lock", f"waiting for {unit.recipe} to be made")
        with lock if shared else nullcontext():
            gone = put_away(unit, private)
        if not gone:
            raise LlamaDuoError(
                f"{unit.recipe} is being made now, and cannot be made anew meanwhile: nothing is "
                "lost; the same command goes on when that has ended"
            )
    ledger.reopen([key for key, number in again.calls.items() if _last(ledger, key) == number])
    (place / FILE).unlink()


def _last(ledger: Ledger, key: str) -> int | None:
    """Return the number of the last try at a call."""
    sql = "select max(attempt) from replies where key = ?"
    (found,) = ledger.tables.execute(sql, (key,)).fetchone()
    return None if found is None else int(found)
