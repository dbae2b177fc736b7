"""A forecast held against the limits of a run: its budget, daily caps, and time. In words."""

from collections.abc import Iterator, Sequence

from llamaduo.experiment import Experiment
from llamaduo.forecast.figures import Line, summed
from llamaduo.service import Service


def held(
    exp: Experiment, lines: Sequence[Line], services: Sequence[Service], spent: float
) -> Iterator[str]:
    """Yield what the limits come to.

    Args:
        lines: in the order of the loop.
        spent: dollars the run has paid already.
    """
    if exp.budget_usd is not None and lines:
        yield budget(lines, exp.budget_usd, spent)
    for service in services:
        own = [line for line in lines if line.service == service.name]
        cap = service.limits.usd_per_day
        if cap is not None and own:
            yield daily(service.name, own, cap)
        tokens = service.limits.tokens_per_minute
        if tokens is not None:
            yield from too_large(service.name, own, tokens)
    yield from each_round(lines)
    yield from time(lines)


def each_round(lines: Sequence[Line]) -> Iterator[str]:
    """Yield what a round after the first adds, where there may be one."""
    later = [line for line in lines if line.round is not None and not line.sure]
    count = max((line.round or 0 for line in later), default=0)
    if count:
        usd = summed(later, "").usd.divided(count)
        yield (
            f"each round after the first adds {dollars(usd.low)} to {dollars(usd.high)} likely, "
            "with the rows written for it"
        )


def budget(lines: Sequence[Line], budget: float, spent: float) -> str:
    """Say whether a budget lasts, and where it would end."""
    total = summed([line.counted() for line in lines], "")
    name = f"the budget of {dollars(budget)}"
    if spent > budget:
        return f"{name} is less than the {dollars(spent)} that this run has paid already"
    if total.usd.most <= budget:
        return f"{name} cannot be reached"
    early = _ends(lines, budget, likely=False)
    if early is None:
        return (
            f"{name} will likely not be reached; at most, all would cost {dollars(total.usd.most)}"
        )
    late = _ends(lines, budget, likely=True)
    if total.usd.low > budget:
        assert late is not None, "a sum over the budget passes it somewhere"
        return f"{name} will likely stop it {_between(early, late)}"
    tail = f", {_between(early, late)}" if late else f", in {early} at the earliest"
    return f"{name} may stop it{tail}; it goes on with a larger one, and pays nothing twice"


def _between(early: str, late: str | None) -> str:
    return f"in {early}" if late in (early, None) else f"between {early} and {late}"


def _ends(lines: Sequence[Line], budget: float, *, likely: bool) -> str | None:
    """Return in which stage the budget is passed, if all rounds are run; None if in none.

    Args:
        likely: by the low ends; else by the high ones, which pass it first.
    """
    paid = 0.0
    for line in lines:
        paid += line.usd.low if likely else line.usd.high
        if paid > budget:
            return f"round {line.round}" if line.round is not None else f"`{line.name}`"
    return None


def daily(name: str, lines: Sequence[Line], cap: float) -> str:
    """Say how many days a cap stretches the calls of one service over."""
    usd = summed([line.counted() for line in lines], "").usd
    said = f"{name}: the cap of {dollars(cap)} a day"
    if usd.most <= cap:
        return f"{said} cannot be reached by this run alone"
    if not cap:
        return f"{said} lets out no call of it that costs anything"
    if usd.high <= cap:
        return f"{said} will likely not be reached by this run alone"
    low, high = (max(-int(-one // cap), 1) for one in (usd.low, usd.high))
    days = f"{high} days" if low == high else f"{low} to {high} days"
    return f"{said} stretches its calls over {days} likely, with nothing else paid there"


def too_large(name: str, lines: Sequence[Line], limit: int) -> Iterator[str]:
    """Yield which calls of one service have, or may have, more tokens than a minute may."""
    for line in lines:
        likely, most = line.largest
        if most > limit:
            can = "counts" if likely > limit else "may count"
            yield (
                f"{name}: a call of `{line.name}` {can} as {max(likely, most):,} tokens, and "
                f"tokens_per_minute is {limit:,}: such a call is never sent, and the run stops "
                "there; raise tokens_per_minute, or lower max_tokens"
            )
            return


def time(lines: Sequence[Line]) -> Iterator[str]:
    """Yield how long the calls take: timed by others like them, or by the limits of a minute."""
    live = [line for line in lines if not line.batch]
    timed = [line.counted() for line in live if line.seconds is not None]
    if timed:
        total = summed(timed, "").seconds
        assert total is not None, "all of them are timed"
        rest = len(live) - len(timed)
        but = (
            f"; {rest} of {len(live)} stages were never timed here, and have no limit"
            if rest
            else ""
        )
        yield f"the calls take {span(total[0])} to {span(total[1])} likely{but}"
    batches = [line for line in lines if line.batch]
    if batches:
        sure = sum(line.sure for line in batches)
        yield (
            f"{sure} to {len(batches)} stages are handed in as batches, one after the other, each "
            "over within a day; a judge that may spare repeats hands in one for each turn of them"
        )


def span(seconds: float) -> str:
    """Write a time."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def dollars(usd: float) -> str:
    """Write dollars, with as many digits as small sums need."""
    if usd >= 1:
        return f"${usd:,.2f}"
    whole, _, part = f"{usd:.4f}".partition(".")
    return f"${whole}.{part.rstrip('0'):0<2}" if float(part) or not usd else f"${usd:.1g}"
