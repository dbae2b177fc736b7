"""Which trial is the best, and how trials are said in a line. Pure."""

import json
from collections.abc import Mapping, Sequence
from math import inf

from llamaduo.findings import Searched, Trial
from llamaduo.search.space import Value


def values(trial: Trial, objective: str) -> tuple[float, ...]:
    """Return what a complete trial is compared by: %, nats per token, or % and tokens."""
    if objective == "dev_loss":
        assert trial.dev_loss is not None, "a loss on dev is looked at"
        return (trial.dev_loss,)
    assert trial.dev is not None and trial.dev.coverage.low is not None, "dev is judged"
    if objective == "coverage":
        return (trial.dev.coverage.low,)
    return (trial.dev.coverage.low, float(trial.tokens or 0))


def best(trials: Sequence[Trial], objective: str) -> Trial | None:
    """Return the best of the complete trials; of equals the cheaper to tune, then the first.

    With two objectives it is the one of the front with the most coverage: what that costs in
    tokens is for a person to weigh.
    """

    def order(trial: Trial) -> tuple[float, float, int]:
        first = values(trial, objective)[0]
        cost = inf if trial.tokens is None else trial.tokens
        return (first if objective == "dev_loss" else -first, cost, trial.number)

    return min((one for one in trials if one.state == "complete"), key=order, default=None)


def front(trials: Sequence[Trial]) -> tuple[int, ...]:
    """Return the trials that none beats in coverage and tokens both, by rising tokens."""
    done = [one for one in trials if one.state == "complete"]
    figures = {one.number: values(one, "coverage_and_cost") for one in done}
    found: list[int] = []
    most = -inf
    for number, (coverage, _) in sorted(
        figures.items(), key=lambda item: (item[1][1], -item[1][0], item[0])
    ):
        if coverage > most:
            most = coverage
            found.append(number)
    return tuple(found)


def figure(trial: Trial, objective: str) -> str:
    """Say what a complete trial came to."""
    if objective == "dev_loss":
        return f"dev loss {values(trial, objective)[0]:.4f}"
    low, *tokens = values(trial, objective)
    cost = f" for {tokens[0]:,.0f} tokens" if tokens else ""
    return f"coverage of {low:.1f} % or more{cost}"


def end(trial: Trial, objective: str) -> str:
    """Say how a trial ended."""
    if trial.state == "failed":
        return f"failed: {trial.error}"
    if trial.stopped == "tuning":
        return f"stopped while tuning, at step {max(trial.curve, default=0)}"
    if trial.stopped == "judging":
        return f"stopped while judging, after {trial.looked_at} prompts"
    return figure(trial, objective)


def settings(values_: Mapping[str, Value], default: Mapping[str, Value]) -> str:
    """Say the settings that are not those given."""
    changed = {key: value for key, value in values_.items() if value != default.get(key)}
    if not changed:
        return "the settings as given"
    return ", ".join(f"{key} {written(value)}" for key, value in changed.items())


def written(value: Value) -> str:
    """Write a setting short; three digits tell settings apart for people."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def in_a_line(trial: Trial, searched: Sequence[Trial], objective: str) -> str:
    """Say a trial and how it stands: its number, what it changes, its end, the best so far."""
    default = next((one.settings for one in searched if one.number == 0), {})
    if trial.number == 0:
        default = trial.settings
    leader = best(searched, objective)
    line = f"trial {trial.number}: {settings(trial.settings, default)}: {end(trial, objective)}"
    if leader is None:
        return f"{line}; none is complete yet"
    if leader.number == trial.number:
        return f"{line}; the best so far"
    return f"{line}; the best so far is trial {leader.number}, {figure(leader, objective)}"


def to_use(searched: Searched) -> str:
    """Return what is typed for the best settings in a run of its own, to the last digit."""
    winner = searched.trial(searched.best)
    words = [f"{key}={json.dumps(value)}" for key, value in winner.settings.items()]
    return " ".join(["search=none", *words])


def summary(searched: Searched) -> str:
    """Say in a line what a search came to."""
    trials = searched.trials
    count = {state: sum(one.state == state for one in trials) for state in ("pruned", "failed")}
    ended = ", ".join(
        f"{count[state]} {word}"
        for state, word in (("pruned", "stopped early"), ("failed", "failed"))
    )
    winner, default = searched.trial(searched.best), searched.trials[0]
    how = (
        "the settings as given are the best"
        if winner is default
        else f"the best is {settings(winner.settings, default.settings)}"
    )
    given = end(default, searched.objective)
    against = "" if winner is default else f"; the settings as given: {given}"
    return (
        f"search: {len(trials)} trials, {ended}; {how}, with "
        f"{figure(winner, searched.objective)} on dev{against}"
    )
