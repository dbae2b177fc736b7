"""Whether another round is worth what it costs. Pure."""

from llamaduo.findings import Measure


def not_worth_it(gain: Measure, price: float, usd_per_point: float) -> str:
    """Say so if even the upper end of what the last round gained is not worth its price.

    Data pays less and less, so the next round is taken to gain no more than the last, and
    to cost as much.

    Args:
        gain: of coverage in points, prompt by prompt, with its interval.
        price: dollars of the last round.
        usd_per_point: dollars that one point of coverage is worth.

    Returns:
        A sentence, or "" where another round may be worth it.
    """
    if gain.high is None or gain.value is None or price <= max(gain.high, 0.0) * usd_per_point:
        return ""
    return (
        f"another round is not worth its price: the last gained {gain.value:+.1f} points "
        f"({gain.low:+.1f} to {gain.high:+.1f}, n = {gain.n}) for ${price:.4f}, and a point "
        f"is worth ${usd_per_point:g}"
    )
