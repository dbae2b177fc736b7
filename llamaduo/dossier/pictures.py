"""The dossier's figures, each in its place in the file, with what it shows in words."""

from base64 import b64encode
from dataclasses import dataclass

from llamaduo import plots
from llamaduo.findings import Result
from llamaduo.plots.inline import svg
from llamaduo.plots.strip import measure_on_scale
from llamaduo.projection import Projection
from llamaduo.workload import Workload


@dataclass(frozen=True)
class Picture:
    """A figure for the page."""

    source: str
    """A data: URI."""
    alt: str
    """For those who do not see it; without figures, which stand in the text beside it."""
    says: str
    """What stands under it."""


def pictures(
    result: Result, workload: Workload, projection: Projection
) -> dict[str, Picture | None]:
    """Draw what there is to draw, by the name the page calls it; None where there is nothing."""
    decision = result.decision
    found: dict[str, Picture | None] = dict.fromkeys(
        ("strip", "models", "rounds", "cost", "tornado")
    )
    if decision.measure.value is not None:
        found["strip"] = _picture(
            svg(measure_on_scale(decision.measure, decision.goal)),
            "The decided model's figure on its scale, with its interval and the goal.",
            "Diamond: what was measured. Band: its interval. Dashed: the goal.",
        )
    if result.test is not None:
        figure = plots.models_on_test(
            result.test, result.baselines, result.goal, decision, title=""
        )
        found["models"] = _picture(
            svg(figure),
            "Coverage of every model on the test as a dot with its interval, a row a model, and "
            "the goal as a dashed line. The figures are in the table that follows.",
            "Coverage of every model on the same test prompts, with its interval.",
        )
    if result.rounds:
        figure = plots.coverage_by_round(result.rounds, result.goal, part=result.steered_on)
        found["rounds"] = _picture(
            svg(figure),
            "Coverage after each round, with its interval, and the goal as a dashed line. The "
            "figures are in the table that follows.",
            "Coverage from round to round, on the prompts that steer the loop.",
        )
    found["cost"] = _picture(
        svg(plots.cost_lines(projection, workload)),
        "What local models and services have cost so far, month by month. The figures are in the "
        "table that follows.",
        "Spent so far, month by month. A: before the first answer; B: break-even; C: the gap at "
        "the last month.",
    )
    if projection.tornado:
        found["tornado"] = _picture(
            svg(plots.cost_tornado(projection, workload)),
            "How far each input's range moves the saving, the largest on top. The figures are in "
            "the table that follows.",
            "What each input's range does to the saving.",
        )
    return found


def _picture(drawn: bytes, alt: str, says: str) -> Picture:
    source = f"data:image/svg+xml;base64,{b64encode(drawn).decode()}"
    return Picture(source=source, alt=alt, says=says)
