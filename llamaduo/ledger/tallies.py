"""What results rest on, counted."""

from collections import Counter
from collections.abc import Sequence
from math import inf

from llamaduo.database import Tables
from llamaduo.records import Tally, Usage
from llamaduo.service.named import DATED

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
    of = f"u.recipe = ? and u.key not in (select key from uses where recipe in ({others}))"
    rows = db.execute(
        f"select outcome, attempt = last, unproven, {', '.join(COUNTED)} from ("
        "  select r.*, max(r.attempt) over (partition by r.key) as last"
        f"  from uses u join replies r on r.key = u.key where {of}) as tries order by key, attempt",
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
        by_others=_by_others(db, of, (recipe, *beside)),
    )


def _by_others(db: Tables, of: str, values: Sequence[str]) -> dict[str, int]:
    """Count replies by models that were not asked, by name."""
    rows = db.execute(
        "select c.payee, r.model, count(*) from uses u join replies r on r.key = u.key"
        f" join calls c on c.key = r.key where {of} and r.model <> '' and c.payee <> ''"
        " group by c.payee, r.model order by r.model",
        values,
    ).fetchall()
    found: Counter[str] = Counter()
    for payee, model, count in rows:
        if not same_model(payee, model):
            found[model] += count
    return dict(found)


def same_model(payee: str, answered: str) -> bool:
    """Whether a model goes by the name that was asked for, or by one of its dated versions.

    Args:
        payee: litellm's name of the model, its provider before a slash; then perhaps ` at ` and
            the address. A server's own model has no name, and nobody else can be told from it.
        answered: the model, as the provider has it.
    """
    asked = payee.partition(" at ")[0].removesuffix("-latest")
    parts = asked.split("/")
    names = ["/".join(parts[i:]) for i in range(len(parts))]
    return " " in asked or any(
        answered == name or (answered.startswith(name) and DATED.fullmatch(answered, len(name)))
        for name in names
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
