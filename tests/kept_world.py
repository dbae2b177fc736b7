"""A small world whose parts are pinned, at home as a session lays it out; and forgetting in it."""

import hashlib
import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from small_world import Diary, Learner, Parrot, experiment, unlike

from llamaduo import loop, scores
from llamaduo.component import Component
from llamaduo.experiment import Experiment
from llamaduo.findings import Result
from llamaduo.keeping.forget import Proof, forget, proof
from llamaduo.keeping.persons import chosen
from llamaduo.keeping.plan import Plan, plan
from llamaduo.keeping.units import units
from llamaduo.ledger import Ledger
from llamaduo.progress import Progress
from llamaduo.records import Answer
from llamaduo.stages import Stages
from llamaduo.store import Store
from llamaduo.task.coverage import CoverageTask
from llamaduo.task.rows import FileRows
from llamaduo.tracker.silent import Silent

PARTS = ("train",) * 16 + ("dev",) * 12 + ("test",) * 12
ROWS = [f"r{i}" for i in range(len(PARTS))]
TRAIN, DEV, TEST = ROWS[:16], ROWS[16:28], ROWS[28:]


class Remembers(Learner):
    """A learner whose adapter is another for other rows, as real ones are."""

    def tune(self, local: Any, rows: Sequence[Any], **given: Any) -> None:
        super().tune(local, rows, **given)
        said = "".join(row.model_dump_json() for row in rows)
        (given["out"] / "weights.safetensors").write_bytes(hashlib.sha256(said.encode()).digest())


class Shown(Parrot):
    """A model whose wrong answers tell how much it was shown."""

    def answer(self, *given: Any, **more: Any) -> Iterator[Answer]:
        for answer in super().answer(*given, **more):
            right = answer.text == answer.example.target
            said = answer.text if right else f"{answer.text} of {len(answer.example.messages)}"
            yield answer.model_copy(update={"text": said})


def question(name: str) -> str:
    return unlike(f"row{name.removeprefix('r')}")


def data(folder: Path, *, without: Sequence[str] = ()) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "rows.jsonl"
    rows = [
        {
            "id": name,
            "part": part,
            "instruction": question(name),
            "response": f"target {name.removeprefix('r')}",
        }
        for name, part in zip(ROWS, PARTS, strict=True)
        if name not in without
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def made(home: Path, diary: Diary, *, without: Sequence[str] = (), **changed: Any) -> Experiment:
    """Return an experiment with all baselines; its rows stand outside home."""
    rows = data(home.parent / f"data{len(without)}", without=without)
    exp = experiment(
        home,
        diary,
        tuner=Remembers(diary=diary),
        engine=Shown(diary=diary, enough=1000),
        baselines=("untuned", "few_shot", "coverage", "service"),
        rounds=2,
        **changed,
    )
    (home / "rows.jsonl").unlink()
    assert isinstance(exp.task, CoverageTask)
    task = exp.task.model_copy(update={"rows": FileRows(path=rows)})
    return exp.model_copy(update={"task": task})


@dataclass(frozen=True)
class Run:
    """What a run came to and did."""

    result: Result
    made: list[str]
    """Stages made now."""
    calls: int
    """Paid now."""
    recipes: list[str]
    """All it rests on."""


def go(exp: Experiment) -> Run:
    """Run as a session does, and leave what a session leaves that tells of rows."""
    private = Path(exp.home) / ".llamaduo"
    name = exp.fingerprint()
    place = private / "runs" / name
    place.mkdir(parents=True, exist_ok=True)
    assert isinstance(exp.task, CoverageTask)
    assert isinstance(exp.task.rows, FileRows)
    config = {"task": {"rows": {"path": str(exp.task.rows.path)}}}
    (place / "config.yaml").write_text(json.dumps(config), encoding="utf-8")
    ledger = Ledger(private / "ledger.sqlite")
    try:
        store = Store(private / "store", by=name)
        stages = Stages(exp, store, ledger, Progress(io.StringIO()), name)
        result = loop.run(exp, stages, stages.split(), Silent())
        everything = {of: stage.rows for of, stage in stages.judged.items()}
        scores.write_scores(place / scores.FILE, scores.score_rows(everything, exp.goal))
        (place / "result.json").write_text(result.model_dump_json(), encoding="utf-8")
        names = [recipe.partition("/")[0] for recipe in store.made]
        return Run(result, names, ledger.calls_now, list(store.wanted))
    finally:
        ledger.close()


@dataclass(frozen=True)
class World:
    """A home, what was done there, and what it came to."""

    home: Path
    diary: Diary
    run: Run


def planned(home: Path, *names: str) -> Plan:
    all_ = units(home / ".llamaduo" / "store")
    return plan(home, chosen(home, names, all_), all_)


def forgotten(
    home: Path, *names: str, step: Callable[[str], None] = lambda what: None
) -> tuple[Plan, Proof]:
    """Forget rows, and search for them."""
    found = planned(home, *names)
    forget(found, step)
    return found, proof(found)


def bytes_under(home: Path) -> dict[str, bytes]:
    return {
        path.relative_to(home).as_posix(): path.read_bytes()
        for path in sorted(home.rglob("*"))
        if path.is_file()
    }


def holding(home: Path, text: str) -> list[str]:
    """Return the files under home that hold `text`, as it stands or as JSON writes it."""
    once = json.dumps(text)[1:-1]
    ways = {text, once, json.dumps(once)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]}
    return [
        name
        for name, said in bytes_under(home).items()
        if any(way.encode() in said for way in ways)
    ]


def same(component: Component) -> Callable[[Path], Any]:
    """Return what stands for building a run again from its folder."""
    return lambda place: component
