"""The run's calls: how they ended, what they cost, and how to ask again what went wrong."""

from collections.abc import Callable, Sequence

from llamaduo.findings import Result
from llamaduo.records import Outcome, Tally
from llamaduo.report.words import markdown

AGAIN = (Outcome.UNREADABLE, Outcome.FAILED)
"""Ends of calls that may be others if they are asked again as they were."""

UNPROVEN = "unproven"
"""Head of the dollars that may have been billed unseen."""

COLUMNS: dict[str, Callable[[Tally], str]] = {
    "stage": lambda one: one.stage,
    "calls": lambda one: str(one.calls),
    "outcomes": lambda one: ", ".join(f"{n} {name}" for name, n in one.outcomes.items()),
    "prompt tokens": lambda one: str(one.usage.prompt_tokens),
    "of them cached": lambda one: str(one.usage.cached_tokens),
    "completion tokens": lambda one: str(one.usage.completion_tokens),
    "cost": lambda one: f"${one.usage.usd:.4f}",
    UNPROVEN: lambda one: f"${one.unproven:.4f}",
}
THERE: dict[str, Callable[[Tally], float]] = {
    "of them cached": lambda one: one.usage.cached_tokens,
    UNPROVEN: lambda one: one.unproven,
}
"""What columns show that are left out where there is nothing in any of them."""


def calls(result: Result) -> list[str]:
    """Return the section of the report on service calls."""
    heads = [head for head in COLUMNS if head not in THERE or any(map(THERE[head], result.tallies))]
    rows = [[COLUMNS[head](one) for head in heads] for one in result.tallies]
    said = [f"In all ${result.usd:.4f}, at the price when each call was first bought."]
    said += remarks(result.tallies)
    if again := to_ask_again(result.tallies):
        said.append(f"`llamaduo run {again}`, with the values of this run, asks for them again.")
    return ["## Service calls", "", *markdown(heads, rows), "", " ".join(said), ""]


def remarks(tallies: Sequence[Tally]) -> list[str]:
    """Say what of the calls is worth a look, a sentence each."""
    found = []
    if unseen := sum(one.unproven for one in tallies):
        found.append(
            f"Up to ${unseen:.4f} more may have been billed unseen, where a call was cut off by a "
            "kill, a time-out or a broken connection."
        )
    for name in sorted({name for one in tallies for name in one.by_others}):
        count = sum(one.by_others.get(name, 0) for one in tallies)
        found.append(f"{count} replies are by {name}, which is not the name that was asked for.")
    counts = {end: sum(one.outcomes.get(end, 0) for one in tallies) for end in AGAIN}
    if any(counts.values()):
        ended = " and ".join(f"{n} {end}" for end, n in counts.items() if n)
        found.append(f"Of the calls, {ended}.")
    return found


def to_ask_again(tallies: Sequence[Tally]) -> str:
    """Return the flag that asks again what went wrong; empty where nothing of that kind did."""
    ends = [end.value for end in AGAIN if any(one.outcomes.get(end) for one in tallies)]
    return f"--retry {','.join(ends)}" if ends else ""
