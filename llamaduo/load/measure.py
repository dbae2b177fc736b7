"""The measurement: one question first, then rate after rate."""

import asyncio
import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from llamaduo.errors import LlamaDuoError, ServiceError
from llamaduo.load import tool
from llamaduo.load.plan import Plan, alone, scenario
from llamaduo.load.sent import Sent, at_rate, percentile
from llamaduo.loads import TIMES, AtRate, kept
from llamaduo.progress import Progress
from llamaduo.records import Outcome, Request

BEGIN = 0.25
"""Of the rate at which one request after another is answered: there a sweep begins."""
STEPS = 12
"""Rates of a sweep at most, each twice the one before."""
UNPLANNED = 0.1
"""Share of a rate's requests that may be sent before guidellm's clock is set."""

Measure = Callable[[Sequence[float]], list[AtRate]]


def ask_once(plan: Plan) -> None:
    """Have one prompt answered, so that a server that cannot says so at once. Nothing is paid.

    Raises:
        ServiceError: if there is no answer, with why.
    """
    service = plan.endpoint.service()
    if faults := service.faults():
        raise ServiceError("load: " + "; ".join(faults))
    asked = Request(
        messages=plan.chats[0], max_tokens=plan.max_new_tokens, temperature=plan.temperature
    )
    reply = asyncio.run(service.attempt(asked, plan.seed, "load")).reply
    if reply.outcome is Outcome.FAILED:
        raise ServiceError(f"load: {service.name} gave no answer: {reply.cause}")


class Measuring:
    """Measures rates of one plan; remembers what by."""

    def __init__(self, plan: Plan, progress: Progress) -> None:
        self.plan, self.progress, self.name = plan, progress, ""
        self.key = os.environ.get(plan.endpoint.key_env) if plan.endpoint.key_env else None

    def rates(self, rates: Sequence[float]) -> list[AtRate]:
        """Measure `rates` in this order, each after the one before is all answered.

        After one at which requests fail by the half, the others are left out.
        """
        each = self.plan.seconds + self.plan.warm_up
        said = ", ".join(f"{rate:g}" for rate in rates)
        self.progress.say(f"load: {said} requests/s, {each:.0f} s and what is waited for each")

        def told(out: Path) -> dict[str, object]:
            return scenario(self.plan, rates, out)

        found, self.name = tool.run(told, self.key)
        if too_many_at_once(found):
            self.progress.say("load: many requests were sent at once, not as planned; once more")
            found, self.name = tool.run(told, self.key)
        if too_many_at_once(found):
            raise LlamaDuoError(
                "load: this machine is too busy to send requests when they are due: measure when "
                "it is quiet, from another one, or with --arrivals constant"
            )
        if not found or not all(found):
            raise LlamaDuoError("load: guidellm's report has a rate without requests; try again")
        if len(found) < len(rates):
            left = ", ".join(f"{rate:g}" for rate in rates[len(found) :])
            self.progress.say(
                f"load: {left} requests/s were not tried: at {rates[len(found) - 1]:g} half or "
                "more of the requests failed"
            )
        return [
            at_rate(rate, rows, self.plan.warm_up) for rate, rows in zip(rates, found, strict=False)
        ]

    def one_alone(self) -> float:
        """Return the seconds that a request takes which meets no other: the median of a few."""
        found, self.name = tool.run(lambda out: alone(self.plan, out), self.key)
        took = sorted(
            row.ended - row.begun
            for row in found[0]
            if not row.why and row.begun is not None and row.ended is not None
        )
        if not took:
            why = ", ".join(sorted({row.why for row in found[0]}))
            raise ServiceError(f"load: none of {len(found[0])} requests was answered: {why}")
        return percentile(took, 0.5)


def too_many_at_once(found: Sequence[Sequence[Sent]]) -> bool:
    """Whether at some rate more requests than `UNPLANNED` were sent in no open loop."""
    return any(sum(not row.planned for row in rows) > UNPLANNED * len(rows) for rows in found)


def sweep(measure: Measure, seconds_alone: float, objective_ms: float | None) -> list[AtRate]:
    """Double the rate until it is not kept up with.

    Args:
        measure: measures rates.
        seconds_alone: what a request takes that meets no other.
        objective_ms: p95 to keep; None: twice that of the first rate.
    """
    rate, found = rounded(BEGIN / seconds_alone), list[AtRate]()
    for _ in range(STEPS):
        found += measure([rate])
        lowest = found[0].whole
        if lowest is None:
            break
        if not kept(found[-1], TIMES * lowest.p95 if objective_ms is None else objective_ms):
            break
        rate *= 2
    return found


def rounded(rate: float) -> float:
    """Return a rate with two digits."""
    return round(rate, 1 - math.floor(math.log10(rate)))
