"""Workers: real processes that share a search, one of them killed, on a file and on a server."""

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from search_world import searching
from small_world import Diary

from llamaduo.findings import Result
from llamaduo.search import Search
from llamaduo.study import Study, storage

TRIALS, LONG = 6, 60.0
TESTS = Path(__file__).parent.parent
WORKER = """
import sys
from pathlib import Path
sys.path[:0] = [str(Path(sys.argv[1]).parent), sys.argv[1], sys.argv[1] + "/search"]
import small_world
from search_world import searching
from llamaduo import session
from llamaduo.progress import Progress
home = Path(sys.argv[2])
small_world.coverage_file = lambda folder: folder / "rows.jsonl"  # it is there: none writes it anew
tuner = {"slow": float(sys.argv[4]), "log": home.parent / "steps"}
exp = searching(home, small_world.Diary(), trials=6, storage=sys.argv[3], tuner=tuner)
result = session.run(exp, Progress())
home.with_name(sys.argv[5]).write_text(result.model_dump_json())
"""


@contextmanager
def worker(home: Path, kept: str, name: str, slow: float) -> Iterator[subprocess.Popen[bytes]]:
    """Start a worker; a slow one is in the middle of a trial whenever one looks."""
    arguments = [str(TESTS), str(home), kept, str(slow), name]
    with home.with_name(f"{name}.said").open("w") as said:
        child = subprocess.Popen(
            [sys.executable, "-c", WORKER, *arguments], stdout=said, stderr=said
        )
        try:
            yield child
        finally:
            child.kill()
            child.wait()


def until(true: Callable[[], bool]) -> None:
    late = time.monotonic() + LONG
    while not true():
        assert time.monotonic() < late, "it never came to it"
        time.sleep(0.05)


def steps(home: Path) -> list[str]:
    """Return the steps that were tuned, each with its settings, in order."""
    file = home.parent / "steps"
    return file.read_text().splitlines() if file.exists() else []


@pytest.fixture(scope="session")
def server(postgres: Any) -> str:
    """Return the address of an empty database."""
    postgres.psql("create database trials")
    return str(postgres.get_uri()).replace("/postgres?", "/trials?")


@pytest.mark.parametrize("kept", ["journal", "postgresql"])
def test_workers_share_a_search_and_end_what_a_killed_one_began(
    kept: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    home = tmp_path / "home"
    if kept == "postgresql":
        monkeypatch.setenv("LLAMADUO_SEARCH_URL", request.getfixturevalue("server"))
    home.mkdir()
    searching(home, Diary())  # its rows
    with worker(home, kept, "victim", slow=LONG) as victim:
        until(lambda: bool(steps(home)))
        begun = steps(home)[0]
        with worker(home, kept, "one", 0.02) as one, worker(home, kept, "two", 0.02) as two:
            said = [tmp_path / "one.said", tmp_path / "two.said"]
            until(lambda: any("waiting for 1 trials" in file.read_text() for file in said))
            assert len(steps(home)) == (TRIALS - 1) * 4 + 1, "all but the victim's are tuned"
            victim.kill()  # SIGKILL
            victim.wait()
            ends = [child.wait(timeout=LONG) for child in (one, two)]
            assert ends == [0, 0], [file.read_text() for file in said]
    tuned = Counter(steps(home))
    assert len(tuned) == TRIALS * 4, "every trial has four tens of steps"
    assert set((tuned - Counter([begun])).values()) == {1}, "it went on from its checkpoint"
    results = [Result.model_validate_json((tmp_path / name).read_text()) for name in ("one", "two")]
    assert results[0] == results[1]
    found = results[0].searched
    assert found is not None
    assert [trial.number for trial in found.trials] == list(range(TRIALS))
    assert len({str(trial.settings) for trial in found.trials}) == TRIALS
    lr, r, _ = begun.split(" ")
    settings = {"tuner.lr": float(lr), "tuner.r": int(r)}
    assert sum(trial.settings == settings for trial in found.trials) == 1
    assert not (tmp_path / "victim").exists()


def opened(folder: Path, kept: str, trials: int = 3) -> Study:
    space = {"tuner.lr": {"low": 1e-5, "high": 1e-1}}
    wanted = {"trials": trials, "space": space, "storage": kept}
    search = Search.model_validate(wanted)
    return Study(search, {"tuner.lr": 0.01}, seed=1, name=str(folder.parent), folder=folder)


def test_a_worker_of_another_machine_is_dead_when_it_gives_no_sign_of_life(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLAMADUO_SEARCH_URL", server)
    monkeypatch.setattr(storage, "HEARTBEAT", 1)
    monkeypatch.setattr(storage, "GRACE", 2)
    here, there = (opened(tmp_path / name, "postgresql") for name in ("here", "there"))
    with monkeypatch.context() as patch:
        patch.setattr("llamaduo.study.this_process", lambda: "elsewhere:1:0.0")
        lost = there.ask()
        living = there.ask()
        third = there.ask()
    assert lost is not None
    assert living is not None
    assert third is not None
    with there.running(living), there.running(third):
        assert here.ask() is None
        assert here.busy == 3
        time.sleep(2.5)
        taken = here.ask()
        assert taken is not None
        assert (taken.number, taken.settings) == (lost.number, lost.settings)
        assert here.ask() is None, "the others are alive"


def test_a_line_that_a_kill_left_half_spoils_nothing(tmp_path: Path) -> None:
    study = opened(tmp_path / "search", "journal")
    first = study.ask()
    assert first is not None
    with (tmp_path / "search" / "journal.log").open("ab") as file:
        file.write(b'{"op_code":9,"worker')
    study.put_back(first)
    again = opened(tmp_path / "search", "journal").ask()
    assert again is not None
    assert (again.number, again.settings) == (0, {"tuner.lr": 0.01})


def test_no_more_trials_are_begun_than_are_wanted(tmp_path: Path) -> None:
    studies = [opened(tmp_path / "search", "journal") for _ in range(2)]
    asked = [studies[i % 2].ask() for i in range(5)]
    assert [one is None for one in asked] == [False, False, False, True, True]
    assert studies[0].busy == 3
    assert len({str(one.settings) for one in asked if one is not None}) == 3


def test_what_a_trial_had_found_goes_with_it(tmp_path: Path) -> None:
    study = opened(tmp_path / "search", "journal")
    first = study.ask()
    assert first is not None
    first.loss(10, 3.5)
    study.put_back(first)
    again = study.ask()
    assert again is not None
    assert again.curve == {10: 3.5}
    again.loss(10, 3.5)
    again.loss(20, 3.0)
    assert again.curve == {10: 3.5, 20: 3.0}
