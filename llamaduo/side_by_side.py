"""A comparison for people: tables for the terminal, the same in `compare.md`, figures beside.

The same runs give the same bytes: no clock, no path of this machine.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from llamaduo import plots
from llamaduo.by_volume import Kind, Marks, began_from, by_judge_and_volume, kind_of, volumes
from llamaduo.comparison import SHORT, Finished, by_yardstick, pairs, sensitivity
from llamaduo.differences import differences
from llamaduo.findings import Point, Round
from llamaduo.scores import ScoreRow
from llamaduo.tables import aligned, judge_table, overview, pair_table
from llamaduo.volume import fit, reach

CURVES = len(plots.STYLES)
"""In one panel at most: more could not be told apart."""
SIMULATED = (
    "A simulated service had a part in these runs: the figures show that the machinery works, "
    "and are no fact about any real service."
)


@dataclass(frozen=True)
class Page:
    """What was written."""

    text: str
    files: tuple[Path, ...]


def write(
    runs: Sequence[Finished], left_out: Sequence[str], *, of: int, everyone: bool, into: Path
) -> Page:
    """Write `compare.md` and the figures that `runs` allow.

    Args:
        runs: one or more, in the order to show; the first is what others are held against.
        left_out: what could not be read, and why, a line each.
        of: runs that were looked at, with those left out.
        everyone: also show baselines.
        into: folder; files of the same names are replaced, others stay.
    """
    into.mkdir(parents=True, exist_ok=True)
    groups = by_yardstick(runs)
    lines = list(_left_out(len(runs), left_out, of))
    figures: list[Path] = []
    if len(groups) > 1:
        lines += _apart(groups)
    for number, group in enumerate(groups, 1):
        suffix = f"-{number}" if len(groups) > 1 else ""
        said, drawn = _group(group, everyone, into, suffix)
        lines += said
        figures += drawn
    if any(run.result.simulated for run in runs):
        lines.append(SIMULATED)
    text = "\n".join(lines).rstrip()
    path = into / "compare.md"
    shown = [f"![{figure.stem}]({figure.name})\n" for figure in figures]
    path.write_text("\n".join(["```", text, "```", "", *shown]), encoding="utf-8")
    return Page(text, (path, *figures))


def _left_out(there: int, left_out: Sequence[str], of: int) -> Iterator[str]:
    if left_out:
        yield f"{there} of {of} runs are compared:"
        yield from (f"  {line}" for line in left_out)
        yield ""


def _apart(groups: Sequence[Sequence[Finished]]) -> list[str]:
    """Say which runs cannot be set against each other, and why."""
    lines = [
        f"These runs were not measured alike, and are shown in {len(groups)} groups that say "
        "nothing about each other:"
    ]
    for number, group in enumerate(groups, 1):
        r = group[0].result
        test = f"test set {r.test_set[:SHORT]}" if r.test_set else "a test set of no known digest"
        names = ", ".join(run.name for run in group)
        lines.append(
            f"  {number}: {names}: {r.task}, {test}, covered from similarity {r.similarity:g} and "
            f"precision {r.precision:g}"
        )
    return [*lines, ""]


def _group(
    runs: Sequence[Finished], everyone: bool, into: Path, suffix: str
) -> tuple[list[str], list[Path]]:
    first = runs[0].result
    lines = [
        f"{first.task}, {first.rows.get('test', 0)} test prompts; 95 % intervals",
        "",
        *aligned(overview(runs, everyone=everyone)),
        "",
        *differences(runs),
        *_pairs(runs),
        *_judges(runs),
    ]
    figures = []
    part = " or ".join(sorted({run.result.steered_on for run in runs}))
    thresholds = {"similarity": first.similarity, "precision": first.precision}
    marks = by_judge_and_volume(runs)
    for local, of in marks.items():
        name = "figure3" + suffix + _own(local, len(marks) == 1)
        figures.append(_figure3(of, local, part, thresholds, into / f"{name}.png"))
    curves = volumes(runs)
    for kind, points in curves.items():
        name = "volume" + suffix + _own(" ".join(kind), len(curves) == 1)
        goal = max(run.result.goal for run in runs if kind == kind_of(run))
        said, drawn = _volume(kind, points, goal, part, into / f"{name}.png")
        lines += said
        figures += drawn
    began = [run.name for run in runs if began_from(run)]
    if began:
        lines += [
            f"In no curve of data volume, since they began from an adapter: {', '.join(began)}"
        ]
        lines += [""]
    rounds = {_label(run): run.result.rounds for run in runs if run.result.rounds}
    if rounds:
        figures.append(_spend(rounds, {run.result.goal for run in runs}, part, into, suffix))
        if len(rounds) > CURVES:
            lines += [f"{figures[-1].name} shows the first {CURVES} of {len(rounds)} runs", ""]
    return lines, figures


def _volume(
    kind: Kind, points: Sequence[Point], goal: float, part: str, path: Path
) -> tuple[list[str], list[Path]]:
    """Fit a curve, say what it comes to, and draw it."""
    local, service, judge = kind
    title = f"{local} <- {service}, judged by {judge}"
    head = f"Data volume: {title}; {len(points)} models on {part} prompts"
    if goal >= 100:
        return [head, "  no curve reaches a goal of 100 %", ""], []
    try:
        curve = fit(points)
    except ValueError as error:
        return [head, f"  {error}", ""], []
    reached = reach(curve, goal)
    plots.save(plots.volume_curve(curve, reached, title=title, part=part), path)
    return [head, *(f"  {line}" for line in reached.says), ""], [path]


def _spend(
    rounds: Mapping[str, Sequence[Round]], goals: set[float], part: str, into: Path, suffix: str
) -> Path:
    path = into / f"spend{suffix}.png"
    shown = dict(list(rounds.items())[:CURVES])
    goal = next(iter(goals)) if len(goals) == 1 else None
    plots.save(plots.score_against_dollars(shown, goal, part=part), path)
    return path


def _pairs(runs: Sequence[Finished]) -> list[str]:
    found = pairs(runs)
    if not found:
        return []
    return [
        f"Against {runs[0].name}, prompt by prompt, in points; above 0 is better than it (the "
        "first row above):",
        *(f"  {line}" for line in aligned(pair_table(found))),
        "  Each interval holds by itself; the best of many runs on one test looks better than it",
        "  is. Choose by dev, decide by test.",
        "",
    ]


def _judges(runs: Sequence[Finished]) -> list[str]:
    lines: list[str] = []
    for found in sensitivity(runs):
        lines += [
            f"Judges of {found.local}, tuned on {found.rows} rows: the same model's answers to "
            f"{found.n} test prompts",
            *(f"  {line}" for line in aligned(judge_table(found))),
            "",
        ]
    return lines


def _figure3(
    marks: Marks, local: str, part: str, thresholds: Mapping[str, float], path: Path
) -> Path:
    there = sorted({rows for by in marks.values() for rows in by})
    shown = _spread(there, CURVES)
    panels = [
        plots.Panel(
            title=judge,
            rows={
                kind: {
                    curve_name(rows, by.get(rows, [])): [
                        getattr(row, kind) for row in by.get(rows, [])
                    ]
                    for rows in shown
                }
                for kind in ("similarity", "precision")
            },
        )
        for judge, by in marks.items()
    ]
    left = f", {len(shown)} of {len(there)} volumes" if len(shown) < len(there) else ""
    title = f"{local}: scores of {part} prompts by judge and rows tuned on{left}"
    plots.save(plots.density_grid(panels, title=title, thresholds=thresholds), path)
    return path


def curve_name(volume: int, rows: Sequence[ScoreRow]) -> str:
    """Name a curve; where several models were tuned on as many rows, it holds each one's marks."""
    models = max(Counter(row.id for row in rows).values(), default=1)
    return f"{volume:,} rows" if models == 1 else f"{volume:,} rows, {models} models"


def _spread(values: Sequence[int], most: int) -> list[int]:
    """Return at most `most` of `values`, spread evenly, with the first and the last."""
    if len(values) <= most:
        return list(values)
    return [values[round(i * (len(values) - 1) / (most - 1))] for i in range(most)]


def _own(name: str, alone: bool) -> str:
    """Return what tells a file's name from the others of its kind; nothing if it is alone."""
    return "" if alone else "-" + re.sub("[^a-z0-9]+", "-", name.lower()).strip("-")


def _label(run: Finished) -> str:
    return f"{run.name} {run.result.local}, {run.result.judge}"
