"""Whether another round is worth its price. Pure."""

from llamaduo.findings import Measure


def not_worth_it(gain: Measure, *, next_usd: float, usd_per_point: float) -> str:
    """Say so if another round like the last cannot be worth what it costs; else "".

    It is given up on only where even the upper end of what the last round may have gained
    would not be worth the next one's price. A gain that is not known yet is no reason to stop.

    Args:
        gain: coverage of the last round less that of the one before, in points, on the same
            prompts, with its interval (`metrics.difference`).
        next_usd: service dollars that the next round would cost; the last one's, say.
        usd_per_point: what one point of coverage is worth to the user, in dollars.
    """
    if gain.high is None:
        return ""
    most = f"the last round added {gain.high:.1f} points of coverage at most"
    by = f"({gain.value:+.1f}, {100 * gain.level:.4g} % interval {gain.low:+.1f} to "
    by += f"{gain.high:+.1f}, n = {gain.n})"
    if gain.high <= 0:
        return f"the last round added no coverage {by}"
    worth = gain.high * usd_per_point
    if worth >= next_usd:
        return ""
    return (
        f"{most} {by}, worth ${worth:,.2f} at ${usd_per_point:g} a point, and the next would cost "
        f"${next_usd:,.2f}"
    )
