"""A try at a call, as a row of the ledger."""

import hashlib
import time

from llamaduo.database import Tables
from llamaduo.records import Outcome, Reply, Usage, writable
from llamaduo.service import Heard

COLUMNS = (
    "key, attempt, outcome, cause, text, prompt_tokens, completion_tokens, usd, seconds, at,"
    " cached_tokens, cache_write_tokens, thinking_tokens, model, status, raw, unproven, price,"
    " request_id"
)
MARKS = ", ".join("?" * len(COLUMNS.split(",")))

UNSEEN = "in flight when its process ended: nobody saw whether it was answered, or billed"
"""Cause of a try that a kill has cut off."""

MOST_TOKENS = 10**12
"""Of any one count; more does not fit in a column, or not in the sum of some."""

REQUEST_IDS = ("x-request-id", "request-id", "apim-request-id", "x-amzn-requestid")
"""Headers that name a request for the provider's support."""


def keep(
    db: Tables, key: str, attempt: int, heard: Heard, *, seconds: float, unproven: float
) -> None:
    """Write a try down, with all that came.

    Args:
        unproven: dollars that it may have cost at most, unseen.
    """
    reply, usage = heard.reply, heard.reply.usage
    db.execute(
        f"insert into replies ({COLUMNS}) values ({MARKS})",
        (
            key,
            attempt,
            reply.outcome.value,
            writable(reply.cause),
            writable(reply.text),
            *(min(count, MOST_TOKENS) for count in (usage.prompt_tokens, usage.completion_tokens)),
            usage.usd,
            seconds,
            time.time(),
            *(min(count, MOST_TOKENS) for count in (usage.cached_tokens, usage.cache_write_tokens)),
            min(usage.thinking_tokens, MOST_TOKENS),
            writable(reply.model),
            heard.status,
            writable(heard.raw),
            unproven,
            price_of(db, heard.price),
            writable(next((heard.headers[one] for one in REQUEST_IDS if one in heard.headers), "")),
        ),
    )


def mark(db: Tables, key: str, outcome: Outcome, cause: str) -> None:
    """Say of the last try at `key`, a good one, what reading it showed."""
    db.execute(
        "update replies set outcome = ?, cause = ? where key = ? and outcome = 'ok' and attempt = "
        "(select max(attempt) from replies where key = ?)",
        (outcome.value, writable(cause), key, key),
    )


def price_of(db: Tables, said: str) -> str:
    """Put a price on record, once; returns what it is called there."""
    if not said:
        return ""
    name = hashlib.sha256(said.encode()).hexdigest()[:16]
    db.execute("insert into prices values (?, ?) on conflict do nothing", (name, said))
    return name


def number_of(db: Tables, key: str) -> int:
    """Return how many tries at `key` are on record."""
    (count,) = db.execute("select count(*) from replies where key = ?", (key,)).fetchone()
    return int(count)


def last(db: Tables, key: str) -> Reply | None:
    """Return the last reply to `key`; None where there is none yet."""
    found = db.execute(
        "select outcome, cause, text, model, prompt_tokens, completion_tokens, usd, cached_tokens,"
        " cache_write_tokens, thinking_tokens from replies where key = ?"
        " order by attempt desc limit 1",
        (key,),
    ).fetchone()
    if found is None:
        return None
    outcome, cause, text, model, *counts = found
    names = (
        *("prompt_tokens", "completion_tokens", "usd"),
        *("cached_tokens", "cache_write_tokens", "thinking_tokens"),
    )
    usage = Usage(**dict(zip(names, counts, strict=True)))
    return Reply(outcome=Outcome(outcome), cause=cause, text=text, usage=usage, model=model)
