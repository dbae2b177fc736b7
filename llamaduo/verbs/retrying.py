"""`llamaduo run --retry unreadable,failed overrides...`: what goes before such a run."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from llamaduo.errors import OverBudget, UsageError
from llamaduo.options import nearest
from llamaduo.records import Outcome
from llamaduo.verbs import named

if TYPE_CHECKING:
    from llamaduo.experiment import Experiment
    from llamaduo.ledger import Ledger
    from llamaduo.progress import Progress
    from llamaduo.spending.again import Plan

FLAG = "--retry"
WRONG = {one.value: one for one in Outcome if one is not Outcome.OK}
"""Outcomes that calls are asked again for, by what is typed."""

NEW_ROWS = (
    "retry: new rows change what is tuned on: what follows is tuned, answered and judged anew, "
    "with calls of its own, and another model is shown the test; budget_usd limits what it costs"
)
NEW_ANSWERS = "retry: new answers are judged, with calls of their own"


class NothingToRetryError(Exception):
    """No call of the run ended as named, and no result has to be made anew."""


def outcomes(said: str) -> tuple[Outcome, ...]:
    """Return the outcomes that a word names, parted by commas.

    Raises:
        UsageError: for one that there is not.
    """
    names = [name.strip() for name in said.split(",")]
    for name in names:
        if name not in WRONG:
            there = ", ".join(WRONG)
            raise UsageError(
                f"{FLAG} {said}: calls go wrong by being {there}; name some of them, parted by "
                f"commas{nearest(name, WRONG)}"
            )
    return tuple(dict.fromkeys(WRONG[name] for name in names))


def before(
    exp: "Experiment", wanted: Sequence[Outcome], progress: "Progress"
) -> Callable[[], None] | None:
    """Return what is done before a run; None where it is nothing.

    A retry that was broken off is finished, whether another is asked for or not.

    Raises:
        UsageError: where calls of a run are to be asked again that was not begun here.
    """
    from llamaduo.spending import again

    private = Path(exp.home) / ".llamaduo"
    place = private / "runs" / exp.fingerprint()
    if wanted:
        named.begun(exp, f"run {FLAG}")
    elif again.left(place) is None:
        return None

    def act() -> None:
        from llamaduo import running
        from llamaduo.hosts import ledger_of

        with running.alone(private, f"run {FLAG}"):
            ledger = ledger_of(exp)
            try:
                _act(exp, place, wanted, ledger, progress)
            finally:
                ledger.close()

    return act


def _act(
    exp: "Experiment",
    place: Path,
    wanted: Sequence[Outcome],
    ledger: "Ledger",
    progress: "Progress",
) -> None:
    """Finish what was broken off, and begin what is asked for.

    Raises:
        NothingToRetryError: where there is neither.
        OverBudget: if it may not fit in what is left, before anything is changed.
    """
    from llamaduo.spending import again, state

    old, shared = again.left(place), exp.ledger != "file"
    if old is not None:
        again.carry_out(place, old, ledger, shared=shared)
        progress.say(f"retry: one of {len(old.calls)} calls was broken off, and goes on")
    if not wanted:
        return
    ledger.free_the_dead()
    plan = again.plan(exp, place.parents[1], ledger, wanted)
    if plan.again.recipes:
        _refuse_over_budget(exp, plan, state.run(ledger, place.name).counted)
        for line in lines(plan):
            progress.say(line)
        again.begin(place, plan.again, ledger, shared=shared)
    elif old is None:
        raise NothingToRetryError


def _refuse_over_budget(exp: "Experiment", plan: "Plan", counted: float) -> None:
    """Refuse what would leave a run unfinished that was finished."""
    if plan.calls and exp.budget_usd is not None and counted + plan.most > exp.budget_usd + 1e-9:
        left = max(exp.budget_usd - counted, 0.0)
        raise OverBudget(
            f"{FLAG}: {sum(plan.calls.values())} calls can cost ${plan.most:.4f} at most, and "
            f"${left:.4f} of ${exp.budget_usd:.2f} is left: nothing was asked or changed. Give the "
            "same command with a larger budget_usd"
        )


def lines(plan: "Plan") -> list[str]:
    """Say what will be asked again, what it can cost, and what follows from it."""
    found = []
    if plan.calls:
        count = sum(plan.calls.values())
        of = ", ".join(f"{number} of `{stage}`" for stage, number in plan.calls.items())
        found.append(
            f"retry: {count} calls are asked again, {of}, for ${plan.most:.4f} at most if each is "
            "answered at its first try; all other replies come from the ledger"
        )
    if plan.stale:
        found.append(
            f"retry: {plan.stale} results are older than replies that they rest on, which another "
            "run had asked for again: they are made anew, free"
        )
    if "synthetic" in plan.calls:
        found.append(NEW_ROWS)
    elif "asked" in plan.calls:
        found.append(NEW_ANSWERS)
    return found
