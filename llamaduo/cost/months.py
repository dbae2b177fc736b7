"""What each month costs, for one value of every input or for many at once."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from llamaduo.component import Component
from llamaduo.workload import Workload
from llamaduo.workload.price import Asked, Rates
from llamaduo.workload.ranges import Range, likely
from llamaduo.workload.throughput import Numbers, keeping_up, replicas


@dataclass(frozen=True)
class Draws:
    """What the inputs that are ranges are taken to be: `n` values each."""

    n: int = 1
    taken: Mapping[str, Numbers] = field(default_factory=dict)
    """Shape (n,), by key. A range that is not here is at its likely value."""

    def of(self, key: str, amount: float | Range) -> Numbers:
        """Return the values of one input, shape (n,)."""
        if isinstance(amount, Range) and key in self.taken:
            return self.taken[key]
        return np.full(self.n, likely(amount))


@dataclass(frozen=True)
class Local:
    """A local model: the workload as it is with it, and which keys are its own."""

    workload: Workload
    own: frozenset[str] = frozenset()

    def key(self, name: str) -> str:
        """Return the name of an input; one that two models share is one input."""
        own = name.partition(".")[0] in self.own
        return f"models.{self.workload.local_name}.{name}" if own else name


@dataclass(frozen=True)
class Service:
    """A service: its name, its rates, and what stands before their keys."""

    name: str
    rates: Rates
    at: str = "price"


@dataclass(frozen=True)
class Spent:
    """Dollars by month, shape (n, months) each."""

    lump: Numbers
    """Paid when the month begins."""
    flow: Numbers
    """Paid evenly over the month."""

    @property
    def by_end(self) -> Numbers:
        """So far, when each month ends."""
        return np.cumsum(self.lump + self.flow, axis=1)

    @property
    def by_start(self) -> Numbers:
        """So far, right after each month has begun."""
        return np.pad(self.by_end[:, :-1], ((0, 0), (1, 0))) + self.lump


@dataclass(frozen=True)
class LocalMonths:
    """A local model's months; shape (n, months) but for `tuning`, (n,)."""

    spent: Spent
    tuning: Numbers
    """Of one tuning."""
    servers: Numbers
    bought: Numbers
    """Dollars for servers that are bought as the month begins."""
    kwh: Numbers
    electricity: Numbers
    rent: Numbers
    escalated: Numbers
    """Dollars for the tokens that the service still answers."""
    retunings: Numbers
    """So far."""


def locals_of(workload: Workload) -> list[Local]:
    """Return the local models to compare, the workload's own first."""
    further = [Local(workload.of(m), frozenset(m.given())) for m in workload.models]
    return [Local(workload), *further]


def services_of(workload: Workload) -> list[Service]:
    """Return the services to compare, the workload's own first; their prices are looked up.

    Raises:
        UsageError: a price is to be looked up and is not there.
    """
    first = _own_service(workload)
    further = [
        Service(one.name, one.price.rates(), f"services.{one.name}.price")
        for one in workload.services
    ]
    return [first, *further]


def _own_service(workload: Workload) -> Service:
    return Service(workload.service_name, workload.price.rates())


def ranges_of(local: Local, service: Service) -> dict[str, Range]:
    """Return the inputs of a pair that are ranges, by key."""
    found = {local.key(name): r for name, r in _ranges(local.workload)}
    if local.workload.escalated_share != 0.0:
        kept = _own_service(local.workload)
        found |= {f"{kept.at}.{name}": r for name, r in _ranges(kept.rates)}
    return found | {f"{service.at}.{name}": r for name, r in _ranges(service.rates)}


def _ranges(of: Component | Rates) -> Iterator[tuple[str, Range]]:
    for name, value in of:
        if isinstance(value, Range):
            yield name, value
        elif isinstance(value, Component) and not isinstance(value, Asked):
            yield from ((f"{name}.{below}", r) for below, r in _ranges(value))


def local_months(local: Local, horizon: int, draws: Draws, migration_usd: float) -> LocalMonths:
    """Return what `local` costs in each month from the first to `horizon`.

    Servers are bought, and the model is tuned again, as a month begins: the tuning that is
    due when month 6 ends is counted in month 7. A server that is bought is never sold.
    """
    workload = local.workload

    def at(name: str, none: float = 0.0) -> Numbers:
        value = getattr(workload, name)
        return draws.of(local.key(name), none if value is None else value)[:, None]

    month = np.arange(1, horizon + 1)
    shape = (draws.n, horizon)
    servers = np.broadcast_to(_servers(local, horizon, draws), shape)
    tuning = at("tuning_usd") + at("tuning_hours") * at("tuning_usd_per_hour")
    retuned = np.zeros(shape)
    if workload.retune_every_months is not None:
        retuned = np.floor((month - 1) / at("retune_every_months") + 1e-9)
    most = np.maximum.accumulate(servers, axis=1)
    bought = np.diff(most, prepend=0.0, axis=1) * at("server_usd")
    lump = bought + tuning * np.diff(retuned, prepend=0.0, axis=1)
    lump[:, 0] += tuning[:, 0] + migration_usd
    hours = servers * at("hours_per_month")
    kwh = hours * at("watts_per_server") / 1000
    electricity = kwh * at("usd_per_kwh")
    rent = hours * at("usd_per_server_hour")
    escalated = _escalated(workload, horizon, draws)
    return LocalMonths(
        spent=Spent(lump, electricity + rent + escalated),
        tuning=tuning[:, 0],
        servers=servers,
        bought=bought,
        kwh=kwh,
        electricity=electricity,
        rent=rent,
        escalated=escalated,
        retunings=retuned,
    )


def service_months(workload: Workload, service: Service, horizon: int, draws: Draws) -> Spent:
    """Return what `service` costs in each month from the first to `horizon`.

    Of the prompt tokens that do not wait for the batch API, `cached_share` is read from the
    cache. Where a service has no price of either, those tokens are at the full price.
    """
    rates = service.rates

    def asked(name: str, otherwise: str) -> Numbers:
        rate = getattr(rates, name)
        name, rate = (otherwise, getattr(rates, otherwise)) if rate is None else (name, rate)
        return draws.of(f"{service.at}.{name}", rate)[:, None]

    cached = draws.of("cached_share", workload.cached_share)[:, None]
    batched = draws.of("batch_share", workload.batch_share)[:, None]
    read, written = _tokens(workload, horizon, draws)
    fresh = (1 - cached) * asked("input", "input") + cached * asked("cached_input", "input")
    per_read = (1 - batched) * fresh + batched * asked("batch_input", "input")
    per_written = (1 - batched) * asked("output", "output")
    per_written = per_written + batched * asked("batch_output", "output")
    flow = (read * per_read + written * per_written) / 1e6
    return Spent(np.zeros_like(flow), flow)


def _escalated(workload: Workload, horizon: int, draws: Draws) -> Numbers:
    """Return what the service is still paid by month; its price is not looked up for nothing."""
    if workload.escalated_share == 0.0:
        return np.zeros((draws.n, horizon))
    share = draws.of("escalated_share", workload.escalated_share)[:, None]
    return share * service_months(workload, _own_service(workload), horizon, draws).flow


def break_even(local: Spent, service: Spent) -> Numbers:
    """Return from which month on the local model has cost less, up to the last; shape (n,).

    It is the last time that the service's line comes from below: a new tuning or server may
    put the local model behind once more. NaN where it is not ahead when the last month ends.
    """
    before = service.by_start - local.by_start
    after = service.by_end - local.by_end
    horizon = before.shape[1]
    behind = before < 0
    last = horizon - 1 - np.argmax(behind[:, ::-1], axis=1)
    rows = np.arange(before.shape[0])
    start, end = before[rows, last], after[rows, last]
    with np.errstate(divide="ignore", invalid="ignore"):
        crossing = last + start / (start - end)
    crossing = np.where(behind.any(axis=1), crossing, 0.0)
    return np.where(after[:, -1] > 0, crossing, np.nan)


def _tokens(workload: Workload, horizon: int, draws: Draws) -> tuple[Numbers, Numbers]:
    """Return prompt and completion tokens of each month, shape (n, months)."""
    growth = draws.of("growth_per_month", workload.growth_per_month)[:, None]
    grown = (1 + growth) ** np.arange(horizon)
    days = draws.of("days_per_month", workload.days_per_month)[:, None]
    read = draws.of("input_tokens_per_day", workload.input_tokens_per_day)[:, None]
    written = draws.of("output_tokens_per_day", workload.output_tokens_per_day)[:, None]
    return read * days * grown, written * days * grown


def _servers(local: Local, horizon: int, draws: Draws) -> Numbers:
    """Return how many servers are on, by month."""
    workload = local.workload
    if workload.servers != "auto":
        return np.array([[float(workload.servers)]])
    assert workload.throughput is not None  # refused otherwise, when the workload is built
    measured = {
        name: draws.of(local.key(f"throughput.{name}"), value)[:, None]
        for name, value in workload.throughput
        if value is not None and name != "measured"
    }
    seconds = 3600 * draws.of("hours_per_month", workload.hours_per_month)[:, None]
    read, written = (tokens / seconds for tokens in _tokens(workload, horizon, draws))
    load = workload.throughput.load()
    if load is not None:
        return keeping_up(read, written, load, **measured)
    return replicas(read, written, **measured)
