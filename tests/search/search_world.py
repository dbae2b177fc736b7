"""The small world with a tuner whose result hangs on its settings, and a search over them.

The nearer `lr` is to 0.001 in orders of magnitude, the more prompts its model answers right
and the lower its loss on dev. Everything else is real: study, store, ledger, judge, loop.
"""

import io
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field
from small_world import Diary, Parrot, experiment

from llamaduo import session
from llamaduo.component import Component
from llamaduo.errors import CannotLearn, ModelError
from llamaduo.experiment import Experiment
from llamaduo.findings import Result, Searched
from llamaduo.ledger import Ledger
from llamaduo.local import LocalModel
from llamaduo.progress import Progress
from llamaduo.records import Example, Training
from llamaduo.stages import Stages
from llamaduo.store import Store
from llamaduo.tracker.silent import Silent
from llamaduo.trials import search
from llamaduo.tuner import Watch

BEST, DIVERGES = 1e-3, 0.5
SPACE: dict[str, Any] = {
    "tuner.lr": {"low": 1e-5, "high": 1e-1, "log": True},
    "tuner.r": {"choices": [4, 8]},
}


class Pupil(Component):
    """Learns as well as its rate is good; looks at dev, and goes on from where it was killed."""

    operational: ClassVar[frozenset[str]] = frozenset({"diary", "slow", "log"})

    diary: Diary
    lr: float = Field(1e-5, gt=0)
    r: int = Field(4, ge=1)
    steps: int = 40
    eval_steps: int | None = None
    slow: float = 0.0
    """Seconds that every tenth step takes."""
    log: Path | None = None
    """Every tenth step is written down here, with the settings."""

    @property
    def looks_at_dev(self) -> bool:
        return self.eval_steps is not None

    def faults(self, local: LocalModel) -> list[str]:
        return []

    def for_steps(self, steps: int) -> "Pupil":
        return self.model_copy(update={"steps": steps})

    def quality(self) -> float:
        """0..1."""
        return max(0.0, 1 - abs(math.log10(self.lr / BEST)) / 2)

    def tune(
        self,
        local: LocalModel,
        rows: Sequence[Example],
        *,
        dev: Sequence[Example],
        seed: int,
        out: Path,
        scratch: Path,
        progress: Progress,
        watch: Watch | None = None,
    ) -> None:
        self.diary.doing("tune")
        if self.diary.breaks.get("disk", 1) < 1:
            raise ModelError("tuning ended early: no space left on device")
        if self.diary.breaks.pop("memory", 0):
            raise MemoryError
        if self.lr >= DIVERGES:
            raise CannotLearn("the loss became nan at step 3: lower tuner.lr")
        at = scratch / "step"
        done = int(at.read_text()) if at.exists() else 0
        loss = 9.0
        for step in range(done + 10, self.steps + 1, 10):
            self.diary.doing("step")
            if self.log is not None:
                with self.log.open("a") as file:
                    file.write(f"{self.lr!r} {self.r} {step}\n")
            time.sleep(self.slow)
            loss = 5 - 4 * self.quality() * step / self.steps
            at.write_text(str(step))
            if self.eval_steps and watch is not None:
                watch(step, loss)
        self.diary.tuned.append(len(rows))
        facts = Training(
            rows=len(rows),
            too_long=(),
            steps=self.steps,
            loss=loss,
            tokens=100 * self.steps * self.r,
            dev_loss=loss if self.eval_steps else None,
            looks=((self.steps, loss),) if self.eval_steps else (),
        )
        (out / "training.json").write_text(facts.model_dump_json(), encoding="utf-8")
        (out / "adapter.json").write_text(str(round(100 * self.quality())), encoding="utf-8")
        (out / "settings.json").write_text(f"{self.lr} {self.r}", encoding="utf-8")


def searching(
    home: Path, diary: Diary, *, tuner: dict[str, Any] | None = None, **fields: Any
) -> Experiment:
    """Return an experiment that searches; its goal cannot be met."""
    wanted = {"trials": 6, "space": SPACE, "startup": 3, **fields}
    pupil = Pupil.model_validate({"diary": diary, **(tuner or {})})
    changed: dict[str, Any] = {"rounds": 1, "tuner": pupil, "search": wanted}
    return experiment(home, diary, **changed, engine=Parrot(diary=diary, enough=100))


@dataclass(frozen=True)
class Sought:
    """What a search alone came to, and did."""

    found: Searched
    said: str
    made: list[str]
    calls: int


def searched(exp: Experiment) -> Sought:
    """Run the search, and no loop after it."""
    private, out = Path(exp.home) / ".llamaduo", io.StringIO()
    ledger = Ledger(private / "ledger.sqlite")
    try:
        stages = Stages(exp, Store(private / "store"), ledger, Progress(out), exp.fingerprint())
        found = search(exp, stages, stages.split(), Silent())
        return Sought(found, out.getvalue(), stages.store.made, ledger.calls_now)
    finally:
        ledger.close()


def whole(exp: Experiment) -> tuple[Result, Searched, str]:
    """Run it all, from the check to the report."""
    out = io.StringIO()
    result = session.run(exp, Progress(out))
    assert result.searched is not None
    return result, result.searched, out.getvalue()
