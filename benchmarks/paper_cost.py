"""The cost figures of the documentation, from the workloads that ship.

    python benchmarks/paper_cost.py --into docs

`cost-light.png` and `cost-heavy.png` are the paper's Figure 4 with what Table 2 assumes;
`cost-ranges.png` and `cost-tornado.png` are the example with ranges, whose second service is
priced by the litellm that is installed.
"""

import argparse
from pathlib import Path

from llamaduo import cost, plots
from llamaduo.config import from_overrides

FIGURES = ("light", "heavy", "ranges")


def main() -> None:
    """Draw them, and print the tables they go with."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--into", type=Path, required=True, help="folder of the pictures")
    into = parser.parse_args().into
    for name in FIGURES:
        workload = from_overrides([f"workload={name}"]).workload
        projection = cost.project(workload)
        print(cost.table(workload, projection), end="\n\n")
        plots.save(plots.cost_lines(projection, workload), into / f"cost-{name}.png")
        if projection.tornado:
            plots.save(plots.cost_tornado(projection, workload), into / "cost-tornado.png")


if __name__ == "__main__":
    main()
