"""What a home's ledger has seen of a service: bytes to a token, lengths of replies, waits."""

from statistics import fmean

from pydantic import ValidationError

from llamaduo.ledger import Ledger
from llamaduo.records import Outcome, Record, Request

NEWEST = 2000
"""Calls of one stage that are looked at, the last ones."""

FEWEST = 20
"""Calls that have to be there before they count for more than an assumption."""

CAME = tuple(outcome.value for outcome in (Outcome.OK, Outcome.TRUNCATED, Outcome.UNREADABLE))
"""Outcomes of calls that brought a reply."""


class Seen(Record):
    """Means over the last calls of one stage to one service."""

    calls: int
    bytes_per_token: float | None
    """Of prompts; None where the service does not tell their tokens."""
    cached: float
    """Share of the tokens of prompts that were read from the provider's cache, 0..1."""
    reply_tokens: float
    seconds: float
    """From a try's start to its end, among as many others as were in flight."""


def seen(ledger: Ledger, service: str, stage: str) -> Seen | None:
    """Return what the ledger has of `stage` and the service called `service`.

    None where there are too few calls to go by.
    """
    marks = ", ".join("?" * len(CAME))
    with ledger.transaction() as db:
        rows = db.execute(
            "select c.request, r.prompt_tokens, r.cached_tokens, r.completion_tokens, r.seconds"
            " from calls c join replies r on r.key = c.key"
            " where c.service = ? and substr(c.stage, 1, ?) = ?"
            f" and c.request != '' and r.outcome in ({marks}) order by r.at desc limit ?",
            (service, len(stage) + 1, f"{stage}/", *CAME, NEWEST),
        ).fetchall()
    if len(rows) < FEWEST:
        return None
    sent = [(_bytes(str(request)), int(tokens)) for request, tokens, *_ in rows]
    told = [(size, tokens) for size, tokens in sent if size and tokens]
    total = sum(tokens for _, tokens in told)
    prompts = sum(row[1] for row in rows)
    return Seen(
        calls=len(rows),
        bytes_per_token=sum(size for size, _ in told) / total if total else None,
        cached=sum(row[2] for row in rows) / prompts if prompts else 0.0,
        reply_tokens=fmean(row[3] for row in rows),
        seconds=fmean(row[4] for row in rows),
    )


def _bytes(request: str) -> int:
    """Return the bytes of a request's messages; 0 where it cannot be read."""
    try:
        read = Request.model_validate_json(request)
    except ValidationError:
        return 0
    return sum(len(message.content.encode()) for message in read.messages)


def bought(ledger: Ledger, run: str) -> int:
    """Count the calls that were made for `run` and answered."""
    with ledger.transaction() as db:
        row = db.execute(
            "select count(*) from calls where run = ? and state = 'answered'", (run,)
        ).fetchone()
    return int(row[0])
