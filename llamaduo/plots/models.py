"""The models on the test: what the verdict rests on."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from llamaduo.findings import Assessment, Decision, Measure
from llamaduo.plots.style import BRIGHT, DARK, GREY, blank, legend

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def models_on_test(
    test: Assessment,
    baselines: Sequence[Assessment],
    goal: float,
    decision: Decision,
    *,
    title: str,
) -> "Figure":
    """Draw the coverage of each model on the test as a dot with its interval, a row a model.

    The decided model stands on top, filled and in bold. Where the verdict hangs on an interval
    of another level than the rest, that one is drawn under it, thin; where it hangs on the
    distance to the service, the legend says that the goal only steered.

    Args:
        test: the decided model.
        baselines: in the order to draw, from the top; one without a judged prompt keeps its
            row, empty.
        goal: coverage in %, 0..100.
        decision: what the run says.
        title: what the models are of, and whether the test was sealed.
    """
    figure, axes = blank(width=8.0)
    models = [test, *baselines]
    figure.set_size_inches(8.0, 1.9 + 0.5 * len(models))
    beside = decision.goal < 0
    role = "goal of the loop (the verdict hangs on the distance to the service)"
    axes.axvline(
        goal, color=BRIGHT, linestyle="--", label=f"{role if beside else 'goal'}: {goal:g} %"
    )
    rest = [(at, one.coverage) for at, one in enumerate(models) if at and one.coverage.n]
    if test.coverage.n:
        level = f"{100 * test.coverage.level:.4g} %"
        _dots(axes, [(0, test.coverage)], f"decided on, with {level} interval", decided=True)
    if rest:
        level = f"{100 * rest[0][1].level:.4g} %"
        _dots(axes, rest, f"baseline, with {level} interval", decided=False)
    stricter = bool(decision.measure.n) and decision.measure.level != test.coverage.level
    if stricter and not beside:
        _stricter(axes, decision.measure)
    for at, one in enumerate(models):
        if not one.coverage.n:
            axes.annotate("none judged", (1, at), va="center", color=GREY)
    names = [f"{test.name}, decided on", *(one.name for one in baselines)]
    axes.set_yticks(
        range(len(models)),
        [f"{name}\nn = {one.coverage.n}" for name, one in zip(names, models, strict=True)],
    )
    axes.get_yticklabels()[0].set_fontweight("bold")
    axes.set_ylim(len(models) - 0.5, -0.5)
    axes.set_xlim(-2, 102)
    axes.set_xlabel("coverage, % of judged test prompts")
    axes.set_title(title, fontsize=11)
    legend(figure, columns=1 if beside or stricter else 3)
    return figure


def _dots(axes: "Axes", rows: Sequence[tuple[int, Measure]], label: str, *, decided: bool) -> None:
    """Draw measures that have a value, each in its row, with its interval."""
    value = [m.value or 0.0 for _, m in rows]
    below = [max(v - (m.low or 0.0), 0.0) for v, (_, m) in zip(value, rows, strict=True)]
    above = [
        max((100.0 if m.high is None else m.high) - v, 0.0)
        for v, (_, m) in zip(value, rows, strict=True)
    ]
    axes.errorbar(
        value,
        [at for at, _ in rows],
        xerr=[below, above],
        color=DARK if decided else GREY,
        linestyle="none",
        elinewidth=2.5 if decided else 1.2,
        marker="D" if decided else "o",
        markersize=9 if decided else 6,
        markerfacecolor=DARK if decided else "white",
        capsize=4,
        label=label,
        clip_on=False,
        zorder=3,
    )


def _stricter(axes: "Axes", measure: Measure) -> None:
    """Draw the interval that the verdict hangs on, where it is of a level of its own."""
    if measure.low is None or measure.high is None:
        return
    axes.plot(
        [measure.low, measure.high],
        [0.22, 0.22],
        color="black",
        linewidth=1,
        marker="|",
        markersize=8,
        label=f"{100 * measure.level:.4g} % interval, which the verdict hangs on",
    )
