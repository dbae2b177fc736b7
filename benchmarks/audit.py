"""How often the audit flags judges with a known fault, and honest ones.

    python benchmarks/audit.py                    1000 simulated runs of each judge
    python benchmarks/audit.py --prompts 60       with twice the audited prompts

An honest judge has to be flagged in at most 5 of 100 runs, over all findings together; a
judge that gives 10 points per 100 words, 8 for its own family, or marks by chance in at least
95. What is drawn is in `tests/judges.py`.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from judges import FAULTY, HONEST, Judging, audited, audited_panel

from llamaduo.findings import Audit

MOST, FEWEST = 5.0, 95.0
"""% of runs that may be flagged for an honest judge, and have to be for a faulty one."""


def main() -> int:
    """Print the table; 1 if a judge is flagged too often or too seldom."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--runs", type=int, default=1000)
    asked.add_argument("--prompts", type=int, default=30, help="audited prompts")
    given = asked.parse_args()
    print(f"{given.runs} runs of each judge, {given.prompts} audited prompts, 2 repeats")
    print("flagged, % of runs  judge, and by which findings")
    well = True
    for name, judge in HONEST.items():
        well &= counted(name, judge, audited, given.runs, given.prompts) <= MOST
        panel = counted(f"panel, {name}", judge, audited_panel, given.runs, given.prompts)
        well &= panel <= MOST
    for name, judge in FAULTY.items():
        well &= counted(name, judge, audited, given.runs, given.prompts) >= FEWEST
    return 0 if well else 1


def counted(
    name: str,
    judge: Judging,
    run: Callable[[Judging, int, int], Audit],
    runs: int,
    prompts: int,
) -> float:
    """Print a judge's line and return the % of runs that flag it."""
    flagged, by = 0, Counter[str]()
    for seed in range(runs):
        names = [finding.name for finding in run(judge, seed, prompts).findings if finding.flagged]
        flagged += bool(names)
        by.update(names)
    share = 100 * flagged / runs
    found = "; ".join(f"{what} {100 * n / runs:.1f}" for what, n in by.most_common())
    print(f"{share:18.1f}  {name}: {found or 'nothing'}", flush=True)
    return share


if __name__ == "__main__":
    sys.exit(main())
