"""The search: the best settings beside those given, what mattered, and every trial."""

from collections.abc import Sequence
from pathlib import Path

from llamaduo import plots
from llamaduo.findings import Result, Searched, Trial
from llamaduo.report.words import mark, markdown, with_interval
from llamaduo.study.best import end, settings, to_use, written

AIMS = {
    "coverage": "the lower end of the 95 % interval of coverage on dev, the larger the better",
    "dev_loss": "the loss on dev in nats per answer token, the smaller the better",
    "coverage_and_cost": "the lower end of the 95 % interval of coverage on dev, and the tokens "
    "that tuning works through; of the trials that none beats in both, the best has the most "
    "coverage",
}


def search(result: Result, into: Path) -> list[str]:
    """Return the section on the search, and draw its pictures; nothing where there was none."""
    found = result.searched
    if found is None:
        return []
    winner, default = found.trial(found.best), found.trials[0]
    both = [("the settings as given", default)]
    if winner.number != default.number:
        both = [("the best", winner), *both]
    head = ["", "trial", *found.trials[0].settings, "coverage %", "n", "similarity", "precision"]
    head += ["dev loss", "tokens tuned on"]
    rows = [
        [name, str(one.number), *map(written, one.settings.values()), *_figures(one)]
        for name, one in both
    ]
    return [
        "## Search for settings",
        "",
        _counted(found),
        "",
        *markdown(head, rows),
        "",
        *_warned(found, result),
        "To tune another run with the best settings, without a search:",
        "",
        "```",
        to_use(found),
        "```",
        "",
        *_importance(found),
        *(f"![{title}]({name})\n" for title, name in _pictures(found, into)),
        *_all(found),
    ]


def _counted(found: Searched) -> str:
    trials = found.trials
    pruned = [one for one in trials if one.state == "pruned"]
    where = [(sum(one.stopped == phase for one in pruned), phase) for phase in _PHASES]
    stopped = ", ".join(f"{n} while {phase}" for n, phase in where if n)
    few = f" (the space has no more than {found.points} settings)" if found.points else ""
    return (
        f"{found.wanted} trials were wanted{few} and {len(trials)} finished: "
        f"{sum(one.state == 'complete' for one in trials)} complete, {len(pruned)} stopped early"
        f"{f' ({stopped})' if stopped else ''}, "
        f"{sum(one.state == 'failed' for one in trials)} failed. "
        f"They were tuned on the rows of round 0 and compared by {AIMS[found.objective]}. The "
        "best tune every round."
    )


_PHASES = ("tuning", "judging")


def _figures(trial: Trial) -> list[str]:
    loss = "-" if trial.dev_loss is None else f"{trial.dev_loss:.4f}"
    tokens = "-" if trial.tokens is None else f"{trial.tokens:,}"
    if trial.dev is None:
        return ["-", str(trial.looked_at), "-", "-", loss, tokens]
    dev = trial.dev
    return [
        with_interval(dev.coverage),
        str(dev.coverage.n),
        mark(dev.similarity.value),
        mark(dev.precision.value),
        loss,
        tokens,
    ]


def _warned(found: Searched, result: Result) -> list[str]:
    """Say what the figure of the best is worth."""
    if found.best == 0:
        return [
            "No trial did better on dev than the settings as given, so these tune every round.",
            "",
        ]
    fair = f"{'The sealed test' if result.steered_on == 'dev' else 'The test'} has the fair one"
    return [
        f"The best was chosen by dev, as the best of {len(found.trials)}: its figure there is "
        f"optimistic, and part of its lead is luck. {fair}: no trial was measured on it.",
        "",
    ]


def _importance(found: Searched) -> list[str]:
    if not found.importance:
        return ["Too few trials are complete, or all are alike, to say which setting matters.", ""]
    shares = ", ".join(f"{key} {100 * share:.0f} %" for key, share in found.importance.items())
    return [
        f"Of what the settings explain of the difference between trials (PED-ANOVA): {shares}. "
        "With few trials these are rough.",
        "",
    ]


def _all(found: Searched) -> list[str]:
    head = ["trial", "what it changes", "end", "coverage %", "n", "similarity", "precision"]
    head += ["dev loss", "tokens tuned on"]
    default = found.trials[0].settings
    rows = [
        [
            f"**{one.number}, the best**" if one.number == found.best else str(one.number),
            settings(one.settings, default),
            "complete" if one.state == "complete" else end(one, found.objective),
            *_figures(one),
        ]
        for one in found.trials
    ]
    return [*markdown(head, rows), ""]


def _pictures(found: Searched, into: Path) -> Sequence[tuple[str, str]]:
    drawn = [("The search, trial by trial", "search.png", plots.search_history(found))]
    if found.importance:
        drawn.append(("What mattered", "importance.png", plots.search_importance(found)))
    if found.front:
        drawn.append(("Coverage against tokens", "pareto.png", plots.search_front(found)))
    for _, name, figure in drawn:
        plots.save(figure, into / name)
    return [(title, name) for title, name, _ in drawn]
