"""What a sweep came to: a line for each job, and dollars that are counted once."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from llamaduo.comparison import SHORT
from llamaduo.experiment import Experiment
from llamaduo.hosts import ledger_of
from llamaduo.sweep.ends import End
from llamaduo.tables import aligned, with_interval

LINE = 72
"""Characters of an error in the table."""


def table(ends: Sequence[End]) -> list[str]:
    """Return a line for each job, head first."""
    head = ["job", "what differs", "ended", "coverage %", "of", "run", "spent now", "made now"]
    return aligned([head, *(_line(end) for end in ends)])


def _line(end: End) -> list[str]:
    measured = end.coverage is not None and end.coverage.value is not None
    return [
        str(end.job),
        " ".join(end.differs) or "-",
        in_a_line(end.said),
        with_interval(end.coverage) if end.coverage is not None and measured else "-",
        f"{end.part}, n={end.coverage.n}" if end.coverage is not None and measured else "-",
        end.fingerprint[:SHORT] or "-",
        f"${end.spent_now:,.4f}" if end.counted else "?",
        str(end.made_now) if end.counted else "?",
    ]


def in_a_line(said: str) -> str:
    """Return how a job ended in one line: of an error with faults below it, the first of them."""
    lines = [line.strip() for line in said.split("\n") if line.strip()] or [""]
    text = lines[0] if len(lines) == 1 or not lines[0].endswith(":") else lines[1]
    more = f" (and {len(lines) - 2} more)" if len(lines) > 2 and text == lines[1] else ""
    return f"{text if len(text) <= LINE else text[: LINE - 3] + '...'}{more}"


def notes(ends: Sequence[End], paid: tuple[int, float]) -> Iterator[str]:
    """Say what the table does not: same runs, what failed, what the whole rests on.

    Args:
        paid: calls and dollars that the jobs rest on together.
    """
    same: dict[tuple[str, str], list[int]] = defaultdict(list)
    for end in ends:
        if end.fingerprint:
            same[end.home, end.fingerprint].append(end.job)
    for (_, fingerprint), jobs in same.items():
        if len(jobs) > 1:
            *first, last = map(str, jobs)
            yield (
                f"jobs {', '.join(first)} and {last} are the same run, {fingerprint[:SHORT]}: what "
                "they differ in makes no other result"
            )
    failed = [end for end in ends if end.code]
    calls, usd = paid
    now = sum(end.spent_now for end in ends)
    again = "the same command tries them again, and only them"
    ended = f", {len(failed)} not done; {again}" if failed else ""
    yield f"{len(ends)} job{'s' if len(ends) > 1 else ''}{ended}"
    lost = [str(end.job) for end in ends if not end.counted]
    if lost:
        yield (
            f"what was paid by {'job' if len(lost) == 1 else 'jobs'} {', '.join(lost)} is not "
            "counted here: killed without an end; the ledger has it, and the same command, which "
            "pays no call twice, counts it"
        )
    yield f"the sweep rests on {calls:,} calls for ${usd:,.4f}; ${now:,.4f} of it spent now"


def paid(ends: Sequence[End], like: Experiment) -> tuple[int, float]:
    """Return calls and dollars that jobs rest on; what several share counts once.

    Args:
        like: one of the jobs, whose kind of ledger all have.
    """
    calls, usd = 0, 0.0
    ledgers: dict[str, dict[str, None]] = defaultdict(dict)
    for end in ends:
        if end.recipes:
            where = end.home if like.ledger == "file" else str(like.home)
            ledgers[where].update(dict.fromkeys(end.recipes))
    for home, recipes in ledgers.items():
        ledger = ledger_of(like.model_copy(update={"home": Path(home)}))
        try:
            counted: list[str] = []
            for recipe in recipes:
                tally = ledger.tally(recipe, beside=counted)
                calls, usd = calls + tally.calls, usd + tally.usage.usd
                counted.append(recipe)
        finally:
            ledger.close()
    return calls, usd
