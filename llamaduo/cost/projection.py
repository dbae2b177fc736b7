"""From a workload to lines, break-evens, and what they hang on."""

from collections.abc import Mapping, Sequence

import numpy as np

from llamaduo.component import seed_of
from llamaduo.cost.months import (
    Draws,
    Local,
    LocalMonths,
    Service,
    Spent,
    break_even,
    local_months,
    locals_of,
    ranges_of,
    service_months,
    services_of,
)
from llamaduo.cost.words import ranged, rate
from llamaduo.projection import LocalLine, Pair, Projection, ServiceLine, Spread, Swing
from llamaduo.workload import Workload
from llamaduo.workload.price import Rates
from llamaduo.workload.ranges import Range
from llamaduo.workload.throughput import Numbers

DRAWS = 10_000
"""Of every range; the ends of an interval are then known to about a percent of its width."""
TAIL = 0.05
"""Share of draws left out at either end of an interval."""


def project(workload: Workload, migration_usd: float = 0.0) -> Projection:
    """Add up what all sides have cost by each month of `workload`.

    Lines are at the likely value of every input. The break-even is exact, not rounded to a
    month. It is the time from which on the local model has cost less, up to the last month.
    Where every month costs the same it is also known past the last one; where tokens grow or
    the model is tuned again, it is None if it does not come within the months.

    With ranges, each pair also has an interval over draws that are the same at every call:
    each input triangular and independent of the others.

    Args:
        migration_usd: what the service calls of the migration cost, from the ledger; every
            local model has to bear them.

    Raises:
        UsageError: a price is to be looked up and is not there.
        ValueError: `migration_usd` is below 0.
    """
    if not migration_usd >= 0:
        raise ValueError(f"a migration costs nothing or more; got {migration_usd}")
    horizon, point = workload.months[-1], Draws()
    locals_, services = locals_of(workload), services_of(workload)
    ours = [local_months(one, horizon, point, migration_usd) for one in locals_]
    theirs = [service_months(workload, one, horizon, point) for one in services]
    return Projection(
        months=workload.months,
        services=tuple(
            _service_line(one, spent, workload) for one, spent in zip(services, theirs, strict=True)
        ),
        locals=tuple(
            _local_line(one, found, workload.months, migration_usd)
            for one, found in zip(locals_, ours, strict=True)
        ),
        pairs=tuple(
            _pair(local, found.spent, service, spent, migration_usd)
            for local, found in zip(locals_, ours, strict=True)
            for service, spent in zip(services, theirs, strict=True)
        ),
        tornado=_tornado(locals_[0], services[0], migration_usd),
    )


def _pair(local: Local, ours: Spent, service: Service, theirs: Spent, migration_usd: float) -> Pair:
    crossing = _point(local.workload, ours, theirs)
    inside = crossing is not None and crossing <= ours.flow.shape[1]
    ranges = ranges_of(local, service)
    drawn, saved = None, None
    if ranges:
        crossings, savings = _simulated(local, service, _draw(ranges), migration_usd)
        drawn, saved = _spread(crossings), _spread(savings)
    return Pair(
        local=local.workload.local_name,
        service=service.name,
        break_even_month=crossing,
        break_even_usd=_spent_by(theirs, crossing) if inside and crossing is not None else None,
        saved_usd=float(theirs.by_end[0, -1] - ours.by_end[0, -1]),
        break_even=drawn,
        saved=saved,
    )


def _point(workload: Workload, ours: Spent, theirs: Spent) -> float | None:
    """Return the break-even of likely values, in closed form where every month is the same."""
    if workload.retune_every_months is None and workload.growth_per_month == 0.0:
        once, saved = float(ours.lump[0, 0]), float(theirs.flow[0, 0] - ours.flow[0, 0])
        return once / saved if saved > 0 else None
    crossing = float(break_even(ours, theirs)[0])
    return None if np.isnan(crossing) else crossing


def _spent_by(spent: Spent, month: float) -> float:
    """Return what a service has cost by a time within its months."""
    ends = np.arange(spent.flow.shape[1] + 1)
    return float(np.interp(month, ends, np.concatenate([[0.0], spent.by_end[0]])))


def _draw(ranges: Mapping[str, Range]) -> Draws:
    """Draw every range; a key's draws depend on its name and ends only."""
    taken = {}
    for key, r in ranges.items():
        rng = np.random.default_rng(seed_of("cost", key))
        taken[key] = rng.triangular(r.low, r.likely, r.high, DRAWS)
    return Draws(DRAWS, taken)


def _simulated(
    local: Local, service: Service, draws: Draws, migration_usd: float
) -> tuple[Numbers, Numbers]:
    """Return break-even (NaN where it does not come) and saving of each draw."""
    horizon = local.workload.months[-1]
    ours = local_months(local, horizon, draws, migration_usd).spent
    theirs = service_months(local.workload, service, horizon, draws)
    return break_even(ours, theirs), theirs.by_end[:, -1] - ours.by_end[:, -1]


def _spread(values: Numbers) -> Spread:
    missing = np.isnan(values)
    ordered = np.where(missing, np.inf, values)
    low, high = np.quantile(ordered, [TAIL, 1 - TAIL], method="inverted_cdf")
    return Spread(
        draws=len(values),
        low=float(low) if np.isfinite(low) else None,
        high=float(high) if np.isfinite(high) else None,
        never=float(missing.mean()),
    )


def _tornado(local: Local, service: Service, migration_usd: float) -> tuple[Swing, ...]:
    found = []
    for key, r in ranges_of(local, service).items():
        ends = Draws(2, {key: np.array([r.low, r.high])})
        _, (at_low, at_high) = _simulated(local, service, ends, migration_usd)
        found.append(
            Swing(
                key=key,
                low=r.low,
                high=r.high,
                saved_at_low=float(at_low),
                saved_at_high=float(at_high),
            )
        )
    return tuple(sorted(found, key=lambda s: -abs(s.saved_at_high - s.saved_at_low)))


def _service_line(service: Service, spent: Spent, workload: Workload) -> ServiceLine:
    return ServiceLine(
        name=service.name,
        usd=_at(spent, workload.months),
        path=_path(spent),
        tokens_usd=float(spent.flow[0, 0]),
        price=_price(service.rates, workload),
        source=service.rates.source,
    )


def _price(rates: Rates, workload: Workload) -> str:
    """Say the prices that count; those of a cache or of batches only where they are used."""
    parts = [f"{ranged(rates.input, rate)} in"]
    if rates.cached_input is not None and workload.cached_share != 0.0:
        parts.append(f"{ranged(rates.cached_input, rate)} in from its cache")
    parts.append(f"{ranged(rates.output, rate)} out")
    said = f"{', '.join(parts)} per million tokens"
    if workload.batch_share == 0.0:
        return said
    if rates.batch_input is not None and rates.batch_output is not None:
        said += f"; batches {ranged(rates.batch_input, rate)} in"
        said += f", {ranged(rates.batch_output, rate)} out"
    return said


def _local_line(
    local: Local, found: LocalMonths, months: Sequence[int], migration_usd: float
) -> LocalLine:
    return LocalLine(
        name=local.workload.local_name,
        usd=_at(found.spent, months),
        path=_path(found.spent),
        tuning_usd=float(found.tuning[0]),
        migration_usd=migration_usd,
        hardware_usd=float(found.bought[0, 0]),
        servers=(int(found.servers[0, 0]), int(found.servers[0, -1])),
        kwh=float(found.kwh[0, 0]),
        electricity_usd=float(found.electricity[0, 0]),
        rent_usd=float(found.rent[0, 0]),
        escalated_usd=float(found.escalated[0, 0]),
        retunings=int(found.retunings[0, -1]),
    )


def _at(spent: Spent, months: Sequence[int]) -> tuple[float, ...]:
    return tuple(float(spent.by_end[0, month - 1]) for month in months)


def _path(spent: Spent) -> tuple[tuple[float, float], ...]:
    """Return the corners of a line: where a month ends, and after what is paid as it begins."""
    corners: list[tuple[float, float]] = []
    for month, (start, end) in enumerate(zip(spent.by_start[0], spent.by_end[0], strict=True)):
        if not corners or spent.lump[0, month] > 0:
            corners.append((float(month), float(start)))
        corners.append((month + 1.0, float(end)))
    return tuple(corners)
