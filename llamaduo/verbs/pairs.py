"""The pairs of a rollout judged as the promoted model was: same judge, same goal, by the ledger."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from llamaduo.errors import LlamaDuoError, ServiceError
from llamaduo.verbs import versioned

if TYPE_CHECKING:
    from llamaduo.experiment import Experiment
    from llamaduo.rollout.month import Month
    from llamaduo.rollout.pairs import Judged
    from llamaduo.rollout.seen import Pair
    from llamaduo.rollout.state import Asked

JUDGE = ("judge=", "judge.", "service@judge.service=", "service@judge.")
GOAL = ("goal.",)
WORKLOAD = ("workload=", "workload.")


def as_promoted(words: Sequence[str], name: str, number: str) -> "Experiment":
    """Return what the words compose to, with judge, goal, workload and seed of the version's run.

    What the words themselves say of judge, goal or workload stays as they say it.

    Raises:
        UsageError: if only its own file says where the run's judge is asked, or with which key.
        LlamaDuoError: if that file cannot be read.
    """
    import yaml

    from llamaduo.config import composed
    from llamaduo.config.build import build
    from llamaduo.config.overrides import check
    from llamaduo.config.stored import given

    overrides = [word for word in words if "=" in word]
    found = versioned.find([f"{name}/{number}", *overrides], "rollout check")
    path = found.held.folder / "config.yaml"
    try:
        run = yaml.safe_load(path.read_text(encoding="utf-8"))
        its = {key: run[key] for key in ("judge", "goal", "workload", "seed", "baselines")}
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise LlamaDuoError(
            f"{name} version {number}: {path} does not say how it was judged "
            f"({type(error).__name__})"
        ) from None
    values = dict(composed(check(overrides, sweep=False).good))
    if any(word.startswith(JUDGE) for word in overrides):
        del its["judge"]
    if any(word.startswith(GOAL) for word in overrides):
        del its["goal"]
    if typed_workload(overrides):
        del its["workload"]
    made = build(values | its | {"allow_simulated": True})
    given(made.judges, found.exp, f"rollout check: {name} version {number}: its {path.name}")
    return made


def typed_workload(words: Sequence[str]) -> bool:
    """Whether the words say something of the workload."""
    return any(word.startswith(WORKLOAD) for word in words)


def month_for(words: Sequence[str], exp: "Experiment", version: str, asked: "Asked") -> "Month":
    """Return what a month of `exp`'s workload costs on the service that the gateway asks.

    Args:
        version: whose run the workload is of, unless it was typed; "" where there is none.
    """
    from llamaduo.config import from_overrides
    from llamaduo.errors import ConfigError
    from llamaduo.rollout.month import month_of

    try:
        otherwise = from_overrides([f"workload={exp.workload.name}"]).workload
    except ConfigError:  # no file is called as it calls itself
        otherwise = from_overrides([]).workload
    if typed_workload(words):
        whose = "as typed"
    else:
        whose = f"of version {version}'s run" if version else "as composed, since none was typed"
    return month_of(exp.workload, whose, otherwise, asked)


def judge_all(pairs: "Sequence[Pair]", exp: "Experiment", name: str, most: int) -> "Judged":
    """Judge the pairs by the judge of `exp`, within its budget.

    Raises:
        OverBudget: where the next call could cost more than is left.
        ConfigError: where what would be sent holds what nobody has said may be.
        ServiceError: if the judge cannot be asked.
    """
    from llamaduo.component import digest
    from llamaduo.desk import Desk
    from llamaduo.hosts import ledger_of
    from llamaduo.privacy.asking import careful
    from llamaduo.progress import Progress
    from llamaduo.rollout.pairs import judge_pairs

    judge = exp.judge
    if faults := [fault for one in judge.services.values() for fault in one.faults()]:
        raise ServiceError(f"the pairs cannot be judged: {'; '.join(faults)}")
    run = digest("rollout", name)
    ledger = ledger_of(exp)
    try:
        desks = {
            of: careful(
                Desk(
                    ledger=ledger,
                    service=service,
                    recipe=f"rollout/{run}",
                    run=run,
                    seed=exp.seed,
                    budget=exp.budget_usd,
                ),
                service,
                exp.privacy,
            )
            for of, service in judge.services.items()
        }
        return judge_pairs(
            pairs,
            judge,
            desks,
            similarity=exp.goal.similarity,
            precision=exp.goal.precision,
            margin=exp.goal.margin,
            most=most,
            simulated=any(service.simulated for service in judge.services.values()),
            progress=Progress(),
        )
    finally:
        ledger.close()
