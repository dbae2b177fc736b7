"""`llamaduo cost workload=light`: the money side, from prices, watts and hours."""

from pathlib import Path


def main(arguments: list[str]) -> int:
    """Print the table and draw the figures."""
    from llamaduo import cost, plots
    from llamaduo.config import from_overrides

    exp = from_overrides(arguments)
    projection = cost.project(exp.workload)
    print(cost.table(exp.workload, projection))
    folder = Path(exp.home) / ".llamaduo"
    folder.mkdir(parents=True, exist_ok=True)
    figures = {f"cost-{exp.workload.name}.png": plots.cost_lines(projection, exp.workload)}
    if projection.tornado:
        tornado = plots.cost_tornado(projection, exp.workload)
        figures[f"cost-{exp.workload.name}-tornado.png"] = tornado
    for name, figure in figures.items():
        plots.save(figure, folder / name)
        print(f"figure: {folder / name}")
    return 0
