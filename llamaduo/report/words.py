"""Figures in words, and tables in Markdown."""

from collections.abc import Sequence

from llamaduo.findings import Decision, Measure, Result


def with_interval(measure: Measure, places: int = 1) -> str:
    """Write a value with its interval: `73.6 (67.3 to 79.1)`; `-` where there is none."""
    if measure.value is None:
        return "-"
    return f"{measure.value:.{places}f} ({measure.low:.{places}f} to {measure.high:.{places}f})"


def signed(measure: Measure) -> str:
    """Write a difference with its interval: `+3.2 (-1.0 to +7.4)`."""
    if measure.value is None:
        return "-"
    return f"{measure.value:+.1f} ({measure.low:+.1f} to {measure.high:+.1f})"


def goal(decision: Decision) -> str:
    """Say what the verdict hangs on: `goal 60 %`, or `goal at most 5 points under the service`."""
    if decision.beside:
        return f"goal at most {-decision.goal:g} points under the service"
    return f"goal {decision.goal:g} %"


def mark(value: float | None) -> str:
    """Write a mark, or `-`."""
    return "-" if value is None else f"{value:.1f}"


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table; a cell's own bars are kept from parting it."""
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]


def aligned(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table for a terminal, aligned to the right."""
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    return [
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        for row in (head, *rows)
    ]


def untold(result: Result) -> str:
    """Say why a run has no figures on the test: the budget ended before it, or within it."""
    if result.steered_on == "test":
        return "No verdict was given on the test, which steered too: the budget ended before it."
    if result.stopped == "budget":
        return "The sealed test was not opened."
    return (
        "The sealed test was not judged to its end: the budget ended before, and no figure on it "
        "is known."
    )


def the_test(result: Result) -> str:
    """Say whether the test had no say before: the interval holds for such a test only."""
    return "the sealed test" if result.steered_on == "dev" else "the test, which steered too"
