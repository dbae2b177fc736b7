"""Sums over the tries of a ledger, by stage, model, day and the like. It only reads.

The SQL is what both databases understand. Tries of a call that was opened again and has not been
asked since have no call beside them: what it was for is told by the result that rests on it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from llamaduo.database import Tables
from llamaduo.ledger import Ledger
from llamaduo.records import Outcome, Usage

FOR = "coalesce(c.stage, (select min(recipe) from uses where uses.key = r.key), '')"
"""The result, `<stage>/<digest>`, that a try was bought for."""

BY = {
    "stage": f"rtrim(rtrim({FOR}, '0123456789abcdef'), '/')",
    "round": FOR,
    "model": "case when r.model = '' and c.payee <> '' then 'asked: ' || c.payee else r.model end",
    "day": "round(r.at / 86400 - 0.5)",
    "service": "coalesce(c.service, '')",
    "outcome": "r.outcome",
    "run": "coalesce(c.run, '')",
    "row": "coalesce(c.row, '')",
}
"""What may be summed by, as SQL has it. `model` is who answered; where nobody says, who was asked.
`round` is the result: `rounds.py` says what it is of."""

USED = (
    *("prompt_tokens", "completion_tokens", "usd"),
    *("cached_tokens", "cache_write_tokens", "thinking_tokens"),
)
"""Columns of a try that add up to a usage."""

EPOCH = date(1970, 1, 1)


@dataclass(frozen=True)
class Scope:
    """The calls that are looked at: those of one run."""

    run: str
    """Fingerprint; what it paid for counts."""
    recipes: tuple[str, ...]
    """Results that it rests on; what these rest on counts, whoever paid."""

    @property
    def sql(self) -> str:
        """The condition on a try `r` and its call `c`, where all tries are looked through."""
        return f"(c.run = ? or r.key in (select key from uses where recipe in ({self._marks})))"

    @property
    def of_one(self) -> str:
        """The same, where a few are: what the results rest on is not gone through each time."""
        chosen = f"uses.key = r.key and uses.recipe in ({self._marks})"
        return f"(c.run = ? or exists (select 1 from uses where {chosen}))"

    @property
    def _marks(self) -> str:
        return ", ".join("?" * len(self.recipes)) or "null"

    @property
    def values(self) -> tuple[str, ...]:
        """What stands for the marks in `sql`."""
        return (self.run, *self.recipes)


@dataclass(frozen=True)
class Sum:
    """Tries that have something in common."""

    of: tuple[str, ...]
    """What, one word for each thing it is summed by; empty where it is not known."""
    calls: int
    """Calls whose last try is among them."""
    tries: int
    usage: Usage
    unproven: float
    """Dollars, at most, that tries may have cost of which nobody saw the end."""
    outcomes: dict[str, int]
    """Of the calls, by their last try."""
    p50: float | None
    """Seconds that half of the last tries took which brought a reply; None where none did."""
    p95: float | None
    """Seconds that 95 of 100 took."""


def sums(ledger: Ledger, by: Sequence[str], scope: Scope | None = None) -> list[Sum]:
    """Return the sums for each combination of what is there, in order.

    Args:
        by: names of `BY`; with none there is one sum, of all.
        scope: None: all that the ledger has.
    """
    waits = _waits(ledger.tables, by, scope)
    return [_sum(row, by, waits) for row in _counts(ledger.tables, by, scope)]


def _counts(db: Tables, by: Sequence[str], scope: Scope | None) -> list[tuple[object, ...]]:
    names = _names(by)
    last = "sum(case when last and outcome = '{}' then 1 else 0 end)"
    ends = ", ".join(last.format(one.value) for one in Outcome)
    used = ", ".join(f"sum({name})" for name in USED)
    sql = (
        f"select {', '.join([*names, 'count(*)', 'sum(unproven)', used, ends])}"
        f" from ({_tries(by, scope)}) as tries"
    )
    if names:
        sql += f" group by {', '.join(names)} order by {', '.join(names)}"
    rows: list[tuple[object, ...]] = db.execute(sql, scope.values if scope else ()).fetchall()
    return [row for row in rows if row[len(names)]]


def _waits(
    db: Tables, by: Sequence[str], scope: Scope | None
) -> dict[tuple[object, ...], tuple[float, float]]:
    """Return the middle and the 95th percentile of the seconds, each that of a real try."""
    names = _names(by)
    part = f"partition by {', '.join(names)} " if names else ""
    sql = (
        f"select {', '.join([*names, ''])}"
        "max(case when place = (50 * n + 99) / 100 then seconds end),"
        " max(case when place = (95 * n + 99) / 100 then seconds end) from ("
        f"select {', '.join([*names, ''])}seconds,"
        f" row_number() over ({part}order by seconds) as place,"
        f" count(*) over ({part.rstrip()}) as n"
        f" from ({_tries(by, scope)}) as tries where last and outcome <> 'failed') as placed"
    )
    if names:
        sql += f" group by {', '.join(names)}"
    rows = db.execute(sql, scope.values if scope else ()).fetchall()
    return {tuple(row[:-2]): (row[-2], row[-1]) for row in rows if row[-1] is not None}


def _names(by: Sequence[str]) -> list[str]:
    return [f"by_{name}" for name in by]


def _tries(by: Sequence[str], scope: Scope | None) -> str:
    """Return the SQL of all tries in scope, with what they are summed by, and whether last."""
    keys = "".join(f"{BY[name]} as by_{name}, " for name in by)
    return (
        f"select {keys}r.outcome, r.seconds, r.unproven, {', '.join(f'r.{n}' for n in USED)},"
        " r.attempt = max(r.attempt) over (partition by r.key) as last"
        " from replies r left join calls c on c.key = r.key"
        f"{f' where {scope.sql}' if scope else ''}"
    )


def _sum(
    row: Sequence[object],
    by: Sequence[str],
    waits: dict[tuple[object, ...], tuple[float, float]],
) -> Sum:
    of, (tries, unproven, *rest) = row[: len(by)], row[len(by) :]
    used = dict(zip(USED, rest, strict=False))
    ends = {str(o): int(str(n)) for o, n in zip(Outcome, rest[len(USED) :], strict=True) if n}
    p50, p95 = waits.get(tuple(of), (None, None))
    return Sum(
        of=tuple(word(name, value) for name, value in zip(by, of, strict=True)),
        calls=sum(ends.values()),
        tries=int(str(tries)),
        usage=Usage.model_validate(used),
        unproven=float(str(unproven)),
        outcomes=ends,
        p50=p50,
        p95=p95,
    )


def word(name: str, value: object) -> str:
    """Return what a sum is of, as people write it: a number of days is a date."""
    if name == "day":
        return (EPOCH + timedelta(days=int(float(str(value))))).isoformat()
    return str(value)
