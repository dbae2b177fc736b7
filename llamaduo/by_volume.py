"""What runs say of data volume: points of a curve, and scores by rows tuned on. Pure."""

from collections import defaultdict
from collections.abc import Iterable

from llamaduo.comparison import Finished
from llamaduo.findings import Point
from llamaduo.scores import ScoreRow

Kind = tuple[str, str, str]
"""Local model, teaching service, judge."""


def kind_of(run: Finished) -> Kind:
    """Return what the points of one curve have in common."""
    return run.result.local, run.result.service, run.result.judge


def began_from(run: Finished) -> str:
    """Return the adapter that a run's tuning went on from; empty where it began anew."""
    found = run.settings.get("local.adapter", "null")
    return "" if found == "null" else found


def volumes(runs: Iterable[Finished]) -> dict[Kind, list[Point]]:
    """Return a point for each model that steering judged: every round of every run.

    The sealed test has no say in how many rows to buy. A round that several runs share is
    one point, and a round without a judged prompt none. Only what has points at two volumes
    or more is in it, and no run that began from an adapter: what that was tuned on before is
    not among its rows.

    Args:
        runs: of one yardstick.
    """
    found: dict[Kind, dict[tuple[str, str], Point]] = defaultdict(dict)
    for run in runs:
        r = run.result
        if began_from(run):
            continue
        for round_ in r.rounds:
            coverage = round_.assessment.coverage
            if coverage.value is not None and round_.train_rows:
                point = Point(
                    rows=round_.train_rows,
                    hits=round(coverage.value * coverage.n / 100),
                    n=coverage.n,
                    usd=round_.usd,
                )
                same = (round_.adapter, round_.train)
                found[kind_of(run)].setdefault(same, point)
    return {
        kind: sorted(points.values(), key=lambda point: point.rows)
        for kind, points in found.items()
        if len({point.rows for point in points.values()}) > 1
    }


Marks = dict[str, dict[int, list[ScoreRow]]]
"""Judged prompts by judge, and by the rows that the model was tuned on."""


def by_judge_and_volume(runs: Iterable[Finished]) -> dict[str, Marks]:
    """Return what steering scored, of every local model: what the paper's Figure 3 draws.

    A model that several runs share is in it once for each judge.

    Args:
        runs: of one yardstick.
    """
    found: dict[str, Marks] = {}
    seen: set[tuple[object, ...]] = set()
    for run in runs:
        r = run.result
        for round_ in r.rounds:
            same = (r.local, r.judge, round_.adapter, round_.train)
            rows = run.of(f"round {round_.number}", r.steered_on)
            if rows and same not in seen:
                seen.add(same)
                by = found.setdefault(r.local, {}).setdefault(r.judge, {})
                by.setdefault(round_.train_rows, []).extend(rows.values())
    return found
