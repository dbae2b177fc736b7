"""Dossiers of runs that ended otherwise, or were made of other parts: traced like any other."""

import io
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from small_world import MARK, PRICE, ROWS, Diary, Scripted, altered, experiment, unlike
from tracing import faults, fresh

from llamaduo import loop, runs
from llamaduo.dossier.evidence import gather
from llamaduo.dossier.render import html
from llamaduo.engine.openai_endpoint import OpenAIEndpoint
from llamaduo.errors import UsageError
from llamaduo.experiment import Experiment
from llamaduo.findings import Result
from llamaduo.judge.panel import PanelJudge
from llamaduo.ledger import Ledger
from llamaduo.progress import Progress
from llamaduo.stages import Stages
from llamaduo.started import Started
from llamaduo.store import Store
from llamaduo.task.rows import FileRows
from llamaduo.tracker.silent import Silent
from llamaduo.tuner.untuned import Untuned

AGAINST = {"at_least": 60, "similarity": 90, "precision": 90, "against": "service", "margin": 5}


class Mumbles(Scripted):
    """Marks no answer that is not the target."""

    def _mark(self, tag: str, instruction: str, target: str, answer: str) -> str:
        said = super()._mark(tag, instruction, target, answer)
        return said if '"similarity": 100' in said else "I would rather not."


@dataclass(frozen=True)
class Told:
    """A run that is over, and its dossier."""

    exp: Experiment
    place: Path
    result: Result
    page: str

    @property
    def said(self) -> str:
        """What one reads."""
        return re.sub(r"\s+", " ", re.sub("<[^>]+>", "", self.page.partition("</style>")[2]))


def ran(exp: Experiment, *typed: str) -> Path:
    """Run as a session does, without its pictures; returns the run's folder."""
    private = Path(exp.home) / ".llamaduo"
    place = private / "runs" / exp.fingerprint()
    place.mkdir(parents=True)
    runs.remember(place, exp, Started(overrides=typed) if typed else None)
    ledger = Ledger(private / "ledger.sqlite")
    try:
        stages = Stages(exp, Store(private / "store"), ledger, Progress(io.StringIO()), place.name)
        result = loop.run(exp, stages, stages.split(), Silent())
    finally:
        ledger.close()
    (place / runs.RESULT).write_text(result.model_dump_json(), encoding="utf-8")
    return place


def told(exp: Experiment) -> Told:
    """Run, and write the dossier; every figure in it is looked up."""
    place = ran(exp)
    evidence = gather(exp, place)
    page = html(evidence)
    assert faults(page, fresh(exp, place)) == []
    assert evidence.again.never_made == bool(evidence.result.unfinished)
    return Told(exp, place, evidence.result, page)


def in_kinds(exp: Experiment) -> Experiment:
    """Return the experiment with two categories of rows."""
    path = Path(exp.home) / "rows.jsonl"
    rows = [
        {"id": f"r{i}", "instruction": unlike(f"row{i}"), "response": f"target {i}"}
        | {"category": "odd|one" if i % 2 else "even"}
        for i in range(ROWS)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return altered(exp, task=altered(exp.task, rows=FileRows(path=path)))  # type: ignore[no-any-return]


def panel(exp: Experiment, diary: Diary) -> Experiment:
    members = {name: Scripted(diary=diary, name=name) for name in ("one", "two")}
    asking = {"prompt": MARK, "repeats": 1, "audit": 0, "max_tokens": 500, "temperature": 1}
    judge = PanelJudge.model_validate({"members": members, **asking})
    return altered(exp, judge=judge)  # type: ignore[no-any-return]


def endpoint(home: Path, diary: Diary) -> Experiment:
    engine = OpenAIEndpoint(
        service=Scripted(diary=diary, name="server"), max_tokens=9, temperature=0
    )
    goal = {"at_least": 1, "similarity": 5, "precision": 5, "latency_p95_ms": 0.0001}
    return experiment(home, diary, engine=engine, tuner=Untuned(), goal=goal)


def mumbled(home: Path, diary: Diary) -> Experiment:
    exp = experiment(home, diary, rounds=1, enough=32)
    return altered(exp, judge=altered(exp.judge, service=Mumbles(diary=diary)))  # type: ignore[no-any-return]


SHAPES: dict[str, tuple[Callable[[Path, Diary], Experiment], tuple[str, ...], tuple[str, ...]]] = {
    "one category, no audit": (
        lambda home, diary: experiment(home, diary, rounds=2),
        ("The task has one category", "not audited: its bias and noise are unknown"),
        ("points beside the service",),
    ),
    "a panel": (
        lambda home, diary: panel(experiment(home, diary, rounds=1), diary),
        ("(one)", "(two)"),
        (),
    ),
    "an endpoint with a goal of time": (
        endpoint,
        ("Nothing was tuned; what it came to on dev", "What stands against a switch", "0.0001 ms"),
        (
            "It taught the model",
            "teacher",
            "was tuned on",
            "adapter of round",
            "Chance in tuning",
            "base model",
        ),
    ),
    "answers without marks": (
        mumbled,
        ("that have no marks at all", "I would rather not."),
        (),
    ),
    "beside the service": (
        lambda home, diary: in_kinds(
            experiment(home, diary, rounds=1, enough=32, goal=AGAINST, baselines=("service",))
        ),
        (
            "A wider margin would",
            "points beside the service",
            "the goal is -5.0 or more",
            "judged of both",
        ),
        ("goal is 60", "out of the service's own reach"),
    ),
}


@pytest.mark.parametrize(("made", "says", "never"), SHAPES.values(), ids=SHAPES)
def test_a_run_of_any_shape_has_a_dossier_whose_figures_are_all_traced(
    made: Callable[[Path, Diary], Experiment],
    says: tuple[str, ...],
    never: tuple[str, ...],
    tmp_path: Path,
) -> None:
    found = told(made(tmp_path / "home", Diary()))
    assert "and came to the same" in found.said
    assert [text for text in says if text not in found.said] == []
    assert [text for text in never if text in found.said] == []


def test_a_category_has_its_distance_to_the_service_beside_its_own_coverage(
    tmp_path: Path,
) -> None:
    made, *_ = SHAPES["beside the service"]
    found = told(made(tmp_path / "home", Diary()))
    names = [one.category for one in found.result.decision.categories]
    assert sorted(names) == ["even", "odd|one"]
    for i in range(2):
        assert f'data-from="result.decision.categories.{i}.measure.value"' in found.page


LOST = "Not every result that the run rests on is in the store any more"
STOPPED = "The run was stopped before all that its result would rest on was made"


@pytest.mark.parametrize(
    ("budget", "says"),
    [
        (5, ("The sealed test was not opened.",)),
        (18, ("The sealed test was not judged to its end", "This run is not on record: no ver")),
        (25, ("Opened once, for this verdict",)),
    ],
    ids=["in the round", "on the test", "among the baselines"],
)
def test_a_run_that_its_budget_stopped_says_what_was_never_made_and_not_what_was_lost(
    budget: int, says: tuple[str, ...], tmp_path: Path
) -> None:
    """Twelve prompts of dev and twelve of the test, each one call; then the baselines."""
    fields: dict[str, Any] = {"rounds": 1, "baselines": ("untuned",), "enough": 32}
    found = told(experiment(tmp_path / "home", Diary(), budget_usd=budget * PRICE + 1e-9, **fields))
    assert found.result.unfinished.startswith("stopped by the budget")
    assert STOPPED in found.said and LOST not in found.said
    assert "Nobody is on record" not in found.said and "Opened 0" not in found.said
    assert [text for text in says if text not in found.said] == []


def test_what_a_stopped_run_has_lost_since_is_lost(tmp_path: Path) -> None:
    import shutil

    found = told(experiment(tmp_path / "home", Diary(), rounds=1, budget_usd=18 * PRICE + 1e-9))
    for folder in (found.place.parents[1] / "store" / "judgements").iterdir():
        shutil.rmtree(folder)
    again = gather(found.exp, found.place)
    assert not again.again.never_made and LOST in html(again)


def test_without_a_config_in_its_folder_it_is_the_one_that_is_known(tmp_path: Path) -> None:
    exp = experiment(tmp_path / "home", Diary(), rounds=1)
    place = ran(exp)
    kept = gather(exp, place).roots["config text"]
    for spoil in (Path.unlink, lambda path: path.write_text("# nothing that YAML can say\n")):
        spoil(place / runs.CONFIG)
        assert gather(exp, place).roots["config text"] == kept


def test_a_config_that_no_yaml_can_say_names_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exp = experiment(tmp_path / "home", Diary(), rounds=1)
    place = ran(exp, "task=mine")
    (place / runs.CONFIG).write_text("# seed: a set cannot be written in a YAML\n")

    def no_yaml(_: Experiment) -> str:
        raise TypeError("seed: a set cannot be written in a YAML")

    monkeypatch.setattr(runs, "config_of", no_yaml)
    with pytest.raises(UsageError, match=r"holds no config.*a set cannot.*llamaduo run task=mine$"):
        gather(exp, place)


def test_a_secret_in_config_or_command_stands_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exp = experiment(tmp_path / "home", Diary(), rounds=1)
    place = ran(exp, "service.api_base=http://me:hunter2@here/v1", "note=sk-0123456789")
    with (place / runs.CONFIG).open("a") as file:
        file.write("note: sk-0123456789\nbase: http://me:hunter2@here/v1\n")
    monkeypatch.setenv("MY_API_KEY", "sk-0123456789")
    made = html(gather(exp, place))
    assert "sk-0123456789" not in made and "hunter2" not in made
    assert made.count("[MY_API_KEY]") == 2 and made.count("http://me:[password]@here/v1") == 2
