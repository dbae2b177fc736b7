"""What the run's data and the service's price come to: rows for the goal, dollars over months."""

from pathlib import Path

from llamaduo import cost, plots, volume
from llamaduo.findings import Curve, Point, Reach, Result
from llamaduo.projection import Projection
from llamaduo.workload import Workload

Picture = tuple[str, str]
"""Title, and name of the file."""


def savings(result: Result, workload: Workload, projection: Projection) -> list[str]:
    """Return the cost over months, with every assumption it rests on."""
    migration = (
        "The calls of this run were play money, and are not counted."
        if result.simulated
        else f"The ${result.usd:.2f} that this run's calls cost are counted as its migration."
    )
    pair = projection.pairs[0]
    whose = (
        ""
        if is_of(result, projection)
        else f"This is of {pair.local} against {pair.service}, which is not the pair of this run: "
        "describe your own before you decide on money. "
    )
    return [
        f"## What it would save: workload {workload.name}",
        "",
        f"{whose}From the workload's own prices and assumptions. {migration}",
        "",
        "```",
        cost.table(workload, projection),
        "```",
        "",
    ]


def is_of(result: Result, projection: Projection) -> bool:
    """Whether the workload is of the models that the run is about."""
    pair = projection.pairs[0]
    return (pair.local, pair.service) == (result.local, result.service)


def migration_usd(result: Result) -> float:
    """Return what the migration cost in service calls; play money is none."""
    return 0.0 if result.simulated else result.usd


def rows_for_the_goal(result: Result) -> tuple[Curve, Reach] | str | None:
    """Return the curve of coverage over rows and what the goal takes; None with one volume.

    Where no curve can be fitted, why is returned in words.
    """
    points = [
        Point(
            rows=r.train_rows,
            hits=round(r.assessment.coverage.value * r.assessment.coverage.n / 100),
            n=r.assessment.coverage.n,
            usd=r.usd,
        )
        for r in result.rounds
        if r.assessment.coverage.value is not None
    ]
    if len({point.rows for point in points}) < 2 or result.goal >= 100:
        return None
    try:
        curve = volume.fit(points)
    except ValueError as error:
        return str(error)
    return curve, volume.reach(curve, result.goal)


def data(result: Result) -> list[str]:
    """Say how many rows the goal would take, and what they would cost."""
    found = rows_for_the_goal(result)
    if found is None:
        return []
    says = (found,) if isinstance(found, str) else found[1].says
    said = [f"- {line}" for line in says]
    return [f"## Rows for a coverage of {result.goal:g} % on {result.steered_on}", "", *said, ""]


def pictures(
    result: Result, workload: Workload, projection: Projection, into: Path
) -> list[Picture]:
    """Draw rows, dollars and months."""
    found: list[Picture] = []
    part = result.steered_on
    curve = rows_for_the_goal(result)
    if isinstance(curve, tuple):
        title = f"{result.local} on {result.task}"
        plots.save(plots.volume_curve(*curve, title=title, part=part), into / "volume.png")
        found.append((f"Coverage over rows, {part} prompts", "volume.png"))
    if any(r.assessment.coverage.value is not None for r in result.rounds):
        figure = plots.score_against_dollars({result.local: result.rounds}, result.goal, part=part)
        plots.save(figure, into / "dollars.png")
        found.append((f"Coverage over dollars, {part} prompts", "dollars.png"))
    plots.save(plots.cost_lines(projection, workload), into / "cost.png")
    found.append(("Cost over months", "cost.png"))
    if projection.tornado:
        plots.save(plots.cost_tornado(projection, workload), into / "tornado.png")
        found.append(("What the saving hangs on", "tornado.png"))
    return found
