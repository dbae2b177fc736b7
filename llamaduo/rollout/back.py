"""The calls that the service answered in the local model's place, and what they cost."""

from llamaduo.findings import Measure
from llamaduo.metrics import share
from llamaduo.records import Record
from llamaduo.rollout import BEFORE, ESCALATED, FALLBACK, LOCAL
from llamaduo.rollout.seen import Arm, Seen, callers, service_usd
from llamaduo.rollout.state import State

AGAIN = "asked again"


class Back(Record):
    """Calls of one kind."""

    kind: str
    """`escalated`: by a rule. `fallback`: the local model failed. `asked again`: the service
    itself failed, in canary, and was asked once more; nothing of it stays after the switch."""
    share: Measure
    """Of all callers' calls, in %."""
    by: dict[str, int]
    """Rule or cause to calls."""
    usd: float
    """In these logs."""
    usd_per_month: float | None
    """Their part of what the workload would cost on the service; None: no call was seen."""


def back(seen: Seen, state: State, usd_per_month: float) -> tuple[Back, ...]:
    """Return the kinds that there are.

    Args:
        usd_per_month: what the workload costs on the service in its first month.
    """
    prices = state.service.usd_per_million
    everything = callers(seen, state.current.phase)
    whole = service_usd(everything, prices)
    ours, theirs = seen.fallbacks(state.current.phase)
    kinds: tuple[tuple[str, Arm, dict[str, int]], ...] = (
        (ESCALATED, seen.arm(ESCALATED), seen.rules()),
        (FALLBACK, ours, seen.causes()),
        (AGAIN, theirs, seen.causes("service")),
    )
    return tuple(
        Back(
            kind=kind,
            share=share(f"{kind} %", len(arm.answered), len(everything)),
            by=by,
            usd=arm.usd,
            usd_per_month=usd_per_month * service_usd(arm.answered, prices) / whole
            if whole
            else None,
        )
        for kind, arm, by in kinds
        if arm.calls
    )


def kept(seen: Seen, state: State) -> float | None:
    """Return the share of tokens that stays with the service after switching, 0..1.

    Tokens are weighed by the service's prices. Of all calls some are escalated; of the others
    those stay that the local model fails in, at the rate at which it failed where it was asked.
    None: no call was seen.
    """
    prices = state.service.usd_per_million
    whole = service_usd(callers(seen, state.current.phase), prices)
    if not whole:
        return None
    by_rule = service_usd(seen.arm(ESCALATED).answered, prices) / whole
    if state.current.phase not in BEFORE:
        return by_rule
    here = service_usd(seen.arm(LOCAL).answered, prices)
    fell = service_usd(seen.fallbacks(state.current.phase)[0].answered, prices)
    return by_rule + (1 - by_rule) * (fell / (here + fell) if fell else 0.0)
