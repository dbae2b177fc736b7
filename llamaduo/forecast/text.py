"""A forecast for a terminal: calls, tokens and dollars by stage, and what they rest on."""

from collections.abc import Callable, Sequence

from llamaduo.forecast.figures import Forecast, Line, Price, Range, summed
from llamaduo.forecast.held import dollars

COLUMNS = (
    "least    the goal is met in the first round, every repeat is spared that can be, all "
    "answers to a prompt are equal (equal ones are one call), texts are short",
    "likely   from the goal met in the first round to every round run; texts as long as such "
    "texts are, answers equal and repeats spared as can be expected",
    "at most  every round and repeat, no two answers equal, every text as long as it may be: "
    "what a budget reserves, call by call; tries that are billed unseen come on top",
)


def table(forecast: Forecast) -> str:
    """Lay a forecast out for a terminal, without a trailing newline."""
    rows = [*grouped(forecast.lines), forecast.total()]
    lines = [
        f"run {forecast.run}: what it would ask and pay, from its beginning; nobody was asked",
        *(f"{one.service} is simulated: play money" for one in forecast.prices if one.simulated),
        "",
        *_columns([_head("calls", "dollars"), *(_money(row) for row in rows)]),
        "",
        *_columns([_head("tokens in", "tokens out"), *(_tokens(row) for row in rows)]),
        "",
        *COLUMNS,
        "",
        _bought(forecast),
        *forecast.held,
        "",
        "What it rests on",
        *(f"  {_of_service(forecast, one)}" for one in forecast.prices),
        *(f"  {said}" for said in forecast.assumed),
    ]
    return "\n".join(lines)


def grouped(lines: Sequence[Line]) -> list[Line]:
    """Return a line for each stage: of all its rounds and services together."""
    found: dict[str, list[Line]] = {}
    for line in lines:
        found.setdefault(line.name, []).append(line)
    made = []
    for name, of in found.items():
        rounds = [line.round for line in of if line.round is not None]
        made.append(summed([line.counted() for line in of], f"{name}{_rounds(rounds)}"))
    return made


def _rounds(numbers: Sequence[int]) -> str:
    if not numbers:
        return ""
    first, last = min(numbers), max(numbers)
    return f", round {first}" if first == last else f", rounds {first} to {last}"


def _of_service(forecast: Forecast, price: Price) -> str:
    """Say what one service is asked and paid, and at which price."""
    own = [line.counted() for line in forecast.lines if line.service == price.service]
    usd = _ends(summed(own, "").usd, dollars)[1]
    return f"{price.service}: {usd} likely; {price.says}"


def _bought(forecast: Forecast) -> str:
    if not (forecast.bought or forecast.spent or forecast.unproven):
        return "bought so far: nothing"
    rest = "of what stands above they are not asked again"
    if forecast.ended:
        rest = "it has come to its end, and asks nothing more unless something is changed"
    paid = f"{forecast.bought:,} calls for {dollars(forecast.spent)}"
    if forecast.unproven:
        paid += f" (and {dollars(forecast.unproven)} at most, unseen)"
    return f"bought so far by this run: {paid}; {rest}"


def _head(one: str, two: str) -> tuple[str, ...]:
    ends = ("least", "likely", "at most")
    return ("", f"{one}: least", *ends[1:], f"{two}: least", *ends[1:])


def _money(line: Line) -> tuple[str, ...]:
    return (line.name, *_ends(line.calls, count), *_ends(line.usd, dollars))


def _tokens(line: Line) -> tuple[str, ...]:
    return (line.name, *_ends(line.prompt_tokens, count), *_ends(line.completion_tokens, count))


def _ends(figure: Range, write: Callable[[float], str]) -> tuple[str, str, str]:
    low, high = write(figure.low), write(figure.high)
    likely = low if low == high else f"{low} to {high}"
    return write(figure.least), likely, write(figure.most)


def count(number: float) -> str:
    """Write a number of calls or tokens: three digits of what is large."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if number >= size:
            unit = 1e3 if letter == "k" else size
            return f"{number / unit:.3g}{letter}"
    return f"{number:,.0f}"


def _columns(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Align the first column left and the others right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if i else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
