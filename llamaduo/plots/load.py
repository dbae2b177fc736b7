"""p95 and throughput over the rate at which requests come in, with the knee."""

from typing import TYPE_CHECKING

from llamaduo.loads import Load
from llamaduo.plots.style import BRIGHT, DARK, GREY, blank, legend

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def load_by_rate(load: Load) -> "Figure":
    """Draw p95 of the whole answer on the left, tokens written a second on the right."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

    figure, axes = blank()
    answered = [(one.rate, one.whole) for one in load.rates if one.whole is not None]
    rates = [rate for rate, _ in answered]
    for label, marker, dashes, values in (
        ("p95", "o", "-", [whole.p95 for _, whole in answered]),
        ("p50", "o", ":", [whole.p50 for _, whole in answered]),
    ):
        axes.plot(
            rates,
            [v / 1000 for v in values],
            color=DARK,
            linestyle=dashes,
            marker=marker,
            linewidth=2,
            label=f"{label} of a whole answer, s",
        )
    if load.limit_ms is not None:
        axes.axhline(
            load.limit_ms / 1000,
            color=GREY,
            linestyle="-.",
            linewidth=1,
            label=f"p95 to keep: {load.limit_ms / 1000:.3g} s",
        )
    other = axes.twinx()
    other.spines["top"].set_visible(False)
    [line] = other.plot(
        [one.rate for one in load.rates],
        [one.output_tokens_per_s for one in load.rates],
        color=BRIGHT,
        linestyle="--",
        marker="s",
        linewidth=2,
    )
    axes.plot([], [], color=BRIGHT, linestyle="--", marker="s", label="tokens written a second")
    knee = load.knee
    if knee is not None:
        axes.axvline(knee.rate, color=GREY, linestyle=":", linewidth=1.5)
        axes.annotate(
            f" knee: {knee.rate:g}/s",
            (knee.rate, 1),
            xycoords=("data", "axes fraction"),
            va="top",
            color=GREY,
        )
    axes.set_xscale("log", base=2)
    axes.set_xticks([one.rate for one in load.rates])
    axes.xaxis.set_major_formatter(FuncFormatter(lambda at, _: f"{at:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_ylim(bottom=0)
    other.set_ylim(bottom=0)
    axes.set_xlabel("requests a second that come in")
    axes.set_ylabel("seconds")
    other.set_ylabel("tokens a second", color=line.get_color())
    counts = sorted({whole.n for _, whole in answered}) or [0]
    n = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    axes.set_title(
        f"{load.model} version {load.number}, {load.engine}, n = {n} answers a rate", fontsize=11
    )
    legend(figure, columns=2)
    return figure
