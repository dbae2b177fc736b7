"""Money over months."""

from typing import TYPE_CHECKING

from llamaduo.findings import Projection
from llamaduo.plots.style import BRIGHT, DARK, GREY, blank, legend
from llamaduo.workload import Workload

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def cost_lines(projection: Projection, workload: Workload) -> "Figure":
    """Draw what service and local model have cost so far: the paper's Figure 4.

    Both lines begin at month 0, with what the local model costs before it answers
    anything. The break-even is marked where it falls within the drawn months.
    """
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    figure, axes = blank()
    months = (0, *projection.months)
    axes.plot(
        months,
        (0.0, *projection.service_usd),
        color=BRIGHT,
        linestyle="--",
        marker="s",
        clip_on=False,
        label=workload.service_name,
    )
    axes.plot(
        months,
        (workload.once_usd, *projection.local_usd),
        color=DARK,
        marker="o",
        clip_on=False,
        label=workload.local_name,
    )
    crossing = projection.break_even_month
    if crossing is not None and crossing <= months[-1]:
        dollars = crossing * workload.service_usd_per_month
        early = crossing < months[-1] / 2
        axes.axvline(crossing, color=GREY, linewidth=1, linestyle=":")
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
    legend(figure)
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
