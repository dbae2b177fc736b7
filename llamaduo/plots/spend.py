"""What coverage was had for how many dollars."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from llamaduo.findings import Round
from llamaduo.plots.style import GREY, STYLES, blank, legend

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MARKERS = "osD^vP"


def score_against_dollars(
    runs: Mapping[str, Sequence[Round]], goal: float | None, *, part: str
) -> "Figure":
    """Draw the coverage after each round against the service dollars spent up to its end.

    Each run is a line through its rounds, with the 95 % interval of each. Dollars are at the
    price when each call was first bought, also where another run had paid for it. What comes
    after the rounds, the sealed test, the baselines and the audit, is not in them; the axis says
    so.

    Args:
        runs: rounds by what the legend calls the run; a round without a judged prompt is left
            out.
        goal: %, 0..100; None where the runs have not the same.
        part: of the split, whose prompts the rounds were judged on, e.g. `dev`.
    """
    from matplotlib.ticker import FuncFormatter

    figure, axes = blank()
    if goal is not None:
        axes.axhline(goal, color=GREY, linestyle="--", linewidth=1.2)
        axes.annotate(
            f"goal: {goal:g} %",
            (0, goal),
            xycoords=("axes fraction", "data"),
            xytext=(4, 3),
            textcoords="offset points",
            ha="left",
            color=GREY,
        )
    most = 0.0
    for at, (name, rounds) in enumerate(runs.items()):
        color, dashes = STYLES[at % len(STYLES)]
        judged = [r for r in rounds if r.assessment.coverage.value is not None]
        if not judged:
            continue
        measures = [r.assessment.coverage for r in judged]
        value = [m.value or 0.0 for m in measures]
        below = [v - (m.low or 0.0) for v, m in zip(value, measures, strict=True)]
        above = [
            (100.0 if m.high is None else m.high) - v for v, m in zip(value, measures, strict=True)
        ]
        usd = [r.usd for r in judged]
        most = max(most, *usd)
        axes.errorbar(
            usd,
            value,
            yerr=[below, above],
            color=color,
            linestyle=dashes,
            linewidth=2,
            elinewidth=1,
            marker=MARKERS[at % len(MARKERS)],
            capsize=3,
            label=f"{name} (n = {_counts([m.n for m in measures])})",
        )
    axes.set_title("Coverage with its 95 % interval, against what it cost", fontsize=11)
    after = "the baselines and the audit of the judge are not in them"
    after = after if part == "test" else f"the sealed test, {after}"
    axes.set_xlabel(f"service dollars up to the end of the round\n({after})")
    axes.set_ylabel(f"coverage, % of judged {part} prompts")
    axes.set_ylim(-2, 102)
    axes.set_xlim(0, 1.08 * most or 1)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda usd, _: f"${usd:,.4g}"))
    legend(figure, columns=1)
    return figure


def _counts(counts: Sequence[int]) -> str:
    """Say how many prompts the rounds rest on, where they differ from the least to the most."""
    least, most = min(counts), max(counts)
    return f"{least}" if least == most else f"{least} to {most}"
