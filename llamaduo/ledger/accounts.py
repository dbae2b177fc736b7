"""What runs and days have spent, hold reserved, and may have been billed unseen.

A claim reserves what its call can cost at most on two accounts, that of the run which pays and that
of the day on which the payee bills. It ends in one of three ways: settled at what the call did
cost, given back, or unproven, where the request went out and nobody saw how it ended. A limit holds
for the sum of all three, so that it is kept whatever the provider did.
"""

from datetime import UTC, datetime

from llamaduo.database import Tables

RUN = """insert into runs (run, spent, reserved, unproven) values (?, ?, ?, ?)
on conflict (run) do update set spent = runs.spent + excluded.spent,
reserved = runs.reserved + excluded.reserved, unproven = runs.unproven + excluded.unproven"""
DAY = """insert into days (payee, day, spent, reserved, unproven) values (?, ?, ?, ?, ?)
on conflict (payee, day) do update set spent = days.spent + excluded.spent,
reserved = days.reserved + excluded.reserved, unproven = days.unproven + excluded.unproven"""

SLACK = 1e-9
"""Dollars that sums of floats may be off."""


def day_of(at: float) -> str:
    """Return the day of a moment, in UTC, as in 2026-11-24."""
    return datetime.fromtimestamp(at, UTC).date().isoformat()


def of_run(db: Tables, run: str) -> float:
    """Return the dollars that count against a run's budget."""
    row = db.execute("select spent + reserved + unproven from runs where run = ?", (run,))
    found = row.fetchone()
    return float(found[0]) if found else 0.0


def of_day(db: Tables, payee: str, day: str) -> float:
    """Return the dollars that count against a payee's limit of a day."""
    sql = "select spent + reserved + unproven from days where payee = ? and day = ?"
    found = db.execute(sql, (payee, day)).fetchone()
    return float(found[0]) if found else 0.0


def move(db: Tables, payee: str, day: str, to: str, reserved: float) -> None:
    """Let what is reserved on one day be reserved on another."""
    db.execute(DAY, (payee, day, 0.0, -reserved, 0.0))
    db.execute(DAY, (payee, to, 0.0, reserved, 0.0))


def book(
    db: Tables,
    run: str,
    payee: str,
    day: str,
    *,
    spent: float = 0.0,
    reserved: float = 0.0,
    unproven: float = 0.0,
) -> None:
    """Add to both accounts; what is taken away is below 0.

    Args:
        day: empty for calls of which no day is known.
    """
    by = (spent, reserved, unproven)
    db.execute(RUN, (run, *by))
    if day:
        db.execute(DAY, (payee, day, *by))
