"""A job is a process of its own: whatever becomes of it is written down, and said."""

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from swept import QUICK, two_gpus

from llamaduo import session
from llamaduo.component import digest
from llamaduo.config import composed
from llamaduo.config.overrides import check
from llamaduo.errors import ConfigError
from llamaduo.experiment import Experiment
from llamaduo.progress import Progress
from llamaduo.started import Sweep
from llamaduo.sweep import ends, job, plan, process, shown
from llamaduo.sweep.closing import notes, table
from llamaduo.sweep.plan import Plan
from llamaduo.sweep.watch import watched
from llamaduo.tracker.mlflow import MlflowTracker

PLAN = Plan(
    sweep=Sweep(id="0" * 16, name="seed=1,2"),
    jobs=(("seed=1",), ("seed=2",)),
    launcher="joblib",
    shares_cards=True,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "sweep"
    place.mkdir()
    plan.write(PLAN, place)
    return place


def values() -> Any:
    return composed(check(QUICK, sweep=False).good)


def test_a_job_that_is_killed_is_said_to_be_and_kills_nobody_else(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in two_gpus(tmp_path).items():
        monkeypatch.setenv(name, value)
    (tmp_path / "bin" / "nvidia-smi").write_text("#!/bin/sh\n# no listing: it kills\nkill -9 $PPID")
    process.run(values, (), PLAN, folder, 1)
    killed = ends.read(folder / "1")
    assert killed is not None
    assert (killed.code, killed.differs) == (1, ("seed=2",))
    assert killed.said == "gone: it was killed by SIGKILL, as a system does that is out of memory"


@pytest.mark.parametrize("by", ["its worker's end", "the sweep's"])
def test_a_job_ends_when_its_worker_is_gone_or_the_sweep_is_stopped(by: str, folder: Path) -> None:
    reader, writer = os.pipe()
    (folder / "0").mkdir()
    told = {"folder": str(folder), "number": 0, "typed": [], "values": values()}
    script = folder / "bin" / "nvidia-smi"  # where the job waits
    script.parent.mkdir()
    script.write_text("#!/bin/sh\n# a stand-in that never answers\nexec sleep 600")
    script.chmod(0o755)
    env = {**os.environ, "PATH": f"{script.parent}:{os.environ['PATH']}"}
    line = [sys.executable, "-m", "llamaduo.sweep.process"]
    with subprocess.Popen(line, stdin=reader, env=env, start_new_session=True) as job:
        os.close(reader)
        os.write(writer, json.dumps(told, default=str).encode() + b"\n")
        late = time.monotonic() + 30
        while not (folder / "0" / ends.BEGUN).exists() and time.monotonic() < late:
            time.sleep(0.1)
        if by == "its worker's end":
            os.close(writer)
        else:
            (folder / ends.STOP).touch()
        assert job.wait(60) == process.INTERRUPTED
    if by != "its worker's end":
        os.close(writer)
    end = ends.read(folder / "0")
    assert end is not None and end.said == "stopped; the same command goes on from here"


def test_a_job_whose_turn_comes_after_the_sweep_was_stopped_does_not_begin(folder: Path) -> None:
    (folder / ends.STOP).touch()
    process.run(values, (), PLAN, folder, 0)
    end = ends.read(folder / "0")
    assert end is not None and (end.code, end.said) == (process.INTERRUPTED, ends.STOPPED)
    assert not (folder / "0" / ends.LOG).exists()


def test_a_config_that_cannot_be_resolved_is_the_jobs_end(folder: Path) -> None:
    def broken() -> Any:
        raise ConfigError("the config cannot be resolved: nowhere")

    process.run(broken, (), PLAN, folder, 0)
    end = ends.read(folder / "0")
    assert end is not None and (end.code, end.said) == (2, "the config cannot be resolved: nowhere")


def test_a_job_without_an_end_is_gone_or_was_not_begun_and_has_failed(folder: Path) -> None:
    (folder / "0").mkdir()
    (folder / "0" / ends.BEGUN).touch()
    first, second = ends.of_all(folder, PLAN.jobs)
    assert (first.said, second.said) == ("gone: no end was written", "not begun")
    assert (first.code, second.code) == (1, 1)


def test_a_job_that_was_killed_names_its_run_and_is_not_counted_as_free(folder: Path) -> None:
    known = ends.End(job=0, code=0, said="done", home="h", fingerprint="f" * 16, task="t")
    (folder / "0").mkdir()
    (folder / "0" / ends.BEGUN).touch()
    ends.begin(known, folder / "0")
    first, second = ends.of_all(folder, PLAN.jobs)
    assert (first.said, first.code, first.counted) == (ends.GONE, 1, False)
    assert (first.home, first.fingerprint, first.task) == ("h", "f" * 16, "t")
    assert second.counted
    said = list(notes([first, second], (0, 0.0)))
    assert any("what was paid by job 0 is not counted here" in line for line in said)
    assert table([first])[1].split()[-2:] == ["?", "?"]


def test_a_job_that_is_stopped_says_what_it_paid_until_then(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tiny: Experiment
) -> None:
    def stopped(*asked: Any) -> None:
        account = asked[-1]
        account.spent_now, account.calls_now, account.recipes = 0.75, 3, ("judge/a",)
        raise KeyboardInterrupt

    monkeypatch.setattr(session, "run", stopped)
    with pytest.raises(KeyboardInterrupt):
        job.run(lambda: tiny, (), PLAN, 0, folder / "0")
    end = ends.of_all(folder, PLAN.jobs, stopped=True)[0]
    assert (end.said, end.spent_now, end.calls_now) == (ends.STOPPED, 0.75, 3)
    assert (end.fingerprint, end.recipes, end.counted) == (
        tiny.fingerprint(),
        ("judge/a",),
        True,
    )


def test_a_sweep_over_homes_is_shown_in_each(tmp_path: Path, tiny: Experiment) -> None:
    homes = [tmp_path / name for name in "ab"]
    jobs = [tiny.model_copy(update={"home": home, "tracker": MlflowTracker()}) for home in homes]
    shows = shown.begin(PLAN.sweep, [*jobs, jobs[0]])
    assert len(shows) == 2
    assert all((home / "mlruns" / "mlflow.db").is_file() for home in homes)
    own = [
        ends.End(
            job=n,
            code=1,
            said="x",
            task=one.task.name,
            home=str(one.home),
            tracker=digest(one.tracker),
        )
        for n, one in enumerate(jobs)
    ]
    shown.finish(shows, own, tmp_path / "sweep", tiny)
    found = sorted((tmp_path / "sweep" / shown.COMPARISON).glob("*/jobs.json"))
    assert [[one["job"] for one in json.loads(file.read_text())] for file in found] == [[0], [1]]


def test_an_end_is_written_whole_or_not_at_all(folder: Path) -> None:
    end = ends.End(job=0, code=0, said="done")
    ends.write(end, folder / "0")
    ends.write(end.model_copy(update={"said": "again"}), folder / "0")
    assert [path.name for path in (folder / "0").iterdir()] == [ends.FILE]
    assert ends.read(folder / "0") == end.model_copy(update={"said": "again"})


def test_jobs_that_go_on_after_their_launcher_broke_are_waited_for(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in ("0", "1"):  # the second gives one sign of life, and no more
        (folder / number).mkdir()
        (folder / number / ends.BEGUN).touch()

    def goes_on() -> None:
        for _ in range(4):
            time.sleep(0.5)
            (folder / "0" / ends.BEGUN).touch()
        ends.write(ends.End(job=0, code=0, said="switch"), folder / "0")

    thread = threading.Thread(target=goes_on)
    thread.start()
    with watched(PLAN, folder, Progress()) as watch:
        watch.outlive(1.5)
    thread.join()
    said = capsys.readouterr().err
    assert "job 0 begun: seed=1" in said
    assert "job 0 ended: switch" in said
    assert [end.said for end in ends.of_all(folder, PLAN.jobs)] == ["switch", ends.GONE]
