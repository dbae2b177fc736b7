"""How each job of a sweep ended: `end.json` in its folder, whole or not there."""

import os
from pathlib import Path
from typing import Literal

from llamaduo.findings import Measure, Result, Verdict
from llamaduo.records import Record

FILE = "end.json"
BEGUN = "begun"
"""A file beside it that is touched as long as the job's process lives."""
RUN = "run.json"
"""A file beside it that says which run the job is, written before the run begins."""
STOP = "stop"
"""In the sweep's folder: a file that ends its jobs, wherever they run."""
LOG = "log.txt"
"""What a job wrote, where it does not write to the terminal."""

GONE = "gone: no end was written"
"""Of a job that was begun: killed with its machine, or for its memory."""
NOT_BEGUN = "not begun"
STOPPED = "stopped; the same command goes on from here"


class End(Record):
    """The end of one job."""

    job: int
    differs: tuple[str, ...] = ()
    """Overrides that tell it from the other jobs."""
    code: int
    """As an exit code: 0 done, 1 error, 2 usage, 3 stopped by the budget."""
    said: str
    """How it ended, in words: the verdict, or the error with all its lines."""
    trace: str = ""
    """Of an error that is no user's."""
    home: str = ""
    fingerprint: str = ""
    """Of its run; empty where its config made none."""
    task: str = ""
    tracker: str = ""
    """Digest of what it is shown by."""
    verdict: Verdict | None = None
    part: Literal["test", "dev", ""] = ""
    """Which prompts `coverage` is of."""
    coverage: Measure | None = None
    spent_now: float = 0.0
    """Service dollars that it paid itself."""
    calls_now: int = 0
    made_now: int = 0
    """Stages that it made, rather than found."""
    recipes: tuple[str, ...] = ()
    """Stage results that it rests on, its own and others'."""
    counted: bool = True
    """Whether the three before are known; of a job that was killed they are not."""

    @property
    def finished(self) -> bool:
        """Whether its run has a verdict."""
        return self.verdict is not None


def coverage_of(result: Result) -> tuple[Literal["test", "dev", ""], Measure | None]:
    """Return the coverage that a run is known by: on the sealed test, or else on dev."""
    if result.test is not None:
        return "test", result.test.coverage
    if not result.rounds:
        return "", None
    return ("test" if result.steered_on == "test" else "dev"), result.rounds[-1].assessment.coverage


def write(end: End, folder: Path) -> None:
    """Write an end in the folder of its job."""
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / f"{FILE}.{os.getpid()}"
    with draft.open("w", encoding="utf-8") as file:
        file.write(end.model_dump_json(indent=1) + "\n")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(folder / FILE)


def read(folder: Path) -> End | None:
    """Return the end in a job's folder; None where there is none."""
    try:
        return End.model_validate_json((folder / FILE).read_bytes())
    except FileNotFoundError:
        return None


def begin(end: End, folder: Path) -> None:
    """Write in the folder of its job which run it is, for where it comes to no end."""
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / f"{RUN}.{os.getpid()}"
    draft.write_text(end.model_dump_json() + "\n", encoding="utf-8")
    draft.replace(folder / RUN)


def begun(folder: Path) -> End | None:
    """Return what is known of a job that has begun its run; None where it has not."""
    try:
        return End.model_validate_json((folder / RUN).read_bytes())
    except FileNotFoundError:
        return None


def of_all(sweep: Path, jobs: tuple[tuple[str, ...], ...], *, stopped: bool = False) -> list[End]:
    """Return an end for each job; those that wrote none have failed, with their run, if begun.

    Args:
        stopped: by Ctrl-C, which is why those that were begun have none.
    """
    found = []
    for number, differs in enumerate(jobs):
        place = sweep / str(number)
        known = begun(place) or End(job=number, differs=differs, code=1, said=GONE)
        ran = (place / BEGUN).exists()
        said = (STOPPED if stopped else GONE) if ran else NOT_BEGUN
        found.append(
            read(place) or known.model_copy(update={"code": 1, "said": said, "counted": not ran})
        )
    return found
