"""What a month costs on the service that the gateway asks, and the command that goes on from it."""

import json
import shlex
from typing import Any

from llamaduo.cost.months import Draws, Service, service_months
from llamaduo.cost.words import number, rate
from llamaduo.records import Record
from llamaduo.rollout.state import Asked
from llamaduo.workload import Workload
from llamaduo.workload.price import Asked as Price
from llamaduo.workload.ranges import likely


class Month(Record):
    """The first month of a workload, all of it answered by the service."""

    usd: float
    said: str
    """What it goes by, in words."""
    words: tuple[str, ...]
    """What `llamaduo cost` is told to reckon with the same workload and price."""


def month_of(workload: Workload, whose: str, otherwise: Workload, service: Asked) -> Month:
    """Return what `workload` costs on `service`.

    Args:
        whose: where the workload is from, in words.
        otherwise: what `llamaduo cost workload=NAME` would take by itself, for its name.
        service: its own price counts, whatever the workload has for one.
    """
    priced = at_price_of(workload, service)
    spent = service_months(priced, Service(service.name, priced.price.rates()), 1, Draws())
    read, written = (number(likely(tokens)) for tokens in _tokens(workload))
    prompt, completion = service.usd_per_million
    return Month(
        usd=float(spent.flow[0, 0]),
        said=(
            f"the {workload.name} workload {whose} ({read} tokens in, {written} out a day), all of "
            f"it at {service.name}'s price in state.json ({rate(prompt)} in, {rate(completion)} "
            "out per million tokens)"
        ),
        words=(f"workload={otherwise.name}", *differences(priced, otherwise)),
    )


def at_price_of(workload: Workload, service: Asked) -> Workload:
    """Return the workload with the service that the gateway asks for its own."""
    prompt, completion = service.usd_per_million
    source = service.source or f"the rollout's state.json, {service.model}"
    asked = Price.model_validate(
        {"input": prompt, "output": completion, "as_of": service.as_of, "source": source}
    )
    taken = [workload.local_name, *(one.name for one in workload.services)]
    free = service.name not in (*taken, *(one.name for one in workload.models))
    name = service.name if free else workload.service_name
    return workload.model_copy(update={"price": asked, "service_name": name})


def costing(share: float | None, month: Month) -> str:
    """Return what is typed to see the cost with the calls that stay; "" where none does."""
    if not share:
        return ""
    return shlex.join(["llamaduo", "cost", *month.words, f"workload.escalated_share={share:.4g}"])


def differences(workload: Workload, otherwise: Workload) -> list[str]:
    """Return the words that make `workload` of `otherwise`, but for what is escalated."""
    mine, theirs = workload.model_dump(mode="json"), otherwise.model_dump(mode="json")
    return [
        f"workload.{key}={_written(value)}"
        for key, value in mine.items()
        if value != theirs[key] and key != "escalated_share"
    ]


def _written(value: Any) -> str:
    """Write a plain value as the command line takes it: JSON, but for keys without quotes."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_written(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_written, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def _tokens(workload: Workload) -> tuple[Any, Any]:
    return workload.input_tokens_per_day, workload.output_tokens_per_day
