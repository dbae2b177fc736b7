"""Money over months: the service against a model of one's own. Arithmetic only."""

from collections.abc import Sequence

from llamaduo.findings import Projection
from llamaduo.workload import Claims, Workload


def project(workload: Workload) -> Projection:
    """Add up what both sides have cost by each month of `workload`.

    The break-even is exact, not rounded to a month: it is the point at which the
    one-off costs equal what has been saved. It is None where the local model's
    electricity costs as much as the service or more, so that it never comes.
    """
    saved = workload.service_usd_per_month - workload.local_usd_per_month
    return Projection(
        months=workload.months,
        service_usd=tuple(_service_usd(workload, month) for month in workload.months),
        local_usd=tuple(_local_usd(workload, month) for month in workload.months),
        break_even_month=workload.once_usd / saved if saved > 0 else None,
    )


def table(workload: Workload, projection: Projection) -> str:
    """Lay a projection out for a terminal: ASCII, whole dollars, no trailing newline.

    Args:
        workload: what `projection` was made from; its assumptions are printed below.
        projection: one row of totals is printed for each of its months.
    """
    kwh = f"{workload.kwh_per_month:,.0f} kWh"
    tokens = (
        f"{_millions(workload.input_tokens_per_month)} in, "
        f"{_millions(workload.output_tokens_per_month)} out"
    )
    costs = [
        ("", workload.local_name, workload.service_name, "saved"),
        ("fine-tuning, once", _usd(workload.tuning_usd), "-", ""),
        (_servers(workload) + ", once", _usd(workload.servers * workload.server_usd), "-", ""),
        (f"electricity, a month ({kwh})", _usd(workload.local_usd_per_month), "-", ""),
        (f"tokens, a month ({tokens})", "-", _usd(workload.service_usd_per_month), ""),
        ("", "", "", ""),
    ]
    totals = [
        (f"total, {_months(month)}", _usd(local), _usd(service), _usd(service - local))
        for month, local, service in zip(
            projection.months, projection.local_usd, projection.service_usd, strict=True
        )
    ]
    lines = [
        f"{workload.name} workload: {workload.local_name} against {workload.service_name}",
        "",
        *_columns(costs + totals),
        "",
        f"break-even: {_break_even(workload, projection)}",
        "",
        "Assumptions",
        *_assumptions(workload),
    ]
    differences = against_print(workload)
    if differences:
        lines += ["", "Where the paper has another figure", *(f"  {d}" for d in differences)]
    return "\n".join(lines)


def against_print(workload: Workload) -> tuple[str, ...]:
    """Say, one sentence each, where the paper's figures are not what the arithmetic gives.

    Empty where `workload` holds no printed figures, or all of them agree to the dollar.
    With assumptions other than the paper's this is how far one is from the paper; with
    the paper's own it is where its print does not add up.
    """
    found = []
    for month, (local, service) in sorted((workload.printed or {}).items()):
        for name, printed, computed in (
            (workload.local_name, local, _local_usd(workload, month)),
            (workload.service_name, service, _service_usd(workload, month)),
        ):
            if _usd(printed) != _usd(computed):
                found.append(
                    f"{name}, {_months(month)}: the table prints {_usd(printed)}; "
                    f"the assumptions add up to {_usd(computed)}"
                )
    if workload.claims:
        found += _against_claims(workload, workload.claims)
    return tuple(found)


def _against_claims(workload: Workload, claims: Claims) -> list[str]:
    found = []
    tokens, day = claims.output_tokens_per_day, workload.input_tokens_per_day
    claimed, computed = claims.service_usd_per_day, workload.price.usd(day, tokens)
    if _usd(claimed) != _usd(computed):
        table_day = workload.price.usd(day, workload.output_tokens_per_day)
        found.append(
            f"{workload.service_name}, a day: the text has {_millions(tokens)} output tokens for "
            f"{_usd(claimed)}; they cost {_usd(computed)}, "
            f"and {_millions(workload.output_tokens_per_day)} cost {_usd(table_day)}"
        )
    month = claims.cheaper_after_months
    local, service = _local_usd(workload, month), _service_usd(workload, month)
    if service <= local:
        found.append(
            f"{_months(month)}: the text has {workload.service_name} cost more by then; "
            f"it is {_usd(service)} against {_usd(local)}"
        )
    return found


def _local_usd(workload: Workload, month: int) -> float:
    return workload.once_usd + month * workload.local_usd_per_month


def _service_usd(workload: Workload, month: int) -> float:
    return month * workload.service_usd_per_month


def _break_even(workload: Workload, projection: Projection) -> str:
    if projection.break_even_month is None:
        return (
            f"never; a month of electricity is {_usd(workload.local_usd_per_month)}, "
            f"of {workload.service_name} {_usd(workload.service_usd_per_month)}"
        )
    return f"{projection.break_even_month:,.2f} months"


def _assumptions(workload: Workload) -> list[str]:
    price = workload.price
    rows = (
        (
            "tokens",
            f"{workload.input_tokens_per_day:,} in, {workload.output_tokens_per_day:,} out a day; "
            f"{workload.days_per_month:g} days a month",
        ),
        ("price", f"{_rate(price.input)} in, {_rate(price.output)} out per million tokens"),
        ("", f"as of {price.as_of}, from {price.source}"),
        ("fine-tuning", f"{_usd(workload.tuning_usd)}, once"),
        ("hardware", f"{_servers(workload)} at {_usd(workload.server_usd)}, once"),
        (
            "electricity",
            f"{workload.watts_per_server:g} W a server, {workload.hours_per_month:g} hours a "
            f"month, {_rate(workload.usd_per_kwh)} a kWh",
        ),
        ("not counted", "people, room, network, cooling, repairs, tuning again"),
    )
    width = max(len(name) for name, _ in rows)
    return [f"  {name:<{width}}  {text}" for name, text in rows]


def _columns(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Align the first column left and the others right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if i else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _usd(amount: float) -> str:
    whole = round(amount)
    return f"-${-whole:,}" if whole < 0 else f"${whole:,}"


def _rate(dollars: float) -> str:
    """Write a price with its cents, and with what is finer than a cent where there is any."""
    return f"${dollars:.2f}" if dollars == round(dollars, 2) else f"${dollars:g}"


def _millions(tokens: int) -> str:
    return f"{tokens / 1e6:,.10g}M"


def _months(count: int) -> str:
    return f"{count} month" if count == 1 else f"{count} months"


def _servers(workload: Workload) -> str:
    return f"{workload.servers} server" if workload.servers == 1 else f"{workload.servers} servers"
