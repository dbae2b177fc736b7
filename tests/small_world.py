"""A whole experiment small enough to run in a second, with what it did written in a diary.

Task, judge, synth, dedup, store, ledger and desk are the real ones. The seams: a model that
answers right for as many prompts as it was tuned on rows for, and a service that knows how to
mark and to write.
"""

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from llamaduo import loop
from llamaduo.component import Component
from llamaduo.dedup.minhash import Minhash
from llamaduo.experiment import Experiment
from llamaduo.findings import Result
from llamaduo.judge.paper import PaperJudge
from llamaduo.judging import Judged
from llamaduo.ledger import Ledger
from llamaduo.local import LocalModel
from llamaduo.progress import Progress
from llamaduo.records import (
    Answer,
    Example,
    Message,
    Outcome,
    Part,
    Placed,
    Reply,
    Request,
    Training,
    Usage,
)
from llamaduo.service import Heard, Limits
from llamaduo.stages import Stages
from llamaduo.store import Store
from llamaduo.synth.self_instruct import SelfInstruct
from llamaduo.task.coverage import CoverageTask
from llamaduo.task.rows import FileRows
from llamaduo.tracker.silent import Silent
from llamaduo.tuner import Watch
from llamaduo.workload import Workload

ROWS, PRICE = 40, 0.01
MARK = "mark|{tag}|{instruction}|{target}|{answer}"
WRITE = "write|{count}|{examples}"


class BrokenError(Exception):
    """What a test had break."""


class Diary(Mapping[str, None]):
    """What was done, and what shall go wrong. To a run's config.yaml it is an empty mapping."""

    def __init__(self) -> None:
        self.tuned: list[int] = []
        """Rows of each tuning."""
        self.answered: list[str] = []
        """Ids of the rows answered, once for each answer."""
        self.prompts: list[tuple[Message, ...]] = []
        """What the model was shown, once for each answer."""
        self.asked: list[Request] = []
        self.breaks: dict[str, int] = {}
        """How many of a kind of doing still go well."""

    def __getitem__(self, key: str) -> None:
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0

    def __bool__(self) -> bool:
        return True

    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = object.__hash__

    def doing(self, what: str) -> None:
        if what in self.breaks:
            self.breaks[what] -= 1
            if self.breaks[what] < 0:
                raise BrokenError(what)

    def count(self, kind: str) -> int:
        return sum(request.messages[0].content.startswith(kind) for request in self.asked)


class Base(Component):
    """The local model, of which nothing is ever loaded."""

    name: str = "toy"
    base: str = "nobody/toy"
    revision: str = "1"
    licence: str = "MIT"
    template: str | None = None
    end_of_turn: str = "<end>"
    adapter: Path | None = None

    def faults(self) -> list[str]:
        return []

    def source(self) -> tuple[str, str | None]:
        raise AssertionError("a toy has no weights")


class Learner(Component):
    """Writes down how many rows it saw; that is all its model knows."""

    operational: ClassVar[frozenset[str]] = frozenset({"diary"})

    diary: Diary
    steps: int | None = None
    """None: one for each row."""

    @property
    def looks_at_dev(self) -> bool:
        return False

    def faults(self, local: LocalModel) -> list[str]:
        return []

    def for_steps(self, steps: int) -> "Learner":
        return self.model_copy(update={"steps": steps})

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
        self.diary.tuned.append(len(rows))
        steps = len(rows) if self.steps is None else self.steps
        facts = Training(rows=len(rows), too_long=(), steps=steps, loss=1 / steps)
        (out / "training.json").write_text(facts.model_dump_json(), encoding="utf-8")
        (out / "adapter.json").write_text(str(len(rows)), encoding="utf-8")


class Parrot(Component):
    """Answers a share of the prompts right: rows tuned on, of `enough`."""

    operational: ClassVar[frozenset[str]] = frozenset({"diary"})

    diary: Diary
    enough: int
    asked: None = None
    """Nobody answers in its stead."""

    def answer(
        self,
        local: LocalModel,
        adapter: Path,
        prompts: Sequence[Example],
        *,
        samples: int,
        max_new_tokens: int,
        seed: int,
        done: Sequence[Answer],
        progress: Progress,
    ) -> Iterator[Answer]:
        there = {(answer.example.id, answer.sample) for answer in done}
        file = adapter / "adapter.json"
        rows = int(file.read_text()) if file.exists() else 0
        right = rows / self.enough * len(prompts)
        for i, example in enumerate(prompts):
            for sample in range(samples):
                if (example.id, sample) not in there:
                    self.diary.doing("answer")
                    self.diary.answered.append(example.id)
                    self.diary.prompts.append(example.messages)
                    text = example.target if i < right else f"{rows} rows do not tell"
                    yield Answer(example=example, text=text, sample=sample)


class Scripted(Component):
    """Marks an answer 100 if it is the target and 10 if not; writes five pairs a call.

    The last two of them are copies: of the row it is shown, and of a coverage row.
    """

    operational: ClassVar[frozenset[str]] = frozenset({"diary", "concurrency"})

    diary: Diary
    name: str = "scripted"
    simulated: bool = False
    concurrency: int = 2
    attempts: int = 1
    backoff: float = 0.0

    @property
    def structured(self) -> bool:
        return False

    @property
    def limits(self) -> Limits:
        return Limits(payee=self.name)

    def faults(self) -> list[str]:
        return []

    def upper_bound_usd(self, request: Request) -> float:
        return PRICE

    async def attempt(self, request: Request, seed: int, once: str) -> Heard:
        kind, *fields = request.messages[-1].content.split("|")
        kind = kind if fields else "ask"
        self.diary.doing(kind)
        self.diary.asked.append(request)
        if kind == "ask":
            text = self._answer(request.messages[-1].content)
        else:
            text = self._mark(*fields) if kind == "mark" else self._write(request.sample, *fields)
        usage = Usage(prompt_tokens=10, completion_tokens=len(text), usd=PRICE)
        return Heard(Reply(outcome=Outcome.OK, text=text, usage=usage))

    def _mark(self, tag: str, instruction: str, target: str, answer: str) -> str:
        wanted, got = (text.split("\n", 1)[1].rsplit("\n", 1)[0] for text in (target, answer))
        mark = 100 if got == wanted else 10
        return json.dumps({"tag": tag, "similarity": mark, "precision": mark})

    def _answer(self, question: str) -> str:
        """Answer every second coverage row as its target has it."""
        number = int(question.removeprefix("row").partition("word")[0])
        return f"target {number}" if number % 2 else "another answer"

    def _write(self, sample: int, count: str, examples: str) -> str:
        shown = json.loads(examples.split("\n")[0])
        fresh = [unlike(f"fresh{sample}n{i}") for i in range(int(count) - 2)]
        pairs = [{"instruction": text, "response": "yes", "note": "made"} for text in fresh]
        for text in (shown["instruction"], unlike(f"row{sample}")):
            pairs.append({"instruction": text, "response": "a copy"})
        return json.dumps({"contents": pairs})


def unlike(name: str) -> str:
    """Return a text that shares no shingle with another name's."""
    return " ".join(f"{name}word{i}" for i in range(6))


def coverage_file(folder: Path) -> Path:
    path = folder / "rows.jsonl"
    rows = [
        {"id": f"r{i}", "instruction": unlike(f"row{i}"), "response": f"target {i}"}
        for i in range(ROWS)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def workload() -> Workload:
    price = {"input": 5, "output": 15, "as_of": "2025-01-31", "source": "a list"}
    return Workload.model_validate(
        {
            "name": "small",
            "local_name": "toy",
            "service_name": "scripted",
            "input_tokens_per_day": 1_000_000,
            "output_tokens_per_day": 1_000_000,
            "months": (1, 12),
            "price": price,
            "tuning_usd": 100,
            "servers": 1,
            "server_usd": 1000,
            "watts_per_server": 100,
            "usd_per_kwh": 0.2,
        }
    )


def experiment(home: Path, diary: Diary, *, enough: int = 1000, **changed: Any) -> Experiment:
    """Return an experiment; with `enough` at its default the goal is never met."""
    home.mkdir(exist_ok=True)
    service = Scripted(diary=diary)
    asking = {"max_tokens": 500, "temperature": 1}
    judge = {"service": service, "prompt": MARK, "repeats": 1, "audit": 0}
    synth = {"prompt": WRITE, "rows": 30, "per_call": 5, "examples": 1}
    split = {"train": 0.4, "dev": 0.3, "test": 0.3}
    fields: dict[str, Any] = {
        "task": CoverageTask.model_validate(
            {
                "name": "sorting",
                "rows": FileRows(path=coverage_file(home)),
                "split": split,
                "max_new_tokens": 8,
            }
        ),
        "service": service,
        "judge": PaperJudge.model_validate({**judge, **asking}),
        "local": Base(),
        "tuner": Learner(diary=diary),
        "engine": Parrot(diary=diary, enough=enough),
        "synth": SelfInstruct.model_validate({**synth, **asking}),
        "dedup": Minhash(copies=0.7, leaks=0.5),
        "workload": workload(),
        "tracker": Silent(),
        "goal": {"at_least": 90, "similarity": 90, "precision": 90},
        "rounds": 3,
        "samples": 2,
        "seed": 42,
        "ceiling": asking,
        "home": home,
    }
    return Experiment.model_validate({**fields, **changed})


def altered(component: object, **fields: Any) -> Any:
    """Return the same component with other fields."""
    assert isinstance(component, Component)
    return component.model_copy(update=fields)


@dataclass(frozen=True)
class Played:
    """What a run came to and did."""

    result: Result
    made: list[str]
    """Stages that were made rather than found, by name."""
    calls: int
    split: Sequence[Placed]
    judged: dict[tuple[str, Part], Judged]

    def ids(self, part: Part) -> set[str]:
        return {row.example.id for row in self.split if row.part == part}


def play(exp: Experiment) -> Played:
    """Run the loop on the store and ledger of the experiment's home."""
    ledger = Ledger(exp.home / "ledger.sqlite")
    try:
        stages = Stages(
            exp, Store(exp.home / "store"), ledger, Progress(io.StringIO()), exp.fingerprint()
        )
        split = stages.split()
        result = loop.run(exp, stages, split, Silent())
        assert answered_twice(ledger) == 0
        made = [recipe.partition("/")[0] for recipe in stages.store.made]
        return Played(result, made, ledger.calls_now, split, stages.judged)
    finally:
        ledger.close()


def answered_twice(ledger: Ledger) -> int:
    """Count the keys with more than one reply that is not a failed try."""
    (count,) = ledger._db.execute(
        "select count(*) from (select key from replies where outcome != 'failed' "
        "group by key having count(*) > 1)"
    ).fetchone()
    return int(count)
