"""Kill -9 runs at random moments, let them go on, and compare with one left alone.

    python benchmarks/kill.py                     10 kills while tuning, 10 while judging, demo_tiny
    python benchmarks/kill.py --experiment demo --kills 1       once each on the real model

What has to hold after the last restart: the same report and the same content digest of
every stage as the undisturbed run, nothing half made, no call answered twice.
"""

import argparse
import json
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

COMMAND = [sys.executable, "-m", "llamaduo"]
LONGER = {
    "demo_tiny": [
        *("tuner.steps=60", "tuner.save_steps=7", "task.rows.limit=120"),
        "judge.repeats=5",  # judged by turns, each on what came before
    ],
    "demo": [],
}
"""Settings that make the stages of the tiny run long enough to be hit."""
LONGEST = {"demo_tiny": 8.0, "demo": 90.0}
"""Seconds into tuning in which the kill is drawn; about as long as it takes."""
STAGES = ("adapter", "judgements")
MARKED = (
    "select count(*) from replies join calls using (key) where stage like 'judgements/%' "
    "and outcome != 'failed'"
)
"""Counts the marks that a ledger holds."""


def main() -> int:
    """Print a line for each kill and a sum; 1 if anything differed."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--experiment", default="demo_tiny", choices=sorted(LONGER))
    asked.add_argument("--kills", type=int, default=10, help="kills of each of the two stages")
    asked.add_argument("--reference", type=Path, help="home of an undisturbed run, if there is one")
    asked.add_argument("--stages", nargs="+", default=STAGES, choices=STAGES)
    asked.add_argument("--seed", type=int, default=0)
    given = asked.parse_args()
    draw = random.Random(given.seed)
    words = [*COMMAND, f"experiments={given.experiment}", *LONGER[given.experiment]]
    with tempfile.TemporaryDirectory() as folder:
        home = given.reference or Path(folder) / "undisturbed"
        home.mkdir(exist_ok=True)
        finish(words, home)
        wanted = outcome(home)
        faults = 0
        for stage in given.stages:
            for number in range(given.kills):
                place = Path(folder) / f"{stage}-{number}"
                place.mkdir()
                if stage == "adapter":
                    at = strike_tuning(words, place, draw.uniform(0, LONGEST[given.experiment]))
                else:
                    at = strike_judging(words, place, draw.randrange(1, marks(home)))
                finish(words, place)
                wrong = differences(outcome(place), wanted) + half_made(place)
                faults += bool(wrong)
                print(f"{stage} kill {number}: {at}; {'; '.join(wrong) or 'same'}", flush=True)
    print(f"{len(given.stages) * given.kills} kills, {faults} with a difference")
    return 1 if faults else 0


def finish(words: list[str], home: Path) -> None:
    """Run to the end."""
    subprocess.run([*words, f"home={home}"], check=True, capture_output=True)


def strike_tuning(words: list[str], home: Path, wait: float) -> str:
    """Kill a run `wait` seconds into its first tuning; say what was there."""
    with started(words, home) as process:
        while process.poll() is None and not list(drafts(home)):
            time.sleep(0.005)
        time.sleep(wait)
        found = list(drafts(home))
        process.send_signal(signal.SIGKILL)
    if not found:
        raise SystemExit(f"tuning took less than {wait:.1f} s")
    left = sorted(path.name for path in found[0].glob("work/checkpoint-*"))
    return f"killed {wait:.2f} s into it, {', '.join(left) or 'no checkpoint'}"


def strike_judging(words: list[str], home: Path, number: int) -> str:
    """Kill a run once it holds so many marks, over all that it judges; say how many."""
    with started(words, home) as process:
        while process.poll() is None and marks(home) < number:
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
    rows = [path.stat().st_size for path in home.glob(".llamaduo/store/judgements/*/draft/*.jsonl")]
    return f"killed at mark {number}, {marks(home)} kept, {sum(rows)} bytes of a half-made stage"


def started(words: list[str], home: Path) -> "subprocess.Popen[bytes]":
    """Start a run."""
    quiet = subprocess.DEVNULL
    return subprocess.Popen([*words, f"home={home}"], stdout=quiet, stderr=quiet)


def drafts(home: Path) -> Iterator[Path]:
    """Yield the adapters in the making."""
    for place in (home / ".llamaduo/store/adapter").glob("*"):
        if (place / "draft").is_dir() and not (place / "manifest.json").exists():
            yield place


def marks(home: Path) -> int:
    """Count the marks in a ledger; 0 where there is none yet."""
    path = home / ".llamaduo/ledger.sqlite"
    if not path.exists():
        return 0
    ledger = sqlite3.connect(path, timeout=60)
    try:
        (count,) = ledger.execute(MARKED).fetchone()
    except sqlite3.OperationalError:  # its tables are not there yet
        count = 0
    finally:
        ledger.close()
    return int(count)


def outcome(home: Path) -> dict[str, str]:
    """Return the report and the content digest of every stage."""
    found = {
        str(path.parent.relative_to(home / ".llamaduo/store")): json.loads(path.read_bytes())[
            "content"
        ]
        for path in (home / ".llamaduo/store").glob("*/*/manifest.json")
    }
    for path in (home / ".llamaduo/runs").glob("*/report.md"):
        found["report.md"] = path.read_text(encoding="utf-8")
    return found


def differences(got: dict[str, str], wanted: dict[str, str]) -> list[str]:
    """Name what is not the same."""
    names = sorted(set(got) | set(wanted))
    return [f"{name} differs" for name in names if got.get(name) != wanted.get(name)]


def half_made(home: Path) -> list[str]:
    """Name what was left half made, and calls that were answered twice."""
    store = home / ".llamaduo/store"
    left = [str(p.relative_to(store)) for n in ("draft", "work") for p in store.glob(f"*/*/{n}")]
    with sqlite3.connect(home / ".llamaduo/ledger.sqlite") as ledger:
        (twice,) = ledger.execute(
            "select count(*) from (select key from replies where outcome != 'failed' "
            "group by key having count(*) > 1)"
        ).fetchone()
        (claimed,) = ledger.execute("select count(*) from calls where state = 'claimed'").fetchone()
    found = [f"{name} left" for name in left]
    if twice:
        found.append(f"{twice} calls answered twice")
    if claimed:
        found.append(f"{claimed} claims left")
    return found


if __name__ == "__main__":
    sys.exit(main())
