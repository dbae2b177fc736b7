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
from pathlib import Path

COMMAND = [sys.executable, "-m", "llamaduo"]
LONGER = {"demo_tiny": ["tuner.steps=60", "tuner.save_steps=7", "task.rows.limit=120"], "demo": []}
"""Settings that make the stages of the tiny run long enough to be hit."""
LONGEST = {
    ("demo_tiny", "adapter"): 8.0,
    ("demo_tiny", "judgements"): 1.5,
    ("demo", "adapter"): 90.0,
    ("demo", "judgements"): 1.5,
}
"""Seconds into a stage in which the kill is drawn; about as long as the stage takes."""


def main() -> int:
    """Print a line for each kill and a sum; 1 if anything differed."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--experiment", default="demo_tiny", choices=sorted(LONGER))
    asked.add_argument("--kills", type=int, default=10, help="kills of each of the two stages")
    asked.add_argument("--reference", type=Path, help="home of an undisturbed run, if there is one")
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
        for stage in ("adapter", "judgements"):
            for number in range(given.kills):
                place = Path(folder) / f"{stage}-{number}"
                place.mkdir()
                longest = LONGEST[given.experiment, stage]
                at = strike(words, place, stage, draw, longest)
                finish(words, place)
                wrong = differences(outcome(place), wanted) + half_made(place)
                faults += bool(wrong)
                print(f"{stage} kill {number}: {at}; {'; '.join(wrong) or 'same'}", flush=True)
    print(f"{2 * given.kills} kills, {faults} with a difference")
    return 1 if faults else 0


def finish(words: list[str], home: Path) -> None:
    """Run to the end."""
    subprocess.run([*words, f"home={home}"], check=True, capture_output=True)


def strike(words: list[str], home: Path, stage: str, draw: random.Random, longest: float) -> str:
    """Start a run and kill it at a random moment of `stage`; say what was there."""
    for _ in range(20):
        with subprocess.Popen(
            [*words, f"home={home}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            wait = draw.uniform(0, longest)
            while process.poll() is None and not in_the_making(home, stage):
                time.sleep(0.005)
            time.sleep(wait)
            hit = in_the_making(home, stage)
            process.send_signal(signal.SIGKILL)
        if hit:
            return f"killed {wait:.2f} s into it, {hit}"
    raise SystemExit(f"{stage} could not be hit in 20 tries")


def in_the_making(home: Path, stage: str) -> str:
    """Return what a stage has written so far, if it is begun and not complete; else ""."""
    for place in (home / ".llamaduo/store" / stage).glob("*"):
        draft = place / "draft"
        if draft.is_dir() and not (place / "manifest.json").exists():
            checkpoints = [p.name for p in (place / "work").glob("checkpoint-*")]
            rows = draft / "rows.jsonl"
            size = rows.stat().st_size if rows.exists() else 0
            if stage == "adapter" or rows.exists():
                return f"{checkpoints or 'no checkpoint'}" if not size else f"{size} bytes of rows"
    return ""


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
