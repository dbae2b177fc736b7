"""What results rest on, counted."""

from collections import Counter
from collections.abc import Sequence
from math import inf

from llamaduo.database import Tables
from llamaduo.records import Tally, Usage

COUNTED = (
    *("prompt_tokens", "completion_tokens", "usd"),
    *("cached_tokens", "cache_write_tokens", "thinking_tokens"),
)
"""Columns of a try that add up to a usage."""


def tally(db: Tables, recipe: str, beside: Sequence[str]) -> Tally:
    """Count the calls the stage result `recipe` rests on, by their last outcome.

    Args:
        beside: other results whose calls are counted already, and not here again.
    """
    others = ", ".join("?" * len(beside)) or "null"
    rows = db.execute(
        f"select outcome, attempt = last, unproven, {', '.join(COUNTED)} from ("
        "  select r.*, max(r.attempt) over (partition by r.key) as last"
        "  from uses u join replies r on r.key = u.key where u.recipe = ? and u.key not in"
        f"  (select key from uses where recipe in ({others}))) as tries order by key, attempt",
        (recipe, *beside),
    ).fetchall()
    outcomes = Counter(row[0] for row in rows if row[1])
    counts = [sum(column) for column in zip(*(row[2:] for row in rows), strict=True)]
    unproven, *used = counts or [0.0, *([0] * len(COUNTED))]
    return Tally(
        stage=recipe.partition("/")[0],
        calls=sum(outcomes.values()),
        outcomes=dict(sorted(outcomes.items())),
        usage=Usage(**dict(zip(COUNTED, used, strict=True))),
        unproven=unproven,
    )


def seconds(db: Tables, recipe: str) -> list[float]:
    """Return how long the calls took that the stage result `recipe` rests on, rising.

    Each is timed from its last try to its end, among as many others as were in flight; one
    that brought no answer took for ever.
    """
    rows = db.execute(
        "select r.seconds, r.outcome in ('ok', 'truncated') from uses u"
        " join replies r on r.key = u.key where u.recipe = ? and r.attempt ="
        " (select max(attempt) from replies where key = r.key)",
        (recipe,),
    )
    return sorted(float(row[0]) if row[1] else inf for row in rows)
