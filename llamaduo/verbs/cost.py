"""`llamaduo cost workload=light`: the money side, from prices, watts and hours."""

import argparse
from pathlib import Path

from llamaduo.verbs import VERBS, arguments


def parser() -> argparse.ArgumentParser:
    """Return what reads the verb's arguments."""
    made = arguments.parser("cost", VERBS["cost"])
    made.usage = "llamaduo cost [workload=NAME] [workload.KEY=VALUE ...] [home=DIR]"
    return made


def main(words: list[str]) -> int:
    """Print the table and draw the figures."""
    from llamaduo import cost, plots
    from llamaduo.config import from_overrides
    from llamaduo.home import writable

    exp = from_overrides(arguments.read(parser(), words).words)
    folder = writable(Path(exp.home) / ".llamaduo", "home")
    projection = cost.project(exp.workload)
    print(cost.table(exp.workload, projection))
    figures = {f"cost-{exp.workload.name}.png": plots.cost_lines(projection, exp.workload)}
    if projection.tornado:
        tornado = plots.cost_tornado(projection, exp.workload)
        figures[f"cost-{exp.workload.name}-tornado.png"] = tornado
    for name, figure in figures.items():
        plots.save(figure, folder / name)
        print(f"figure: {folder / name}")
    return 0
