"""Dollars, tokens and months as people write them."""

from collections.abc import Callable

from llamaduo.workload.ranges import Range


def usd(amount: float) -> str:
    """Write dollars without cents."""
    whole = round(amount)
    return f"-${-whole:,}" if whole < 0 else f"${whole:,}"


def rate(dollars: float) -> str:
    """Write a price with its cents, and with what is finer than a cent where there is any."""
    return f"${dollars:.2f}" if dollars == round(dollars, 2) else f"${dollars:g}"


def number(value: float) -> str:
    """Write a number with thousands parted, and no more digits than it has."""
    return f"{value:,.10g}"


def percent(share: float) -> str:
    """Write a share of 1 in %."""
    return f"{100 * share:.4g} %"


def millions(tokens: float) -> str:
    """Write tokens in millions."""
    return f"{tokens / 1e6:,.10g}M"


def months(count: float) -> str:
    """Write a whole or broken number of months."""
    return "1 month" if count == 1 else f"{count:g} months"


def servers(count: int) -> str:
    """Write how many servers."""
    return "1 server" if count == 1 else f"{count:,} servers"


def ranged(amount: float | Range, write: Callable[[float], str] = number) -> str:
    """Write a number, or the ends of a range with its likely value."""
    if isinstance(amount, Range):
        return f"{write(amount.low)} to {write(amount.high)} (likely {write(amount.likely)})"
    return write(amount)
