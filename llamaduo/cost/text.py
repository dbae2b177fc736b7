"""A projection for a terminal: totals, break-evens, and every assumption behind them."""

from collections.abc import Callable, Sequence

from llamaduo.cost import million
from llamaduo.cost.assumptions import assumptions
from llamaduo.cost.paper import against_print
from llamaduo.cost.words import millions, months, number, percent, servers, usd
from llamaduo.projection import LocalLine, Pair, Projection, ServiceLine, Spread
from llamaduo.workload import Workload
from llamaduo.workload.ranges import likely


def table(workload: Workload, projection: Projection) -> str:
    """Lay a projection out for a terminal: ASCII, whole dollars, no trailing newline.

    Args:
        workload: what `projection` was made from; its assumptions are printed below.
        projection: one row of totals is printed for each of its months.
    """
    lines = [
        f"{workload.name} workload: {_names(projection.locals)} against "
        f"{_names(projection.services)}",
        "",
        *_columns([*_costs(workload, projection), *_totals(projection)]),
        "",
        *_break_evens(workload, projection),
        "",
        *million.lines(workload),
        *_tornado(projection),
        "Assumptions",
        *(f"  {line}" for line in assumptions(workload, projection)),
    ]
    differences = against_print(workload)
    if differences:
        lines += ["", "Where the paper has another figure", *(f"  {d}" for d in differences)]
    return "\n".join(lines)


def _names(lines: Sequence[LocalLine | ServiceLine]) -> str:
    return ", ".join(line.name for line in lines)


def _costs(workload: Workload, projection: Projection) -> list[tuple[str, ...]]:
    """Return what is paid, a row each; without the rows of which nothing is."""
    ours, theirs = projection.locals, projection.services
    first = "in the first month" if workload.growth_per_month != 0.0 else "a month"
    days = likely(workload.days_per_month)
    tokens = (
        f"{millions(likely(workload.input_tokens_per_day) * days)} in, "
        f"{millions(likely(workload.output_tokens_per_day) * days)} out"
    )
    on = servers(ours[0].servers[0]) if len(ours) == 1 else "servers"
    kwh = f" ({ours[0].kwh:,.0f} kWh)" if len(ours) == 1 else ""

    def local(name: str, cost: Callable[[LocalLine], float]) -> list[tuple[str, ...]]:
        costs = [cost(line) for line in ours]
        shown = [usd(one) for one in costs]
        return [(name, *shown, *("-" for _ in theirs), "")] if any(costs) else []

    rows = [
        ("", *(line.name for line in (*ours, *theirs)), _saved_head(projection)),
        *(local("migration, once", lambda line: line.migration_usd)),
        *(local("fine-tuning, once", lambda line: line.tuning_usd)),
        *(local(f"{on}, once", lambda line: line.hardware_usd)),
        *(local(f"rent of {on}, {first}", lambda line: line.rent_usd)),
        *(local(f"electricity, {first}{kwh}", lambda line: line.electricity_usd)),
        *(local(f"tokens that stay, {first}", lambda line: line.escalated_usd)),
        (
            f"tokens, {first} ({tokens})",
            *("-" for _ in ours),
            *(usd(line.tokens_usd) for line in theirs),
            "",
        ),
    ]
    return [*rows, tuple("" for _ in rows[0])]


def _saved_head(projection: Projection) -> str:
    return "saved" if len(projection.pairs) == 1 else ""


def _totals(projection: Projection) -> list[tuple[str, ...]]:
    lines = (*projection.locals, *projection.services)
    one = len(projection.pairs) == 1
    rows = []
    for i, month in enumerate(projection.months):
        so_far = [line.usd[i] for line in lines]
        saved = usd(so_far[1] - so_far[0]) if one else ""
        rows.append((f"total, {months(month)}", *map(usd, so_far), saved))
    return rows


def _break_evens(workload: Workload, projection: Projection) -> list[str]:
    """Say for each pair when it breaks even and what it saves, and how sure that is."""
    last = projection.months[-1]
    pairs = projection.pairs
    if len(pairs) == 1:
        lines = [
            f"break-even: {_break_even(pairs[0], workload, projection)}",
            *_spreads(pairs[0], last),
        ]
    else:
        lines = []
        for pair in pairs:
            when = _break_even(pair, workload, projection)
            lines += [
                f"break-even: {pair.local} against {pair.service}: {when}; "
                f"{_saved(pair.saved_usd)} by month {last}",
                *_spreads(pair, last),
            ]
    if not any(pair.break_even for pair in pairs):
        lines.append(
            "  a point and no interval: no input is given as a range, such as "
            "usd_per_kwh: [0.15, 0.30]"
        )
    return lines


def _break_even(pair: Pair, workload: Workload, projection: Projection) -> str:
    local = next(line for line in projection.locals if line.name == pair.local)
    service = next(line for line in projection.services if line.name == pair.service)
    if pair.break_even_month is not None:
        said = f"{pair.break_even_month:,.2f} months"
        past = pair.break_even_month > projection.months[-1]
        return said + (", past the last one shown" if past else "")
    runs = local.electricity_usd + local.rent_usd + local.escalated_usd
    if workload.growth_per_month == 0.0 and runs >= service.tokens_usd:
        what = "rent" if local.rent_usd else "electricity"
        what += " and tokens that stay" if local.escalated_usd else ""
        return (
            f"never; a month of {what} is {usd(runs)}, of {service.name} {usd(service.tokens_usd)}"
        )
    return f"not within {months(projection.months[-1])}"


def _spreads(pair: Pair, last: int) -> list[str]:
    if pair.break_even is None or pair.saved is None:
        return []
    saved = pair.saved
    assert saved.low is not None and saved.high is not None  # a saving always comes
    lines = [
        f"in 90 % of {pair.break_even.draws:,} draws of the ranges: "
        f"{_interval(pair.break_even, last)}",
        f"not within {months(last)}: in {percent(pair.break_even.never)} of them",
        f"saved by month {last}, in 90 % of them: {usd(saved.low)} to {usd(saved.high)}",
    ]
    return [f"  {line}" for line in lines]


def _interval(spread: Spread, last: int) -> str:
    if spread.low is None:
        return f"not within {months(last)}"
    if spread.high is None:
        return f"{spread.low:,.2f} months to later than month {last}"
    return f"{spread.low:,.2f} to {spread.high:,.2f} months"


def _saved(dollars: float) -> str:
    return f"{usd(dollars)} saved" if dollars >= 0 else f"{usd(-dollars)} more spent"


def _tornado(projection: Projection) -> list[str]:
    if not projection.tornado:
        return []
    last = projection.months[-1]
    rows = [
        (
            swing.key,
            f"{number(swing.low)} to {number(swing.high)}",
            usd(swing.saved_at_low),
            usd(swing.saved_at_high),
        )
        for swing in projection.tornado
    ]
    head = ("what it hangs on", "range", "saved at low", "at high")
    pair = projection.pairs[0]
    note = (
        f"saved by month {last} by {pair.local} against {pair.service}, one input moved at a time"
    )
    return [*_columns([head, *rows]), note, ""]


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
