"""What every figure of a projection rests on, in rows of name and text."""

from textwrap import wrap

from llamaduo.cost.months import Service, locals_of, services_of
from llamaduo.cost.words import months, percent, ranged, rate, servers, usd
from llamaduo.loads import Load
from llamaduo.projection import LocalLine, Projection
from llamaduo.workload import Workload
from llamaduo.workload.ranges import likely
from llamaduo.workload.throughput import SPEEDS

NOT_COUNTED = ("people", "room", "network", "cooling", "repairs")
"""Of the local model; where they matter they belong into `tuning_usd` or `server_usd`."""

WIDTH = 96
"""Characters of a line; a name that is long leaves the text 40 at least."""

APART = 1.5
"""A workload whose tokens read for each written differ by this factor from those of the
measurement is another one."""

Rows = list[tuple[str, str]]


def assumptions(workload: Workload, projection: Projection) -> list[str]:
    """Return lines that name every input with its unit, its source and what is left out."""
    rows = [*_tokens(workload)]
    several = len(projection.services) > 1
    for line in projection.services:
        name = f"price, {line.name}" if several else "price"
        rows += [(name, line.price), ("", line.source)]
    for service in services_of(workload):
        rows += _unpriced(workload, service, several)
    several = len(projection.locals) > 1
    for local, seen in zip(locals_of(workload), projection.locals, strict=True):
        of = f", {seen.name}" if several else ""
        rows += [
            (f"{name}{of}" if name else "", text) for name, text in _local(local.workload, seen)
        ]
    if projection.locals[0].migration_usd:
        said = f"{usd(projection.locals[0].migration_usd)}, once: service calls of the migration"
        rows.append(("migration", said))
    rows.append(("not counted", ", ".join([*NOT_COUNTED, *_left_out(workload, projection)])))
    if projection.tornado or any(pair.break_even for pair in projection.pairs):
        rows.append(
            ("ranges", "triangular, each independent of the others; totals at likely values")
        )
    width = max(len(name) for name, _ in rows)
    lines = []
    for name, text in rows:
        first, *more = wrap(
            text, max(WIDTH - width, 40), break_on_hyphens=False, break_long_words=False
        )
        lines += [f"{name:<{width}}  {first}", *(f"{'':<{width}}  {one}" for one in more)]
    return lines


def _tokens(workload: Workload) -> Rows:
    said = (
        f"{ranged(workload.input_tokens_per_day)} in, "
        f"{ranged(workload.output_tokens_per_day)} out a day; "
        f"{ranged(workload.days_per_month)} days a month"
    )
    rows = [("tokens", said)]
    if workload.growth_per_month != 0.0:
        rows.append(("growth", f"{ranged(workload.growth_per_month, percent)} a month"))
    if workload.cached_share != 0.0:
        share = ranged(workload.cached_share, percent)
        rows.append(("cache", f"{share} of prompt tokens read from the service's, batches apart"))
    if workload.batch_share != 0.0:
        share = ranged(workload.batch_share, percent)
        rows.append(("batches", f"{share} of tokens wait for the service's batch API"))
    if workload.escalated_share != 0.0:
        share = ranged(workload.escalated_share, percent)
        rows.append(
            (
                "escalated",
                f"{share} of tokens stay with {workload.service_name}, at its price, a cost of the "
                "local model; its servers are as many as all tokens need",
            )
        )
    return rows


def _unpriced(workload: Workload, service: Service, several: bool) -> Rows:
    """Say where a share has no price of its own and counts at the full one."""
    of = f" of {service.name}" if several else ""
    rows = []
    if workload.cached_share != 0.0 and service.rates.cached_input is None:
        rows.append(("", f"no price{of} for its cache is known: those tokens at the full price"))
    if workload.batch_share != 0.0 and service.rates.batch_input is None:
        rows.append(("", f"no batch price{of} is known: those tokens at the full price"))
    return rows


def _local(workload: Workload, line: LocalLine) -> Rows:
    return [*_tuning(workload, line), *_hardware(workload, line)]


def _tuning(workload: Workload, line: LocalLine) -> Rows:
    said = ranged(workload.tuning_usd, usd)
    if workload.tuning_hours != 0.0:
        hours = ranged(workload.tuning_hours)
        said += f" and {hours} hours at {ranged(workload.tuning_usd_per_hour, rate)}"
    if workload.retune_every_months is None:
        return [("fine-tuning", f"{said}, once")]
    again = f"again every {ranged(workload.retune_every_months)} months"
    times = "once" if line.retunings == 1 else f"{line.retunings} times"
    by = months(workload.months[-1])
    return [("fine-tuning", f"{said}, and {again}: {times} more within {by}")]


def _hardware(workload: Workload, line: LocalLine) -> Rows:
    first, last = line.servers
    on = servers(first) + (f", {last:,} in the last month" if last != first else "")
    hours = f"{ranged(workload.hours_per_month)} hours a month"
    if workload.usd_per_server_hour is not None:
        rent = ranged(workload.usd_per_server_hour, rate)
        rows = [("hardware", f"{on}, rented at {rent} an hour, {hours}, electricity in it")]
    else:
        assert workload.server_usd is not None and workload.watts_per_server is not None
        assert workload.usd_per_kwh is not None  # a bought server has all three
        watts, kwh = ranged(workload.watts_per_server), ranged(workload.usd_per_kwh, rate)
        rows = [
            ("hardware", f"{on} at {ranged(workload.server_usd, usd)}, once"),
            ("electricity", f"{watts} W a server, {hours}, {kwh} a kWh"),
        ]
    return [*rows, *_measured(workload)]


def _measured(workload: Workload) -> Rows:
    measured = workload.throughput
    if measured is None:
        return []
    peak = f"peak {ranged(measured.peak_to_mean)} times the mean"
    load = measured.load()
    if load is not None:
        return [*_by_load(workload, load), ("", peak)]
    given = [getattr(measured, name) for name in SPEEDS]
    written, read, sequences, memory, context = map(ranged, given)
    return [
        (
            "throughput",
            f"{written} tokens/s written with {sequences} sequences at once, {read} tokens/s "
            "read, by one server",
        ),
        ("", f"memory for {memory} tokens beside the weights, {context} a sequence; {peak}"),
    ]


def _by_load(workload: Workload, load: Load) -> Rows:
    """Say what a load test saw at its knee, and how far the workload is from what it sent."""
    knee = load.knee
    assert knee is not None and knee.whole is not None  # refused otherwise, when it is read
    rows = [
        (
            "throughput",
            f"{knee.output_tokens_per_s:.4g} tokens/s written and {knee.prompt_tokens_per_s:.4g} "
            f"read by one server, at {knee.rate:g} requests/s with {knee.in_flight:.1f} sequences "
            f"at once; p95 {knee.whole.p95:,.0f} ms, n = {knee.whole.n} answers",
        ),
        ("", f"{load.said()}, by {load.tool}; {load.prompts} prompts of its task"),
    ]
    if not load.beyond:
        rows.append(("", "no higher rate was tried: it may do more than this"))
    seen = knee.prompt_tokens / knee.output_tokens
    written = likely(workload.output_tokens_per_day)
    if written:
        asked = likely(workload.input_tokens_per_day) / written
        if not seen / APART <= asked <= seen * APART:
            rows.append(
                (
                    "",
                    f"the workload reads {asked:.3g} tokens for each it writes, and {seen:.3g} "
                    "were read in the measurement: servers are counted for the worse of the two",
                )
            )
    return rows


def _left_out(workload: Workload, projection: Projection) -> list[str]:
    left = []
    if workload.retune_every_months is None:
        left.append("tuning again")
    else:
        left.append("service calls of tuning again")
    if not projection.locals[0].migration_usd:
        left.append("service calls of the migration")
    if workload.growth_per_month != 0.0 and workload.servers != "auto":
        left.append("servers for the tokens that are added")
    return left
