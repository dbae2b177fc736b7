"""Coverage from round to round."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from llamaduo.findings import Measure, Round
from llamaduo.plots.style import BRIGHT, DARK, GREY, blank, legend

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def coverage_by_round(rounds: Sequence[Round], goal: float, *, part: str) -> "Figure":
    """Draw the share of prompts handled after each round, with its interval.

    Args:
        rounds: in the order to draw; one without a judged prompt keeps its place, empty.
        goal: %, 0..100.
        part: of the split, whose prompts the rounds were judged on, e.g. `dev`.
    """
    figure, axes = blank(width=max(7.0, 0.9 * len(rounds)))
    measures = [turn.assessment.coverage for turn in rounds]
    axes.axhline(goal, color=BRIGHT, linestyle="--", label=f"goal: {goal:g} %")
    counts = sorted({m.n for m in measures if m.value is not None})
    if counts:
        value, low, high = np.array([_interval(m) for m in measures]).T
        prompts = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
        axes.errorbar(
            np.arange(len(rounds)),
            value,
            yerr=np.clip([value - low, high - value], 0, None),
            color=DARK,
            marker="o",
            capsize=4,
            label=f"coverage with 95 % interval, n = {prompts} prompts",
        )
    for at, measure in enumerate(measures):
        if measure.value is None:
            axes.annotate("none judged", (at, 2), ha="center", color=GREY)
    axes.set_title(_coverage_finding(rounds, goal), fontsize=11)
    axes.set_xticks(
        range(len(rounds)), [f"round {turn.number}\n{turn.train_rows:,} rows" for turn in rounds]
    )
    axes.set_xlim(-0.5, max(len(rounds), 1) - 0.5)
    axes.set_xlabel("round, and the rows it was tuned on")
    axes.set_ylabel(f"coverage, % of judged {part} prompts")
    axes.set_ylim(-2, 102)
    legend(figure)
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
