"""Draw the pictures of the pages from the demo: one run, three simulated judges, side by side.

    python benchmarks/demo_pictures.py --home DIR --into docs

What is there already under DIR is not tuned, answered or paid again.
"""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

COMMAND = [sys.executable, "-m", "llamaduo"]
JUDGES = "service@judge.service=simulated,simulated_strict,simulated_lenient"
FROM_RUN = {
    "models.png": "demo-models.png",
    "coverage.png": "demo-coverage.png",
    "scores.png": "demo-scores.png",
    "volume.png": "demo-volume.png",
    "dollars.png": "demo-dollars.png",
}
FROM_COMPARISON = {"figure3.png": "demo-figure3.png"}


def main() -> int:
    """Run, compare, and copy the pictures."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--home", type=Path, required=True)
    asked.add_argument("--into", type=Path, required=True)
    given = asked.parse_args()
    place, into = given.home.absolute(), given.into.absolute()
    home = f"home={place}"
    ran = subprocess.run(
        [*COMMAND, "experiments=demo", home], check=True, stdout=subprocess.PIPE, text=True
    )
    [line] = [line for line in ran.stdout.splitlines() if line.startswith("report: ")]
    report = Path(line.removeprefix("report: ")).parent
    subprocess.run([*COMMAND, "-m", JUDGES, "experiments=demo", "rounds=2", home], check=True)
    side = place / "side-by-side"
    subprocess.run([*COMMAND, "compare", home, "--out", str(side)], check=True)
    for folder, names in ((report, FROM_RUN), (side, FROM_COMPARISON)):
        for name, kept in names.items():
            shutil.copyfile(folder / name, into / kept)
            print(into / kept)
    return 0


if __name__ == "__main__":
    sys.exit(main())
