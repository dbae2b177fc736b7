"""The search: trial by trial, what mattered, and coverage against what tuning costs."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from llamaduo.findings import Searched, Trial
from llamaduo.plots.style import BRIGHT, DARK, GREY, blank, legend

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def search_history(searched: Searched) -> "Figure":
    """Draw each trial's figure, and the best so far as steps.

    A complete trial is a dot, with the interval of its coverage; one that was stopped or failed
    has a mark on the lower edge, since its figure is no other's equal.
    """
    from matplotlib.ticker import MaxNLocator

    figure, axes = blank()
    loss = searched.objective == "dev_loss"
    done = [one for one in searched.trials if one.state == "complete"]
    if loss:
        values = [one.dev_loss or 0.0 for one in done]
        axes.scatter(_numbers(done), values, color=DARK, marker="o", label="dev loss")
        axes.set_ylabel("loss on dev, nats per answer token")
    else:
        values = [_low(one) for one in done]
        middle = [_value(one) for one in done]
        axes.errorbar(
            _numbers(done),
            middle,
            yerr=[
                [max(m - low, 0.0) for m, low in zip(middle, values, strict=True)],
                [max(_high(one) - m, 0.0) for one, m in zip(done, middle, strict=True)],
            ],
            color=DARK,
            linestyle="none",
            marker="o",
            elinewidth=1,
            capsize=3,
            label="coverage with 95 % interval",
        )
        axes.set_ylabel("coverage, % of judged dev prompts")
        axes.set_ylim(-6, 102)
    best, so_far = [], values[0]
    for value in values:
        so_far = min(so_far, value) if loss else max(so_far, value)
        best.append(so_far)
    last = searched.trials[-1].number
    axes.step(
        [*_numbers(done), last],
        [*best, best[-1]],
        where="post",
        color=BRIGHT,
        linestyle="--",
        label="best so far" if loss else "best lower end so far",
    )
    _stopped(axes, searched.trials)
    winner = searched.trial(searched.best)
    axes.set_title(_finding(searched, winner), fontsize=11)
    axes.set_xlabel("trial (0: the settings as given)")
    axes.set_xlim(-0.6, last + 0.6)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    legend(figure, columns=2)
    return figure


def _stopped(axes: "Axes", trials: Sequence[Trial]) -> None:
    """Mark the trials without a figure of their own at the lower edge."""
    kinds = (
        ("stopped while tuning", "v", [one for one in trials if one.stopped == "tuning"]),
        ("stopped while judging", "s", [one for one in trials if one.stopped == "judging"]),
        ("failed", "x", [one for one in trials if one.state == "failed"]),
    )
    for label, marker, some in kinds:
        if some:
            axes.plot(
                _numbers(some),
                [0.02] * len(some),
                transform=axes.get_xaxis_transform(),
                color=GREY,
                linestyle="none",
                marker=marker,
                label=label,
            )


def _finding(searched: Searched, winner: Trial) -> str:
    if winner.number == 0:
        return "No trial did better on dev than the settings as given"
    return f"Trial {winner.number} is the best of {len(searched.trials)} on dev"


def search_importance(searched: Searched) -> "Figure":
    """Draw each setting's share of what the settings explain of the objective."""
    figure, axes = blank()
    figure.set_size_inches(7.0, 1.4 + 0.45 * len(searched.importance))
    names = list(searched.importance)
    shares = [100 * share for share in searched.importance.values()]
    bars = axes.barh(range(len(names)), shares, color=DARK, height=0.6)
    axes.bar_label(bars, [f"{share:.0f} %" for share in shares], padding=4)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.set_xlim(0, 112)
    done = sum(one.state == "complete" for one in searched.trials)
    axes.set_xlabel(f"share in % (PED-ANOVA on {done} complete trials)")
    axes.set_title(f"{names[0]} mattered most on dev", fontsize=11)
    return figure


def search_front(searched: Searched) -> "Figure":
    """Draw the lower end of coverage against tokens tuned on, and the trials that none beats."""
    from matplotlib.ticker import FuncFormatter

    figure, axes = blank()
    done = [one for one in searched.trials if one.state == "complete"]
    rest = [one for one in done if one.number not in searched.front]
    if rest:
        axes.scatter(_tokens(rest), [_low(one) for one in rest], color=GREY, marker="o", s=25)
    best = [searched.trial(number) for number in searched.front]
    axes.step(
        _tokens(best),
        [_low(one) for one in best],
        where="post",
        color=DARK,
        linestyle="--",
        marker="D",
        label="none is better in both",
    )
    for one in done:
        name = "0, as given" if one.number == 0 else str(one.number)
        axes.annotate(
            name,
            ((one.tokens or 0), _low(one)),
            xytext=(6, 4),
            textcoords="offset points",
            color=DARK if one.number in searched.front else GREY,
            fontweight="bold" if one.number == searched.best else "normal",
        )
    axes.set_title(
        f"{len(best)} of {len(done)} trials are beaten by none; the best is {searched.best}",
        fontsize=11,
    )
    axes.set_xlabel("tokens that tuning works through")
    axes.set_ylabel("coverage, lower end of the\n95 % interval, % of dev prompts")
    axes.set_ylim(-2, 102)
    axes.set_xlim(0, 1.12 * max(_tokens(done)) or 1)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda tokens, _: f"{tokens:,.0f}"))
    legend(figure)
    return figure


def _numbers(trials: Sequence[Trial]) -> list[int]:
    return [one.number for one in trials]


def _tokens(trials: Sequence[Trial]) -> list[int]:
    return [one.tokens or 0 for one in trials]


def _low(trial: Trial) -> float:
    return (trial.dev.coverage.low or 0.0) if trial.dev else 0.0


def _value(trial: Trial) -> float:
    return (trial.dev.coverage.value or 0.0) if trial.dev else 0.0


def _high(trial: Trial) -> float:
    return (trial.dev.coverage.high or 0.0) if trial.dev else 0.0
