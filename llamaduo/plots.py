"""Figures: rows in, a `Figure` out. Nothing is shown, and no pyplot state is touched.

Lines differ in dash and marker, not in colour alone, so that they survive a grey print.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from llamaduo.records import Measure, Projection, Round
from llamaduo.workload import Workload

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_DARK, _BRIGHT, _GREY = "#0b3d66", "#d9822b", "#6b6b6b"
_Dashes = str | tuple[int, tuple[int, ...]]
_STYLES: tuple[tuple[str, _Dashes], ...] = (
    ("#0b3d66", "-"),
    ("#d9822b", "--"),
    ("#1f8a70", "-."),
    ("#a83279", ":"),
    ("#4a90c2", (0, (7, 1, 1, 1, 1, 1))),
    ("#222222", (0, (2, 4))),
)
_NARROWEST = 1.0
"""Marks: below it a kernel would draw detail that a judge's whole marks do not have."""


def cost_lines(projection: Projection, workload: Workload) -> "Figure":
    """Draw what service and local model have cost so far: the paper's Figure 4.

    Both lines begin at month 0, with what the local model costs before it answers
    anything. The break-even is marked where it falls within the drawn months.
    """
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    figure, axes = _blank()
    months = (0, *projection.months)
    axes.plot(
        months,
        (0.0, *projection.service_usd),
        color=_BRIGHT,
        linestyle="--",
        marker="s",
        clip_on=False,
        label=workload.service_name,
    )
    axes.plot(
        months,
        (workload.once_usd, *projection.local_usd),
        color=_DARK,
        marker="o",
        clip_on=False,
        label=workload.local_name,
    )
    crossing = projection.break_even_month
    if crossing is not None and crossing <= months[-1]:
        dollars = crossing * workload.service_usd_per_month
        early = crossing < months[-1] / 2
        axes.axvline(crossing, color=_GREY, linewidth=1, linestyle=":")
        axes.plot(crossing, dollars, "o", markersize=11, markerfacecolor="none", color="black")
        axes.annotate(
            f"break-even\n{crossing:.2f} months, ${dollars:,.0f}",
            (crossing, 0.97),
            xycoords=("data", "axes fraction"),
            xytext=(8 if early else -8, 0),
            textcoords="offset points",
            ha="left" if early else "right",
            va="top",
            backgroundcolor="white",
        )
    axes.set_title(_cost_finding(projection, workload), fontsize=11)
    axes.set_xlabel("months since the purchase")
    axes.set_ylabel("spent so far, US dollars")
    axes.set_xlim(left=0)
    axes.set_ylim(0, 1.12 * max(*projection.service_usd, *projection.local_usd, 1.0))
    axes.xaxis.set_major_locator(MaxNLocator(nbins=13, integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda usd, _: f"${usd:,.0f}"))
    _legend(figure)
    return figure


def _cost_finding(projection: Projection, workload: Workload) -> str:
    """Say what the two lines come to."""
    local, service = workload.local_name, workload.service_name
    crossing = projection.break_even_month
    if crossing is None:
        finding = f"{local} never pays for itself"
    elif crossing > projection.months[-1]:
        finding = f"{local} pays for itself only after {crossing:,.1f} months"
    else:
        finding = f"{local} is cheaper than {service} after {crossing:.2f} months"
    return f"{finding} ({workload.name} workload)"


def coverage_by_round(rounds: Sequence[Round], goal: float) -> "Figure":
    """Draw the share of prompts handled after each round, with its interval.

    Args:
        rounds: in the order to draw; one without a judged prompt keeps its place, empty.
        goal: %, 0..100.
    """
    figure, axes = _blank(width=max(7.0, 0.9 * len(rounds)))
    measures = [turn.assessment.coverage for turn in rounds]
    axes.axhline(goal, color=_BRIGHT, linestyle="--", label=f"goal: {goal:g} %")
    counts = sorted({m.n for m in measures if m.value is not None})
    if counts:
        value, low, high = np.array([_interval(m) for m in measures]).T
        prompts = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
        axes.errorbar(
            np.arange(len(rounds)),
            value,
            yerr=np.clip([value - low, high - value], 0, None),
            color=_DARK,
            marker="o",
            capsize=4,
            label=f"coverage with 95 % interval, n = {prompts} prompts",
        )
    for at, measure in enumerate(measures):
        if measure.value is None:
            axes.annotate("none judged", (at, 2), ha="center", color=_GREY)
    axes.set_title(_coverage_finding(rounds, goal), fontsize=11)
    axes.set_xticks(
        range(len(rounds)), [f"round {turn.number}\n{turn.train_rows:,} rows" for turn in rounds]
    )
    axes.set_xlim(-0.5, max(len(rounds), 1) - 0.5)
    axes.set_xlabel("round, and the rows it was tuned on")
    axes.set_ylabel("coverage, % of judged prompts")
    axes.set_ylim(0, 102)
    _legend(figure)
    return figure


def _interval(measure: Measure) -> tuple[float, float, float]:
    """Return value, low and high; NaN, which breaks a line, where there is no value."""
    value = float("nan") if measure.value is None else measure.value
    low = value if measure.low is None else measure.low
    high = value if measure.high is None else measure.high
    return value, low, high


def _coverage_finding(rounds: Sequence[Round], goal: float) -> str:
    """Say where the last judged round stands; whether that is enough is the decision's to say."""
    for turn in reversed(rounds):
        value = turn.assessment.coverage.value
        if value is not None:
            return f"Coverage is {value:.1f} % after round {turn.number}; the goal is {goal:g} %"
    return "No round has a judged prompt"


def score_density(scores: Mapping[str, Sequence[float]], *, title: str, label: str) -> "Figure":
    """Draw how a judge's marks are spread, one curve a name.

    The density is a Gaussian kernel estimate with Silverman's bandwidth, reflected at 0
    and 100 so that each curve holds all of its answers between the two. A name with one
    mark, or all marks the same, has no spread to estimate: it is drawn as a pin, whose
    height means nothing.

    Args:
        scores: marks by name, e.g. by round, each 0..100; drawn in the given order.
        title: what the figure shows.
        label: of the horizontal axis, e.g. `similarity, 0 to 100`.

    Raises:
        ValueError: for a mark outside 0..100.
    """
    figure, axes = _blank()
    grid = np.linspace(0.0, 100.0, 501)
    for at, (name, marks) in enumerate(scores.items()):
        values = np.asarray(marks, dtype=float)
        if not np.all((values >= 0) & (values <= 100)):
            raise ValueError(f"{name}: a mark is not in 0..100")
        color, dashes = _STYLES[at % len(_STYLES)]
        if len(values) > 1 and np.ptp(values) > 0:
            share = 100 * reflected_density(values, grid)
            axes.plot(
                grid,
                share,
                color=color,
                linestyle=dashes,
                linewidth=2,
                label=f"{name} (n = {len(values)})",
            )
        else:
            pinned = values[:1]
            alike = f", all {values[0]:g}" if len(values) > 1 else ""
            axes.plot(
                np.repeat(pinned, 2),
                [0, 0.25 + 0.1 * (at % len(_STYLES))][: 2 * len(pinned)],
                color=color,
                linestyle=dashes,
                linewidth=2,
                marker="v",
                markevery=[1] if len(pinned) else None,
                transform=axes.get_xaxis_transform(),
                label=f"{name} (n = {len(values)}{alike})",
            )
    axes.set_title(title, fontsize=11)
    axes.set_xlabel(label)
    axes.set_ylabel("% of prompts per mark")
    axes.set_xlim(-1, 101)
    axes.set_ylim(bottom=0)
    _legend(figure)
    return figure


def reflected_density(
    values: npt.NDArray[np.float64], grid: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Estimate the density of `values` on 0..100, where it integrates to 1.

    Silverman's rule of thumb, 0.9 min(s, IQR / 1.34) n^(-1/5) (Density Estimation, 1986,
    eq. 3.31), at least one mark; each kernel's tails are folded back at 0 and 100.

    Args:
        values: shape (n,), each 0..100, n of 2 or more and not all the same.
        grid: shape (g,), where to estimate, each 0..100.

    Returns:
        Shape (g,), the density per mark.
    """
    spread = float(np.std(values, ddof=1))
    quarters = float(np.subtract(*np.percentile(values, [75, 25]))) / 1.34
    narrow = min(spread, quarters) if quarters > 0 else spread
    width = max(0.9 * narrow * len(values) ** -0.2, _NARROWEST)
    mirrored = np.concatenate([values, -values, 200 - values])
    kernels = np.exp(-0.5 * ((grid[:, None] - mirrored[None, :]) / width) ** 2)
    density: npt.NDArray[np.float64] = kernels.sum(axis=1) / (
        len(values) * width * np.sqrt(2 * np.pi)
    )
    return density


def save(figure: "Figure", path: Path) -> None:
    """Write `figure` as PNG; the same figure gives the same bytes."""
    figure.savefig(path, format="png", dpi=150, metadata={"Software": None})


def _blank(width: float = 7.0) -> "tuple[Figure, Axes]":
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#dddddd", linewidth=0.8)
    axes.set_axisbelow(True)
    return figure, axes


def _legend(figure: "Figure") -> None:
    handles, _ = figure.axes[0].get_legend_handles_labels()
    if handles:
        figure.legend(
            loc="outside lower center", ncols=min(len(handles), 3), frameon=False, handlelength=3
        )
