"""`llamaduo cost workload=light`: the money side, from prices, watts and hours."""

from pathlib import Path


def main(arguments: list[str]) -> int:
    """Print the table and draw the figure."""
    from llamaduo import cost, plots
    from llamaduo.config import from_overrides

    exp = from_overrides(arguments)
    projection = cost.project(exp.workload)
    print(cost.table(exp.workload, projection))
    picture = Path(exp.home) / ".llamaduo" / f"cost-{exp.workload.name}.png"
    picture.parent.mkdir(parents=True, exist_ok=True)
    plots.save(plots.cost_lines(projection, exp.workload), picture)
    print(f"figure: {picture}")
    return 0
