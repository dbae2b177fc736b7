"""Whether the judges of a panel agree with each other, and a judge with a person. Pure."""

import math
from collections import defaultdict
from collections.abc import Sequence
from statistics import fmean

import numpy as np

from llamaduo.audit.limits import ALPHA, FEWEST, FLAT, INTERVAL, LEVEL, PERSON, TAU
from llamaduo.audit.repeats import by_member
from llamaduo.findings import Finding
from llamaduo.intervals import Floats, Interval, bounded_mean, z_of
from llamaduo.records import Judgement, Score

GROUPS = 20
"""Of prompts, that are left out in turn to find how far alpha would stray."""
MOST = 500
"""Prompts that alpha is worked out on, spread evenly where there are more: its table of who
gave what holds 10,000 cells a prompt."""

Scored = tuple[Judgement, Score]
"""A judgement, and the marks that a person gave the same answer."""


def panel(judgements: Sequence[Judgement], mark: str) -> Finding:
    """Say how far the members of a panel agree, by Krippendorff's alpha for intervals.

    As in coverage, a prompt's mark is the mean over its answers, and one observation.

    A low alpha is no flag where the marks hardly vary and the members' own repeats stray as
    much: then nobody could agree on an order.

    Args:
        judgements: of one model on the test prompts, by two members or more.
        mark: `similarity` or `precision`.
    """
    name = f"agreement within the panel, {mark}"
    members = sorted({m.by for j in judgements for m in j.marks})
    table, noise = _table(judgements, members, mark)
    n = table.shape[1]
    value = _alpha(table) if n >= FEWEST else None
    if value is None:
        return Finding(
            name=name,
            value=None,
            n=n,
            unit="alpha",
            says=f"how far the panel agrees on {mark} could not be measured: {n} prompts are "
            f"marked by two members or more, {FEWEST} are needed, and marks that differ",
        )
    low, high = _left_out_in_turn(table, value)
    reach = None if noise is None else 1 - noise / float(np.nanvar(table, ddof=1))
    means = ", ".join(
        f"{by or 'the judge'} {np.nanmean(row):.1f}" for by, row in zip(members, table, strict=True)
    )
    said = (
        f"the panel agrees on {mark} with a Krippendorff's alpha of {value:.2f}, {INTERVAL} "
        f"{low:.2f} to {high:.2f}, {n} prompts; flagged where all of it is under {ALPHA:g}. "
        f"Mean marks: {means}"
    )
    if reach is None:
        said += ". Not flagged: without repeats nobody knows what noise alone would leave"
    elif reach < ALPHA:
        said += (
            f". Not flagged: the marks vary so little that with the noise of repeats "
            f"even like-minded members would come to no more than {max(reach, 0):.2f}"
        )
    return Finding(
        name=name,
        value=value,
        low=low,
        high=high,
        n=n,
        unit="alpha",
        flagged=high < ALPHA and reach is not None and reach >= ALPHA,
        says=said,
    )


def person(scored: Sequence[Scored], mark: str) -> tuple[Finding, ...]:
    """Say how near the judge is to a person: in points, and in the order of the answers.

    Args:
        scored: answers that both gave marks; those without the judge's are passed over.
        mark: `similarity` or `precision`.
    """
    pairs = [(getattr(j.score, mark), getattr(s, mark)) for j, s in scored if j.score is not None]
    ours, theirs = np.array(pairs, dtype=float).reshape(-1, 2).T
    return (_distance(ours, theirs, mark), *_order(ours, theirs, mark))


def _distance(ours: Floats, theirs: Floats, mark: str) -> Finding:
    name, n = f"distance from a person, {mark}", len(ours)
    if not n:
        return Finding(name=name, value=None, n=0, unit="points", says=_nothing(name))
    apart = np.abs(ours - theirs)
    low, high = bounded_mean(apart, least=0.0, most=100.0, level=LEVEL)
    return Finding(
        name=name,
        value=float(apart.mean()),
        low=low,
        high=high,
        n=n,
        unit="points",
        says=f"{mark} is {apart.mean():.1f} points from a person's on average (MAE), {INTERVAL} "
        f"{low:.1f} to {high:.1f}, {n} answers, and {fmean(ours - theirs):+.1f} with its sign; "
        "never flagged, since a threshold can be moved",
    )


def _order(ours: Floats, theirs: Floats, mark: str) -> tuple[Finding, Finding]:
    """Return Spearman's and Kendall's correlation.

    Intervals: Bonett and Wright 2000, "Sample size requirements for estimating Pearson,
    Kendall and Spearman correlations".
    """
    from scipy.stats import kendalltau, spearmanr

    names = f"order beside a person, {mark} (Spearman)", f"order beside a person, {mark} (Kendall)"
    n = len(ours)
    if n < FEWEST or np.ptp(ours) == 0 or np.ptp(theirs) == 0:
        why = f": {n} answers, {FEWEST} are needed, and marks that differ on both sides"
        rho_, tau_ = (
            Finding(name=name, value=None, n=n, unit=unit, says=_nothing(name) + why)
            for name, unit in zip(names, ("rho", "tau"), strict=True)
        )
        return rho_, tau_
    rho, tau = float(spearmanr(ours, theirs)[0]), float(kendalltau(ours, theirs)[0])
    rho_low, rho_high = _fisher(rho, math.sqrt((1 + rho**2 / 2) / (n - 3)))
    low, high = _fisher(tau, math.sqrt(0.437 / (n - 4)))
    flat = float(np.std(theirs, ddof=1)) < FLAT
    said = (
        f"of the answers' order by {mark} judge and person have a Kendall's tau of {tau:.2f}, "
        f"{INTERVAL} {low:.2f} to {high:.2f}, {n} answers; flagged where all of it is under "
        f"{TAU:.2f}, two pairs of three in the same order"
    )
    if n < PERSON:
        said += f". Not flagged: {PERSON} answers are needed"
    elif flat:
        said += f". Not flagged: the person's marks hardly differ (under {FLAT:g} points)"
    return (
        Finding(
            name=names[0],
            value=rho,
            low=rho_low,
            high=rho_high,
            n=n,
            unit="rho",
            says=f"of the answers' order by {mark} judge and person have a Spearman's rho of "
            f"{rho:.2f}, {INTERVAL} {rho_low:.2f} to {rho_high:.2f}, {n} answers; never "
            "flagged, Kendall's is",
        ),
        Finding(
            name=names[1],
            value=tau,
            low=low,
            high=high,
            n=n,
            unit="tau",
            flagged=high < TAU and n >= PERSON and not flat,
            says=said,
        ),
    )


def _fisher(value: float, error: float) -> Interval:
    """Return the interval of a correlation whose inverse tangent has that standard error."""
    middle = math.atanh(min(max(value, -1 + 1e-9), 1 - 1e-9))
    half = z_of(LEVEL) * error
    return math.tanh(middle - half), math.tanh(middle + half)


def _table(
    judgements: Sequence[Judgement], members: Sequence[str], mark: str
) -> tuple[Floats, float | None]:
    """Return each member's mean mark of each prompt, and what noise there is in them.

    Returns:
        Shape (members, prompts), whole points, NaN where a member has none; and the variance
        of such a mean by repeats alone, None where a member has no repeats.
    """
    prompts: dict[str, list[dict[str, list[float]]]] = defaultdict(list)
    squares: dict[str, float] = defaultdict(float)
    freedom: dict[str, int] = defaultdict(int)
    for judgement in judgements:
        given = {
            by: [float(getattr(m, mark)) for m in of]
            for by, of in by_member(judgement.marks).items()
        }
        if len(given) > 1:
            prompts[judgement.answer.example.id].append(given)
            for by, values in given.items():
                squares[by] += sum((v - fmean(values)) ** 2 for v in values)
                freedom[by] += len(values) - 1
    rows = list(prompts.values())
    rows = [rows[i * len(rows) // MOST] for i in range(MOST)] if len(rows) > MOST else rows
    table = np.full((len(members), len(rows)), np.nan)
    shares: list[tuple[str, float]] = []
    for column, row in enumerate(rows):
        for line, by in enumerate(members):
            of = [given[by] for given in row if by in given]
            if of:
                table[line, column] = round(fmean(map(fmean, of)))
                shares.append((by, sum(1 / len(values) for values in of) / len(of) ** 2))
    if not shares or not all(freedom[by] for by, _ in shares):
        return table, None
    return table, fmean(squares[by] / freedom[by] * share for by, share in shares)


def _alpha(table: Floats) -> float | None:
    """Return Krippendorff's alpha; None where there is but one value."""
    import krippendorff

    if not table.size or np.nanmax(table) == np.nanmin(table):
        return None
    return float(krippendorff.alpha(reliability_data=table, level_of_measurement="interval"))


def _left_out_in_turn(table: Floats, value: float) -> Interval:
    """Return alpha's interval by the jackknife over groups of prompts, on the log of 1 - alpha.

    Some group could hold all that differs; the prompts without it then have no alpha, and
    the interval is left as wide as can be.
    """
    from scipy.stats import t

    groups = min(table.shape[1], GROUPS)
    of = np.arange(table.shape[1]) % groups
    without = [_alpha(table[:, of != group]) for group in range(groups)]
    logs = [math.log(max(1 - a, 1e-9)) for a in without if a is not None]
    if len(logs) < groups:
        return -1.0, 1.0
    error = math.sqrt((groups - 1) / groups * float(((np.array(logs) - fmean(logs)) ** 2).sum()))
    half = float(t.ppf(0.5 + LEVEL / 2, groups - 1)) * error
    apart = max(1 - value, 1e-9)
    return 1 - apart * math.exp(half), 1 - apart * math.exp(-half)


def _nothing(name: str) -> str:
    return f"{name}: could not be measured"
