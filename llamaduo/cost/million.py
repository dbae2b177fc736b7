"""What a million tokens cost on a server of one's own that was measured, beside the services'."""

from llamaduo.cost.months import services_of
from llamaduo.cost.words import number, rate
from llamaduo.records import Record
from llamaduo.workload import Workload
from llamaduo.workload.price import Rates
from llamaduo.workload.ranges import likely


class PerMillion(Record):
    """Dollars for a million tokens written, with the tokens that are read for them."""

    read: float
    """Tokens read for each that is written, as measured."""
    running_usd: float
    """Electricity or rent of one server that is busy at its knee all its hours."""
    bought_usd: float
    """Its purchase, spread over the months; 0 for a rented one."""
    services: tuple[tuple[str, float], ...]
    """What each service asks for the same tokens, by name, at its full price."""


def per_million(workload: Workload) -> PerMillion | None:
    """Return it at the likely value of every input; None where nothing was measured.

    Tokens of a month = tokens written a second at the knee * 3600 * `hours_per_month`.

    Raises:
        UsageError: for a measurement that is none, or a price that is not there.
    """
    load = None if workload.throughput is None else workload.throughput.load()
    if load is None or load.knee is None:
        return None
    hours = likely(workload.hours_per_month)
    millions = load.knee.output_tokens_per_s * 3600 * hours / 1e6
    if workload.usd_per_server_hour is not None:
        month, bought = hours * likely(workload.usd_per_server_hour), 0.0
    else:
        assert workload.watts_per_server is not None and workload.usd_per_kwh is not None
        assert workload.server_usd is not None  # a bought server has all three
        kwh = hours * likely(workload.watts_per_server) / 1000
        month = kwh * likely(workload.usd_per_kwh)
        bought = likely(workload.server_usd) / workload.months[-1]
    read = load.knee.prompt_tokens / load.knee.output_tokens
    return PerMillion(
        read=read,
        running_usd=month / millions,
        bought_usd=bought / millions,
        services=tuple((one.name, _asked(one.rates, read)) for one in services_of(workload)),
    )


def lines(workload: Workload) -> list[str]:
    """Say it, a line each; nothing where nothing was measured."""
    found = per_million(workload)
    if found is None:
        return []
    hours = number(likely(workload.hours_per_month))
    what = "electricity" if workload.usd_per_server_hour is None else "rent"
    own = f"{dollars(found.running_usd)} of {what}"
    if found.bought_usd:
        own += (
            f" and {dollars(found.bought_usd)} of its price, spread over "
            f"{workload.months[-1]} months"
        )
    rows = [
        f"a million tokens written, {found.read:.3g} read for each:",
        f"  a server of one's own, busy as measured {hours} hours a month: {own}",
        *(f"  {name}: {dollars(usd)}" for name, usd in found.services),
        "  hours in which it waits for requests cost the same; the totals above have them",
    ]
    return [*rows, ""]


def dollars(amount: float) -> str:
    """Write dollars with cents, and three digits of what is less than a cent."""
    return rate(round(amount, 2)) if amount >= 0.01 else f"${amount:.3g}"


def _asked(rates: Rates, read: float) -> float:
    return likely(rates.output) + read * likely(rates.input)
