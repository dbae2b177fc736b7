"""Paid calls from one ledger to another: none bought twice, none counted twice."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from llamaduo.database import Tables
from llamaduo.ledger import Ledger
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


class Call(Record):
    """An answered call, every try at it, and the results that rest on it."""

    key: str
    service: str
    request: str
    seed: int
    stage: str
    row: str
    run: str
    """Fingerprint of the run that paid."""
    claimed_at: float
    tries: tuple[Try, ...]
    uses: tuple[str, ...]


@dataclass
class Taken:
    """What came of bringing calls to a ledger."""

    new: int = 0
    known: int = 0
    twice: int = 0
    """Of those known: paid for on both machines; the reply that is here stays."""


def calls(ledger: Ledger, run: str, recipes: Sequence[str]) -> Iterator[Call]:
    """Yield the answered calls that `run` paid for or that `recipes` rest on, by key."""
    marks = ", ".join("?" * len(recipes)) or "null"
    with ledger.transaction() as db:
        rows = db.execute(
            "select key, service, request, seed, stage, row, run, claimed_at from calls"
            " where state = 'answered' and (run = ? or key in"
            f"  (select key from uses where recipe in ({marks}))) order by key",
            (run, *recipes),
        ).fetchall()
        for row in rows:
            tries = db.execute(
                "select outcome, cause, text, prompt_tokens, completion_tokens, usd, seconds, at"
                " from replies where key = ? order by attempt",
                row[:1],
            )
            uses = db.execute(
                f"select recipe from uses where key = ? and recipe in ({marks}) order by recipe",
                (row[0], *recipes),
            )
            yield Call.model_validate(
                {
                    **dict(zip(Call.model_fields, row, strict=False)),
                    "tries": [dict(zip(Try.model_fields, one, strict=True)) for one in tries],
                    "uses": [name for (name,) in uses],
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
            spent = sum(one.usd for one in fresh)
            db.execute("insert into runs values (?, 0, 0) on conflict do nothing", (call.run,))
            db.execute("update runs set spent = spent + ? where run = ?", (spent, call.run))
            if db.execute("select 1 from calls where key = ?", (call.key,)).fetchone():
                taken.known += 1
                taken.twice += bool(fresh)
                _keep(db, call, fresh, [-1 - len(there) - i for i in range(len(fresh))])
                continue
            taken.new += 1
            db.execute(
                "insert into calls values (?, ?, ?, ?, ?, ?, ?, 'answered', '', 0, ?)",
                tuple(getattr(call, name) for name in list(Call.model_fields)[:8]),
            )
            _keep(db, call, fresh, range(len(there), len(there) + len(fresh)))
    return taken


def _keep(db: Tables, call: Call, tries: Sequence[Try], numbers: Iterable[int]) -> None:
    """Put tries on record; those numbered below 0 come before the reply that is here."""
    for attempt, one in zip(numbers, tries, strict=True):
        db.execute(
            "insert into replies values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (call.key, attempt, *one.model_dump(mode="json").values()),
        )
