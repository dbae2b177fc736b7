"""Comparisons as tables of words, head first, and as aligned lines. Pure."""

from collections.abc import Sequence

from llamaduo.comparison import Finished, Pair, Sensitivity
from llamaduo.findings import Assessment, Measure


def overview(runs: Sequence[Finished], *, everyone: bool = False) -> list[list[str]]:
    """Return a table, head first: the decided model of each run on its sealed test.

    Args:
        everyone: also every baseline.
    """
    head = ["run", "local", "judge", "rows", "model", "n", "coverage %", "similarity"]
    table = [[*head, "precision", "verdict", "in all"]]
    for run in runs:
        r = run.result
        start = [run.name, r.local, r.judge]
        spend = f"${r.usd:,.4f}"
        verdict = str(r.decision.verdict)
        if r.test is None:
            table.append([*start, str(run.rows), "not opened", *["-"] * 4, verdict, spend])
        else:
            table.append([*start, str(run.rows), *_figures(r.test), verdict, spend])
        for other in r.baselines if everyone else ():
            table.append([*start, "", *_figures(other), "", ""])
    return table


def _figures(model: Assessment) -> list[str]:
    measures = (model.coverage, model.similarity, model.precision)
    return [model.name, str(model.coverage.n), *(with_interval(one) for one in measures)]


def pair_table(found: Sequence[Pair]) -> list[list[str]]:
    """Return a table of differences, head first."""
    head = ["run", "judge", "n", "coverage", "similarity", "precision"]
    return [
        head,
        *(
            [
                pair.run,
                "the same" if pair.same_judge else "another",
                str(pair.coverage.n),
                *(
                    with_interval(one, sign=True)
                    for one in (pair.coverage, pair.similarity, pair.precision)
                ),
            ]
            for pair in found
        ),
    ]


def judge_table(found: Sensitivity) -> list[list[str]]:
    """Return a table, head first: a line for each judge, and how far apart they are."""
    return [
        ["judge", "run", "coverage %", "similarity", "precision", "verdict"],
        *(
            [
                one.judge,
                one.run,
                *(f"{v:.1f}" for v in (one.coverage, one.similarity, one.precision)),
                str(one.verdict),
            ]
            for one in found.judges
        ),
        [
            "range",
            "",
            *(with_interval(one) for one in (found.coverage, found.similarity, found.precision)),
            "the same" if found.agree else "not the same",
        ],
    ]


def with_interval(measure: Measure, *, sign: bool = False) -> str:
    """Return a figure and the ends of its interval; a dash where there is none."""
    if measure.value is None or measure.low is None or measure.high is None:
        return "-"
    how = "+.1f" if sign else ".1f"
    ends = f"({measure.low:{how}} to {measure.high:{how}})"
    return f"{measure.value:{how}} {ends}"


RIGHT = frozenset({"n", "rows", "in all"})
"""Columns of plain numbers."""


def aligned(table: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table, head first: words to the left, plain numbers to the right."""
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
    columns = list(zip(table[0], widths, strict=True))
    return [
        "  ".join(
            cell.rjust(width) if head in RIGHT else cell.ljust(width)
            for cell, (head, width) in zip(row, columns, strict=True)
        ).rstrip()
        for row in table
    ]
