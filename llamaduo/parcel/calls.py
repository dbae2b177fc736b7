"""Paid calls from one ledger to another: none bought twice, none counted twice."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from llamaduo.database import Tables
from llamaduo.ledger import Ledger
from llamaduo.ledger.accounts import book
from llamaduo.ledger.tries import price_of
from llamaduo.records import Outcome, Record


class Try(Record):
    """A reply, as the ledger has it."""

    outcome: Outcome
    cause: str
    text: str
    prompt_tokens: int
    completion_tokens: int
    usd: float
    seconds: float
    at: float
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    thinking_tokens: int = 0
    model: str = ""
    status: int = 0
    raw: str = ""
    unproven: float = 0.0
    price: str = ""
    """The price itself, as the ledger has it on record; it is known there by a digest."""
    request_id: str = ""


class Call(Record):
    """A call, every try at it, and the results that rest on it."""

    key: str
    service: str
    request: str
    seed: int
    stage: str
    row: str
    run: str
    """Fingerprint of the run that paid."""
    claimed_at: float
    payee: str = ""
    day: str = ""
    tries: tuple[Try, ...]
    uses: tuple[str, ...]
    open: bool = False
    """Whether it is not answered: only what its tries have cost, or may have, is carried."""


OF_CALL = [name for name in Call.model_fields if name not in ("tries", "uses", "open")]
OF_TRY = ["coalesce(p.said, '') as price" if name == "price" else name for name in Try.model_fields]


@dataclass
class Taken:
    """What came of bringing calls to a ledger."""

    new: int = 0
    known: int = 0
    twice: int = 0
    """Of those known: paid for on both machines; the reply that is here stays."""


def calls(ledger: Ledger, run: str, recipes: Sequence[str]) -> Iterator[Call]:
    """Yield the answered calls that `run` paid for or that `recipes` rest on, by key.

    Then those that `recipes` asked for and nobody has answered yet, if there was a try at them. It
    counts as the run's: who made it is not on record.
    """
    marks = ", ".join("?" * len(recipes)) or "null"
    with ledger.transaction() as db:
        rows = db.execute(
            f"select {', '.join(OF_CALL)} from calls"
            " where state = 'answered' and (run = ? or key in"
            f"  (select key from uses where recipe in ({marks}))) order by key",
            (run, *recipes),
        ).fetchall()
        of_run = len(rows)
        rows += db.execute(
            "select distinct key, '', '', 0, '', '', ?, 0, '', '' from uses"
            f" where recipe in ({marks}) and key in (select key from replies)"
            " and key not in (select key from calls where state = 'answered' or run <> ?)"
            " order by key",
            (run, *recipes, run),
        ).fetchall()
        for number, row in enumerate(rows):
            tries = db.execute(
                f"select {', '.join(OF_TRY)} from replies r left join prices p on p.price = r.price"
                " where key = ? order by attempt",
                row[:1],
            )
            uses = db.execute(
                f"select recipe from uses where key = ? and recipe in ({marks}) order by recipe",
                (row[0], *recipes),
            )
            yield Call.model_validate(
                {
                    **dict(zip(OF_CALL, row, strict=True)),
                    "tries": [dict(zip(Try.model_fields, one, strict=True)) for one in tries],
                    "uses": [name for (name,) in uses],
                    "open": number >= of_run,
                }
            )


def take(ledger: Ledger, brought: Iterable[Call]) -> Taken:
    """Put calls into the ledger that it does not know; what it knows stays as it is."""
    taken = Taken()
    with ledger.transaction() as db:
        for call in brought:
            db.executemany(
                "insert into uses values (?, ?) on conflict do nothing",
                [(name, call.key) for name in call.uses],
            )
            there = db.execute("select at from replies where key = ?", (call.key,)).fetchall()
            fresh = [one for one in call.tries if (one.at,) not in there]
            # Paid is paid, by whoever's reply is kept: a budget holds for both machines.
            spent, unproven = sum(one.usd for one in fresh), sum(one.unproven for one in fresh)
            book(db, call.run, call.payee, call.day, spent=spent, unproven=unproven)
            known = bool(db.execute("select 1 from calls where key = ?", (call.key,)).fetchone())
            if known:
                _keep(db, call, fresh, [-1 - len(there) - i for i in range(len(fresh))])
            else:
                _keep(db, call, fresh, range(len(there), len(there) + len(fresh)))
            if call.open:
                continue
            if known:
                taken.known += 1
                taken.twice += bool(fresh)
                continue
            taken.new += 1
            asked = tuple(getattr(call, name) for name in OF_CALL)
            db.execute(
                "insert into calls values (?, ?, ?, ?, ?, ?, ?, 'answered', '', 0, ?, ?, ?, null)",
                asked,
            )
    return taken


def _keep(db: Tables, call: Call, tries: Sequence[Try], numbers: Iterable[int]) -> None:
    """Put tries on record; those numbered below 0 come before the reply that is here."""
    for attempt, one in zip(numbers, tries, strict=True):
        row = {**one.model_dump(mode="json"), "price": price_of(db, one.price)}
        db.execute(
            f"insert into replies (key, attempt, {', '.join(row)})"
            f" values ({', '.join('?' * (len(row) + 2))})",
            (call.key, attempt, *row.values()),
        )
