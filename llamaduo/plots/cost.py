"""Money over months, and what the saving hangs on."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from llamaduo.plots.style import BRIGHT, DARK, GREY, Dashes, blank, legend
from llamaduo.projection import Line, Pair, Projection
from llamaduo.workload import Workload

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SERVICES: tuple[tuple[str, Dashes], ...] = (
    (BRIGHT, "--"),
    ("#a83279", ":"),
    ("#1f8a70", "-."),
    ("#222222", (0, (2, 4))),
)
"""Colour and dash of the services in turn; all broken."""
LOCALS: tuple[tuple[str, float], ...] = ((DARK, 2.0), ("#4a90c2", 1.2), ("#444444", 1.6))
"""Colour and width of the local models in turn; all unbroken."""
THEIR_MARKERS, OUR_MARKERS = "sD^v<>p8d", "ox+*P1"
"""A marker of its own for each service and each local model that a workload can have."""
BOX = {"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 1.5}


def cost_lines(projection: Projection, workload: Workload) -> "Figure":
    """Draw what services and local models have cost so far: the paper's Figure 4.

    Local models are unbroken lines and begin with what they cost before they answer anything;
    services are dashed and begin at nothing. Marked is the first local model against the
    first service: A is what is laid out before the first answer, B the break-even (with a
    grey band over 90 % of draws, if there are ranges), C the gap at the last month.
    """
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    figure, axes = blank(width=7.5)
    pair = projection.pairs[0]
    last = projection.months[-1]
    style: dict[str, object]
    for i, service in enumerate(projection.services):
        color, dash = SERVICES[i % len(SERVICES)]
        style = {"color": color, "linestyle": dash, "marker": THEIR_MARKERS[i]}
        _line(axes, service, projection.months, **style)
    for i, local in enumerate(projection.locals):
        color, width = LOCALS[i % len(LOCALS)]
        style = {"color": color, "linewidth": width, "marker": OUR_MARKERS[i]}
        _line(axes, local, projection.months, **style)
    top = 1.12 * max(1.0, *(usd for _, usd in _corners(projection)))
    axes.set_xlim(0, last * 1.02)
    axes.set_ylim(0, top)
    _band(axes, pair, last)
    _mark(axes, projection, top)
    axes.set_title(_cost_finding(projection, workload), fontsize=11)
    axes.set_xlabel("months since the purchase")
    axes.set_ylabel("spent so far, US dollars")
    axes.xaxis.set_major_locator(MaxNLocator(nbins=13, integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda usd, _: _usd(usd)))
    legend(figure)
    return figure


def cost_tornado(projection: Projection, workload: Workload) -> "Figure":
    """Draw what each input's range does to the saving by the last month, the largest on top.

    Dark is what the low end of the input comes to, hatched the high end.

    Raises:
        ValueError: no input is a range.
    """
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    if not projection.tornado:
        raise ValueError("no input is a range: there is nothing for a tornado to show")
    swings = projection.tornado[::-1]
    pair = projection.pairs[0]
    figure, axes = blank(width=8.0)
    figure.set_size_inches(8.0, 1.8 + 0.42 * len(swings))
    rows = range(len(swings))
    for name, values, color, hatch in (
        ("low end", [s.saved_at_low for s in swings], DARK, ""),
        ("high end", [s.saved_at_high for s in swings], "#f2c48d", "///"),
    ):
        axes.barh(
            rows,
            [value - pair.saved_usd for value in values],
            left=pair.saved_usd,
            height=0.6,
            color=color,
            edgecolor="black",
            linewidth=0.6,
            hatch=hatch,
            label=f"input at the {name} of its range",
        )
    _bar_ends(axes, projection)
    axes.axvline(pair.saved_usd, color="black", linewidth=1)
    if axes.get_xlim()[0] < 0 < axes.get_xlim()[1]:
        axes.axvline(0, color=GREY, linewidth=1, linestyle=":")
    axes.set_yticks(rows, [f"{s.key}\n{s.low:,.10g} to {s.high:,.10g}" for s in swings], fontsize=8)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", visible=False)
    axes.set_title(
        f"What the saving of {pair.local} over {pair.service} hangs on\n"
        f"(line: {_usd(pair.saved_usd)} at likely values, {workload.name} workload)",
        fontsize=11,
    )
    axes.set_xlabel(f"saved by month {projection.months[-1]}, US dollars")
    axes.xaxis.set_major_locator(MaxNLocator(nbins=7))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda usd, _: _usd(usd)))
    legend(figure)
    return figure


def _bar_ends(axes: "Axes", projection: Projection) -> None:
    """Write the dollars at both ends of each bar, and leave them room."""
    middle = projection.pairs[0].saved_usd
    ends = [middle]
    for row, swing in enumerate(projection.tornado[::-1]):
        low, high = sorted((swing.saved_at_low, swing.saved_at_high))
        ends += [low, high]
        for value, offset, side in ((low, -4, "right"), (high, 4, "left")):
            axes.annotate(
                _usd(value),
                (value, row),
                xytext=(offset, 0),
                textcoords="offset points",
                ha=side,
                va="center",
                fontsize=8,
            )
    room = 0.14 * (max(ends) - min(ends)) or 1.0
    axes.set_xlim(min(ends) - room, max(ends) + room)


def _corners(projection: Projection) -> list[tuple[float, float]]:
    return [corner for line in (*projection.locals, *projection.services) for corner in line.path]


def _line(axes: "Axes", line: Line, months: Sequence[int], **style: object) -> None:
    """Draw a line through all its corners, with a marker where a month of the table ends."""
    ends = {month: i for i, (month, _) in reversed(list(enumerate(line.path)))}
    axes.plot(
        [month for month, _ in line.path],
        [usd for _, usd in line.path],
        clip_on=False,
        label=line.name,
        markevery=[0, *(ends[month] for month in months)],
        **style,  # type: ignore[arg-type]
    )


def _band(axes: "Axes", pair: Pair, last: int) -> None:
    """Shade where the break-even lies in 90 % of draws."""
    if pair.break_even is None or pair.break_even.low is None:
        return
    high = pair.break_even.high
    said = f"{pair.break_even.low:.1f} to " + (f"{high:.1f}" if high is not None else "later")
    axes.axvspan(
        pair.break_even.low,
        last * 1.02 if high is None else high,
        color="#e4e4e4",
        zorder=0,
        label=f"B in 90 % of draws: {said} months",
    )


def _mark(axes: "Axes", projection: Projection, top: float) -> None:
    """Put A, B and C where they are, each with its dollars."""
    pair, last = projection.pairs[0], projection.months[-1]
    once = projection.locals[0].once_usd
    _point(axes, (0.0, once))
    away = 0.16 * top if once < 0.7 * top else -0.2 * top
    axes.annotate(
        f"A  {_usd(once)}\nbefore the\nfirst answer",
        (0.0, once),
        xytext=(0.02 * last, once + away),
        ha="left",
        va="bottom" if away > 0 else "top",
        bbox=BOX,
        arrowprops={"arrowstyle": "-", "color": GREY, "linewidth": 0.8, "shrinkB": 6},
    )
    month, usd = pair.break_even_month, pair.break_even_usd
    if month is not None and usd is not None:
        axes.axvline(month, color=GREY, linewidth=1, linestyle=":")
        _point(axes, (month, usd))
        early = month < last / 2
        text = f"B  break-even\n{month:.2f} months, {_usd(usd)}"
        axes.annotate(
            text,
            (month, 0.97),
            xycoords=("data", "axes fraction"),
            xytext=(8 if early else -8, 0),
            textcoords="offset points",
            ha="left" if early else "right",
            va="top",
            bbox=BOX,
        )
    ours, theirs = projection.local_usd[-1], projection.service_usd[-1]
    if abs(theirs - ours) > 0.02 * top:
        axes.annotate(
            "",
            (last, theirs),
            xytext=(last, ours),
            arrowprops={"arrowstyle": "<->", "color": "black", "linewidth": 1.2},
        )
    word = "saved" if pair.saved_usd >= 0 else "more spent"
    text = f"C  {_usd(abs(pair.saved_usd))} {word}\nby month {last}"
    lower = min(ours, theirs) + 0.35 * abs(theirs - ours)
    axes.annotate(
        text,
        (last, lower),
        xytext=(-12, 0),
        textcoords="offset points",
        ha="right",
        va="center",
        bbox=BOX,
    )


def _point(axes: "Axes", at: tuple[float, float]) -> None:
    axes.plot(*at, "o", markersize=11, markerfacecolor="none", color="black", clip_on=False)


def _usd(amount: float) -> str:
    whole = round(amount)
    return f"-${-whole:,}" if whole < 0 else f"${whole:,}"


def _cost_finding(projection: Projection, workload: Workload) -> str:
    """Say what the first two lines come to, and which other services are cheaper still."""
    local, service = workload.local_name, workload.service_name
    pair, last = projection.pairs[0], projection.months[-1]
    crossing = pair.break_even_month
    if crossing is None and _goes_on(workload):
        finding = f"{local} does not pay for itself within {last} months"
    elif crossing is None:
        finding = f"{local} never pays for itself"
    elif crossing > last:
        finding = f"{local} pays for itself only after {crossing:,.1f} months"
    else:
        finding = f"{local} is cheaper than {service} after {crossing:.2f} months"
    return f"{finding}{_still_cheaper(projection)} ({workload.name} workload)"


def _still_cheaper(projection: Projection) -> str:
    """Name the further services that have cost less than the first local model at the end."""
    ours, last = projection.local_usd[-1], projection.months[-1]
    names = [line.name for line in projection.services[1:] if line.usd[-1] < ours]
    if not names:
        return ""
    who = " and ".join(names) if len(names) < 3 else f"{len(names)} other services"
    return f";\n{who} {'stays' if len(names) == 1 else 'stay'} cheaper to month {last}"


def _goes_on(workload: Workload) -> bool:
    """Whether later months may cost something else, so that there is no `never`."""
    return workload.growth_per_month != 0.0 or workload.retune_every_months is not None
