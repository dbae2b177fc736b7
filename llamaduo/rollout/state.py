"""Where a rollout stands, and how it came there: `state.json` in its folder."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Literal
from uuid import uuid4

from pydantic import ValidationError

from llamaduo.errors import LlamaDuoError
from llamaduo.locks import flocked
from llamaduo.records import Record
from llamaduo.rollout import Phase
from llamaduo.serving.endpoint import Endpoint

FILE = "state.json"
LOCK = "lock"

Verdict = Literal["advance", "hold", "go back"]


class Asked(Record):
    """How the gateway asks the service. It holds the names of variables, never a key."""

    name: str
    model: str
    """As litellm names it, provider first."""
    api_base: str | None = None
    api_version: str | None = None
    """Azure's."""
    key_env: str | tuple[str, ...] | None = None
    usd_per_million: tuple[float, float]
    """Of prompt tokens, and of completion tokens."""
    as_of: date
    """The day the price was read."""
    source: str
    """Where it was read."""
    timeout: float
    """Seconds."""


class Step(Record):
    """One phase that was begun."""

    number: int
    """From 1 on; the ids of the gateway's deployments begin with it."""
    phase: Phase
    at: str
    """ISO 8601, UTC: when the files were written. The gateway follows when it is restarted."""
    by: str
    version: str = ""
    """Of the registered model; "" where the service answers alone."""
    share: float = 1.0
    """Of the calls that are mirrored (shadow) or answered here (canary), 0..1."""
    forced: str = ""
    """Why it was begun though something stood against it; "" where nothing did."""
    endpoint: Endpoint | None = None
    """Where the local model is asked; None where the service answers alone."""
    against: tuple[str, ...] = ()
    """What stood against it."""


class Checked(Record):
    """What `rollout check` said."""

    number: int
    """Of the step."""
    verdict: Verdict
    at: str


class State(Record):
    """All steps so far."""

    name: str
    """What clients ask for, in every phase."""
    service: Asked
    steps: tuple[Step, ...] = ()
    checks: tuple[Checked, ...] = ()

    @property
    def current(self) -> Step:
        """The step that the files are of."""
        return self.steps[-1]

    def last(self, phase: Phase, version: str) -> Step | None:
        """Return the last step of a phase with a version; None: there was none."""
        for step in reversed(self.steps):
            if step.phase == phase and step.version == version:
                return step
        return None

    def passed(self, phase: Phase, version: str) -> bool:
        """Whether a phase of this version was checked, last with `advance`, and not rolled back."""
        for step in reversed(self.steps):
            if step.phase == "rollback":
                return False
            if step.phase == phase and step.version == version:
                said = [one.verdict for one in self.checks if one.number == step.number]
                return said[-1:] == ["advance"]
        return False


def read(folder: Path) -> State | None:
    """Return the state of a folder; None where no phase was begun.

    Raises:
        LlamaDuoError: if the file is none of ours.
    """
    path = folder / FILE
    if not path.exists():
        return None
    try:
        return State.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        words = " ".join(str(error).split())[:200]
        raise LlamaDuoError(
            f"{path} cannot be read: {words}. Move it away to begin anew; the gateway goes on with "
            "the config it has"
        ) from None


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Be alone with the state from reading it to writing it, for no longer than that."""
    folder.mkdir(parents=True, exist_ok=True)
    with flocked(folder / LOCK):
        yield


def checked(folder: Path, found: Checked) -> None:
    """Add what a check said to the state as it is by now: judging takes its time."""
    with locked(folder):
        state = read(folder)
        if state is not None:
            write(folder, state.model_copy(update={"checks": (*state.checks, found)}))


def write(folder: Path, state: State) -> None:
    """Write it whole or not at all."""
    put(folder / FILE, state.model_dump_json(indent=2) + "\n")


def put(path: Path, text: str) -> None:
    """Write a file by rename, seen on the disk: who reads it finds the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        with draft.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
