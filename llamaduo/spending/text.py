"""What a ledger says, in lines for a terminal."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from llamaduo.records import Usage
from llamaduo.spending.state import Account, Answered, Batch, Price
from llamaduo.spending.sums import Sum

UNSEEN = "may have been billed unseen: kills, time-outs"

MOST_ROWS = 20
"""Rows that are listed, those that cost most; a ledger has many."""

Cell = Callable[[Sum], str]

ALWAYS: dict[str, Cell] = {
    "calls": lambda one: f"{one.calls:,}",
    "tries": lambda one: f"{one.tries:,}",
    "prompt tokens": lambda one: f"{one.usage.prompt_tokens:,}",
    "of them cached": lambda one: f"{one.usage.cached_tokens:,}",
    "completion tokens": lambda one: f"{one.usage.completion_tokens:,}",
    "of them thought": lambda one: f"{one.usage.thinking_tokens:,}",
    "paid": lambda one: f"${one.usage.usd:.4f}",
    "unproven": lambda one: f"${one.unproven:.4f}",
    "p50 s": lambda one: seconds(one.p50),
    "p95 s": lambda one: seconds(one.p95),
    "calls ended": lambda one: ", ".join(f"{n:,} {name}" for name, n in one.outcomes.items()),
}
"""Columns of a table, by their heads; three of them are left out where there is nothing in any."""

THERE: dict[str, Callable[[Sum], float]] = {
    "of them cached": lambda one: one.usage.cached_tokens,
    "of them thought": lambda one: one.usage.thinking_tokens,
    "unproven": lambda one: one.unproven,
}
"""What stands in columns that most ledgers have no use for."""


def total(all_: Sequence[Sum]) -> str:
    """Say what all came to, in a line."""
    if not all_:
        return "nothing was asked of a service yet"
    one = all_sum(all_)
    return f"{one.calls:,} calls in {one.tries:,} tries, {money(one.usage.usd, one.unproven)}"


def money(usd: float, unproven: float) -> str:
    """Say dollars that were paid, and those of which nobody knows."""
    more = f", and ${unproven:.4f} at most unproven ({UNSEEN})" if unproven else ""
    return f"${usd:.4f} paid{more}"


def table(
    by: Sequence[str], all_: Sequence[Sum], names: Mapping[str, str] | None = None
) -> list[str]:
    """Return the lines of a table of sums: words to the left, figures to the right.

    Args:
        names: what results are of, by recipe and in order, where they are summed by `round`.
    """
    names, shown = names or {}, list(all_)
    if "round" in by:
        order = {recipe: place for place, recipe in enumerate(names)}
        at = by.index("round")
        shown.sort(key=lambda one: order.get(one.of[at], len(order)))
    if "row" in by:
        shown = sorted(all_, key=lambda one: (-one.usage.usd - one.unproven, one.of))[:MOST_ROWS]
    heads = [head for head in ALWAYS if head not in THERE or any(map(THERE[head], shown))]
    body = [[*_words(by, one, names), *(ALWAYS[head](one) for head in heads)] for one in shown]
    lines = _aligned([[*by, *heads], *body], {*by, "calls ended"})
    if len(all_) > len(shown):
        rest = all_sum(all_).usage.usd - all_sum(shown).usage.usd
        lines.append(f"and {len(all_) - len(shown):,} rows more, for ${rest:.4f}")
    return lines


def all_sum(some: Sequence[Sum]) -> Sum:
    """Add sums up; percentiles do not add."""
    usage = sum((one.usage for one in some), Usage())
    calls, tries = sum(one.calls for one in some), sum(one.tries for one in some)
    return Sum((), calls, tries, usage, sum(one.unproven for one in some), {}, None, None)


def _words(by: Sequence[str], one: Sum, names: Mapping[str, str]) -> list[str]:
    """Return what a sum is of; where nobody knows, a dash."""
    of = [
        names.get(value, f"result {value.partition('/')[2]}") if name == "round" else value
        for name, value in zip(by, one.of, strict=True)
    ]
    return [value or "-" for value in of]


def _aligned(table: Sequence[Sequence[str]], left: set[str]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if head in left else cell.rjust(width)
            for cell, width, head in zip(row, widths, table[0], strict=True)
        ).rstrip()
        for row in table
    ]


def seconds(value: float | None) -> str:
    """Write seconds; a dash where nothing was timed."""
    return "-" if value is None else f"{value:.3f}" if value < 10 else f"{value:.0f}"


def of_run(account: Account, budget: float | None) -> str:
    """Say what a run has bought, and what is left of its budget."""
    bought = f"bought by this run: {money(account.spent, account.unproven)}"
    bought += reserved(account)
    if budget is None:
        return f"{bought}; it has no budget_usd"
    left = max(budget - account.counted, 0.0)
    return f"{bought}; of budget_usd ${budget:.2f}, ${left:.4f} is left"


def reserved(account: Account) -> str:
    """Say what calls hold that are in flight, and those whose process is gone; "" for neither."""
    alive, said = account.reserved - account.left - account.unused, ""
    if alive > 1e-9:
        said += f", ${alive:.4f} reserved for calls in flight"
    if account.left > 1e-9:
        said += (
            f", ${account.left:.4f} at most for calls whose process is gone (they may have been "
            "billed unseen: unproven from the next run on)"
        )
    if account.unused > 1e-9:
        said += f", ${account.unused:.4f} held for calls never sent (free from the next run on)"
    return said


def of_day(accounts: Sequence[Account], caps: Mapping[str, float | None], day: str) -> list[str]:
    """Say what was spent today, and what is left of limits by the day.

    Args:
        caps: dollars a day by who bills, of the services that the config names.
    """
    found = []
    for one in accounts:
        said = f"today ({day}, UTC) to {one.of}: {money(one.spent, one.unproven)}"
        said += reserved(one)
        cap = caps.get(one.of)
        if cap is not None:
            said += f"; of cap_usd_per_day ${cap:.2f}, ${max(cap - one.counted, 0.0):.4f} is left"
        found.append(said)
    return found


def of_others(others: Sequence[Answered]) -> list[str]:
    """Say where a model answered that was not asked."""
    return [
        f"look: asked {one.payee}, answered by {one.model} ({one.tries:,} tries)" for one in others
    ]


def of_batches(batches: Sequence[Batch]) -> list[str]:
    """Say which batches are open."""
    return [
        f"open batch {one.batch}: {one.service}, {one.stage} of run {one.run}, {one.state}, sent "
        f"{datetime.fromtimestamp(one.at, UTC):%Y-%m-%d %H:%M} UTC"
        for one in batches
    ]


def of_prices(prices: Sequence[Price]) -> list[str]:
    """Say at which prices tries were counted; each price as its config had it."""
    if not prices:
        return ["no try on record says the price that it was counted at"]
    lines = ["prices that tries were counted at, in dollars per million tokens:"]
    for one in prices:
        known = {key: value for key, value in sorted(one.said.items()) if value is not None}
        said = ", ".join(f"{key} {value}" for key, value in known.items())
        lines.append(f"  {one.name}: {said} ({one.tries:,} tries)")
    return lines
