"""Where the paper's figures are not what its assumptions add up to."""

from llamaduo.cost.months import Draws, Local, Service, local_months, service_months, services_of
from llamaduo.cost.words import millions, months, usd
from llamaduo.workload import Claims, Workload
from llamaduo.workload.ranges import likely


def against_print(workload: Workload) -> tuple[str, ...]:
    """Say, one sentence each, where the paper's figures are not what the arithmetic gives.

    Empty where `workload` holds no printed figures, or all of them agree to the dollar. Empty
    too where of one side none does: the assumptions are then not the paper's, and its print
    says nothing of them.
    """
    if not workload.printed:
        return ()
    service = services_of(workload)[0]
    found = []
    agree = set()
    for month, printed in sorted(workload.printed.items()):
        computed = _by(workload, service, month)
        names = (workload.local_name, workload.service_name)
        for name, theirs, ours in zip(names, printed, computed, strict=True):
            if usd(theirs) == usd(ours):
                agree.add(name)
            else:
                found.append(
                    f"{name}, {months(month)}: the table prints {usd(theirs)}; "
                    f"the assumptions add up to {usd(ours)}"
                )
    if len(agree) < 2:
        return ()
    if workload.claims:
        found += _against_claims(workload, workload.claims, service)
    return tuple(found)


def _against_claims(workload: Workload, claims: Claims, service: Service) -> list[str]:
    found = []
    tokens = claims.output_tokens_per_day
    computed = _day(workload, service, tokens)
    if usd(claims.service_usd_per_day) != usd(computed):
        own = likely(workload.output_tokens_per_day)
        found.append(
            f"{service.name}, a day: the text has {millions(tokens)} output tokens for "
            f"{usd(claims.service_usd_per_day)}; they cost {usd(computed)}, "
            f"and {millions(own)} cost {usd(_day(workload, service, own))}"
        )
    month = claims.cheaper_after_months
    ours, theirs = _by(workload, service, month)
    if theirs <= ours:
        found.append(
            f"{months(month)}: the text has {service.name} cost more by then; "
            f"it is {usd(theirs)} against {usd(ours)}"
        )
    return found


def _by(workload: Workload, service: Service, month: int) -> tuple[float, float]:
    """Return what the local model and the service have cost by the end of `month`."""
    local = local_months(Local(workload), month, Draws(), 0.0).spent
    theirs = service_months(workload, service, month, Draws())
    return float(local.by_end[0, -1]), float(theirs.by_end[0, -1])


def _day(workload: Workload, service: Service, output_tokens: float) -> float:
    """Return what the service costs for a day on which it writes so many tokens."""
    day = {"days_per_month": 1.0, "output_tokens_per_day": output_tokens}
    spent = service_months(workload.model_copy(update=day), service, 1, Draws())
    return float(spent.by_end[0, 0])
