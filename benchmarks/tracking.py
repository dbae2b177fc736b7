"""What MLflow costs a run, and many jobs that begin at once with no database.

    python benchmarks/tracking.py                       its share of demo_tiny, alone and 8 at once
    python benchmarks/tracking.py --jobs 24             24 jobs of one sweep, on the file
    python benchmarks/tracking.py --jobs 24 --server    the same on a real server with sign-in

The share is of the wall time of whole commands, imports and all, with tracker=mlflow and with
tracker=none, each the median of several, in turn; beside it stands the same of CPU time, which
other work on the machine changes least. Models and MLflow's empty database are prepared before, as
they are from a user's second run on. The many jobs
differ in their goal alone, so that they share what is tuned and answered, and all wait for one
another; what has to hold is counted from the database.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parents[1]
JOB = "experiments=demo_tiny"
MANY = (JOB, "tuner.steps=2", "rounds=1", "baselines=[]", "samples=1")
"""Overrides of the many jobs: less of everything, all stages there."""
SWEEP = ("feedfacefeedface", "-m goal.at_least=30,...")
TASK = "ticket_triage"


def main() -> int:
    """Print the figures; 1 if a share is over the target, or a job is lost."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--jobs", type=int, help="start so many at once, and count what is shown")
    asked.add_argument("--server", action="store_true", help="show them on a server")
    asked.add_argument("--repeats", type=int, default=3, help="of each measurement")
    asked.add_argument("--target", type=float, default=10.0, help="largest share, in %%")
    asked.add_argument("--job", nargs="+", help=argparse.SUPPRESS)
    given = asked.parse_args()
    if given.job:
        job(given.job)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        return many(given, Path(folder)) if given.jobs else share(given, Path(folder))


def job(words: Sequence[str]) -> None:
    """Be one job: run, and say on the last line what was spent inside the tracker."""
    from llamaduo import session
    from llamaduo.config import from_overrides
    from llamaduo.progress import Progress
    from llamaduo.started import Started, Sweep
    from llamaduo.tracker import mlflow, shown

    spent: dict[str, float] = {}
    for cls, names in (
        (mlflow.MlflowTracker, ("open", "unusable")),
        (shown.MlflowRun, ("begin", "round", "trial", "finish")),
    ):
        for name in names:
            timed(cls, name, spent)
    sweep = Sweep(id=SWEEP[0], name=SWEEP[1]) if "LLAMADUO_BENCH_SWEEP" in os.environ else None
    session.run(
        from_overrides(list(words)), Progress(), None, Started(overrides=tuple(words), sweep=sweep)
    )
    print(json.dumps({"inside": spent, "all_cpu": time.process_time()}))


def timed(cls: Any, name: str, spent: dict[str, float]) -> None:
    whole = getattr(cls, name)

    def call(*args: Any, **kwargs: Any) -> Any:
        began = time.monotonic()
        try:
            return whole(*args, **kwargs)
        finally:
            spent[name] = spent.get(name, 0.0) + time.monotonic() - began

    setattr(cls, name, call)


def at_once(commands: Sequence[Sequence[str]]) -> tuple[float, list[Any], int]:
    """Run jobs at once; returns seconds until the last ended, what each spent, and failures."""
    began = time.monotonic()
    jobs = [
        subprocess.Popen(
            [sys.executable, __file__, "--job", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(HERE), "OMP_NUM_THREADS": "1"},
        )
        for words in commands
    ]
    said = [process.communicate() for process in jobs]
    wall = time.monotonic() - began
    inside: list[Any] = []
    failed = 0
    for process, (out, errors) in zip(jobs, said, strict=True):
        if process.returncode:
            failed += 1
            print(errors[-1500:], file=sys.stderr)
        else:
            inside.append(json.loads(out.splitlines()[-1]))
    return wall, inside, failed


def share(given: argparse.Namespace, folder: Path) -> int:
    """Measure the same jobs with and without MLflow, in homes of their own."""
    at_once([[JOB, "tracker=mlflow", f"home={folder}/prepared"]])
    over = False
    for jobs in (1, 8):
        walls: dict[str, list[float]] = {"mlflow": [], "none": []}
        spent: list[Any] = []
        for repeat in range(given.repeats if jobs == 1 else 1):
            for tracker, taken in walls.items():
                home = folder / f"{jobs}-{repeat}-{tracker}"
                wall, inside, failed = at_once(
                    [
                        [JOB, f"tracker={tracker}", f"home={home}", f"seed={seed}"]
                        for seed in range(jobs)
                    ]
                )
                if failed:
                    return 1
                taken.append(wall)
                spent += inside
        with_, without = (statistics.median(walls[name]) for name in ("mlflow", "none"))
        used = {
            name: statistics.mean(one["all_cpu"] for one in spent if bool(one["inside"]) is shown)
            for name, shown in (("mlflow", True), ("none", False))
        }
        spent = [one for one in spent if one["inside"]]
        found = [sum(one["inside"].values()) for one in spent]
        part = 100 * (with_ - without) / with_
        calls = {
            name: round(statistics.mean(one["inside"].get(name, 0.0) for one in spent), 2)
            for name in ("open", "begin", "round", "finish")
        }
        print(
            f"{jobs} at once: {with_:.1f} s with MLflow, {without:.1f} s without: {part:.1f} % of "
            f"the wall time, and {used['mlflow']:.1f} s of CPU a job against {used['none']:.1f}: "
            f"{100 * (1 - used['none'] / used['mlflow']):.1f} %; inside its calls "
            f"{statistics.mean(found):.2f} s a job, which hold imports that a job without it does "
            f"later ({', '.join(f'{name} {seconds} s' for name, seconds in calls.items())})",
            flush=True,
        )
        over |= part > given.target
    return 1 if over else 0


def many(given: argparse.Namespace, folder: Path) -> int:
    """Start many jobs of a sweep from nothing, and count what MLflow has of them."""
    os.environ["LLAMADUO_BENCH_SWEEP"] = "yes"
    home = folder / "home"
    with server(folder) if given.server else file(home) as (uri, words):
        goals = [f"goal.at_least={30 + number / 2:g}" for number in range(given.jobs)]
        wall, inside, failed = at_once(
            [[*MANY, goal, f"home={home}", "tracker=mlflow", *words] for goal in goals]
        )
        found = counted(uri)
    slowest = max((sum(one["inside"].values()) for one in inside), default=0.0)
    where = "on a server" if given.server else "on the file"
    print(
        f"{given.jobs} jobs at once {where}: {wall:.0f} s, {failed} failed; inside the tracker "
        f"{slowest:.1f} s at most (most of it waiting for the others to open it); "
        f"in MLflow: {dict(found)}"
    )
    wanted = {
        "sweep": 1,
        "loop FINISHED": given.jobs,
        "loop below the sweep": given.jobs,
        "round FINISHED": given.jobs,
        "round below its run": given.jobs,
    }
    lost = {name: (found[name], count) for name, count in wanted.items() if found[name] != count}
    print("none lost, all where they belong" if not lost else f"(found, wanted): {lost}")
    return 1 if lost or failed else 0


def counted(uri: str) -> Counter[str]:
    """Count runs by kind and end, and those that stand where they belong."""
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    known = client.get_experiment_by_name(f"llamaduo/{TASK}")
    runs = client.search_runs([known.experiment_id], max_results=5000)
    ids = {
        kind: {r.info.run_id for r in runs if r.data.tags["llamaduo.kind"] == kind}
        for kind in ("sweep", "loop")
    }
    found: Counter[str] = Counter()
    for run in runs:
        kind, parent = run.data.tags["llamaduo.kind"], run.data.tags.get("mlflow.parentRunId")
        found["sweep" if kind == "sweep" else f"{kind} {run.info.status}"] += 1
        if kind == "loop" and parent in ids["sweep"]:
            found["loop below the sweep"] += 1
        if kind == "round" and parent in ids["loop"]:
            found["round below its run"] += 1
    return found


@contextmanager
def file(home: Path) -> Iterator[tuple[str, list[str]]]:
    """Give the embedded database, which is not there yet."""
    yield f"sqlite:///{home}/mlruns/mlflow.db", []


@contextmanager
def server(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Start a server with sign-in on PostgreSQL, with nothing on it."""
    sys.path.insert(0, str(HERE / "tests"))
    from mlflow_server import mlflow_server

    with mlflow_server(folder / "server") as started:
        os.environ |= started.credentials
        yield started.url, [f"tracker.uri={started.url}"]


if __name__ == "__main__":
    sys.exit(main())
