"""All that a dossier says, read from the run's folder, the store and the ledger."""

import io
import json
import platform
import shlex
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

import llamaduo
from llamaduo import loop, runs
from llamaduo.cost import project
from llamaduo.cost.assumptions import assumptions
from llamaduo.dossier.forms import LONGEST
from llamaduo.dossier.traced import Roots
from llamaduo.errors import UsageError
from llamaduo.experiment import Experiment
from llamaduo.findings import Assessment, Result
from llamaduo.hosts import ledger_of
from llamaduo.judge.marks import MarksJudge
from llamaduo.ledger import Ledger
from llamaduo.parcel.calls import calls
from llamaduo.passport import passport
from llamaduo.progress import Progress
from llamaduo.projection import Projection
from llamaduo.records import Judgement, Request, Score
from llamaduo.report.money import migration_usd, rows_for_the_goal
from llamaduo.search.space import with_values
from llamaduo.secrets import without_secrets
from llamaduo.stages import Stages
from llamaduo.store import Rows, Store
from llamaduo.tracker.silent import Silent
from llamaduo.until import Reached

LIBRARIES = ("torch", "transformers", "peft", "trl", "bitsandbytes", "litellm", "mlflow")
"""Whose versions are shown: others may give other weights, answers or prices."""


ANSWERS = 20
"""Of the weakest answers, and as many of those without marks, so many are shown."""
REPLIES = 3
"""Of the judge's replies to each of them, so many are shown."""


@dataclass(frozen=True)
class Again:
    """What the store gives when the run is gone through once more, with nothing made."""

    result: Result | None
    """None where a result on the way is not there."""
    due: str
    """Recipe of the first that is not; empty where all are."""
    rows: Rows[Judgement] | None
    """The decided model's judgements on the test."""
    said: dict[str, list[dict[str, Any]]]
    """By digest of an answer, what the judge replied to it, reply by reply."""
    never_made: bool = False
    """Whether `due` is what the budget kept the run from, and not a result that was lost."""


@dataclass(frozen=True)
class Evidence:
    """What was read."""

    exp: Experiment
    result: Result
    projection: Projection
    again: Again
    differs: tuple[str, ...]
    """Fields of the run's result that the store gives otherwise today."""
    roots: Roots


def gather(exp: Experiment, place: Path) -> Evidence:
    """Read a finished run. Nothing is made, asked or written.

    Args:
        exp: what the run was made of.
        place: its folder.

    Raises:
        UsageError: if its result cannot be read.
    """
    found, said = runs.read([place])
    if not found:
        raise UsageError("\n  ".join(["report:", *said]))
    result = found[0].result
    again = walk(exp, place, result)
    projection = project(exp.workload, migration_usd(result))
    return Evidence(
        exp=exp,
        result=result,
        projection=projection,
        again=again,
        differs=differing(result, again.result),
        roots=roots(exp, place, result, projection, again),
    )


def roots(
    exp: Experiment, place: Path, result: Result, projection: Projection, again: Again
) -> dict[str, Any]:
    """Return what was read as plain JSON, by the names that paths begin with."""
    told = config_text(exp, place)
    typed = runs.typed(place)
    curve = rows_for_the_goal(result)
    words = [] if curve is None else [curve] if isinstance(curve, str) else list(curve[1].says)
    looks = again.result.openings if again.result else result.openings
    found: dict[str, Any] = {
        "result": result.model_dump(mode="json"),
        "projection": projection.model_dump(mode="json"),
        "assumptions": assumptions(exp.workload, projection),
        "rows for the goal": words,
        "config": yaml.safe_load(told),
        "config text": without_secrets(told),
        "typed": None if typed is None else [without_secrets(word) for word in typed],
        "passport": [one.model_dump(mode="json") for one in passport(exp, result)],
        "looks": [one.model_dump(mode="json") for one in looks],
        "checks": sorted({name for one in _assessed(result) for name in one.checks}),
        "versions": [
            {"name": "llamaduo", "version": llamaduo.__version__},
            {"name": "Python", "version": platform.python_version()},
            *({"name": name, "version": version(name)} for name in LIBRARIES),
        ],
        "limits": {"text": LONGEST, "answers": ANSWERS, "replies": REPLIES},
    }
    if again.rows is not None:
        recipe = again.rows.recipe
        store = place.parents[1] / "store"
        manifest = (store / recipe / "manifest.json").read_text(encoding="utf-8")
        found[f"manifest:{recipe}"] = json.loads(manifest)
        found[recipe] = [row.model_dump(mode="json") for row in again.rows]
        found[f"replies:{recipe}"] = again.said
    return found


def config_text(exp: Experiment, place: Path) -> str:
    """Return the config as it stands in the run's folder; where it does not, as it is known now.

    Raises:
        UsageError: if it is not there and no YAML can say it.
    """
    path = place / runs.CONFIG
    told = path.read_text(encoding="utf-8") if path.is_file() else ""
    if yaml.safe_load(told) is not None:
        return told
    try:
        return runs.config_of(exp)
    except TypeError as error:
        words = runs.typed(place)
        command = f": llamaduo run {shlex.join(words)}" if words else ""
        raise UsageError(
            f"report: {path} holds no config, and no YAML can say it ({error}); make that value "
            f"one that YAML has, and begin the run again by the command that made it{command}"
        ) from None


def _assessed(result: Result) -> list[Assessment]:
    """Return the models on the test, the decided one first."""
    return [*([result.test] if result.test else []), *result.baselines]


def walk(exp: Experiment, place: Path, result: Result) -> Again:
    """Go through the loop over the store as far as results are there."""
    due: list[str] = []

    def gate(recipe: str) -> None:
        due.append(recipe)
        raise Reached(recipe)

    if result.searched is not None:
        exp = with_values(exp, result.searched.trial(result.searched.best).settings)
    private = place.parents[1]
    ledger = ledger_of(exp)
    stages = Stages(exp, Store(private / "store", gate), ledger, _quiet(), place.name)
    made = None
    try:
        with suppress(Reached):
            made = loop.run(exp, stages, stages.split(), Silent())
        name = result.test.name if result.test else ""
        judged = stages.judged.get((name, "test"))
        rows = judged.rows if judged else None
        said = replies(ledger, rows.recipe) if rows and isinstance(exp.judge, MarksJudge) else {}
    finally:
        ledger.close()
    if made is not None and result.searched is not None:
        made = with_search(made, result)
    stopped = made is None and cut_short(result, stages)
    return Again(made, due[0] if due else "", rows, said, stopped)


def cut_short(result: Result, stages: Stages) -> bool:
    """Whether a run was stopped by its budget, and all that it had judged by then is there."""
    judged = {(one.assessment.name, result.steered_on) for one in result.rounds}
    judged |= {(one.name, "test") for one in _assessed(result)}
    return bool(result.unfinished) and judged <= set(stages.judged)


def with_search(made: Result, written: Result) -> Result:
    """Return `made` with the search of a run and all dollars as the run wrote them.

    The search is not gone through again, and its calls are counted with those of the rounds.
    """
    if len(made.rounds) != len(written.rounds):
        return made
    rounds = tuple(
        one.model_copy(update={"usd": as_spent.usd})
        for one, as_spent in zip(made.rounds, written.rounds, strict=True)
    )
    changed = {"searched": written.searched, "rounds": rounds, "tallies": written.tallies}
    return made.model_copy(update=changed)


def _quiet() -> Progress:
    return Progress(io.StringIO())


def replies(ledger: Ledger, recipe: str) -> dict[str, list[dict[str, Any]]]:
    """Return what the judge replied, by the tag of the answer: the last try of each repeat."""
    found: dict[str, list[tuple[int, str, dict[str, Any]]]] = defaultdict(list)
    for call in calls(ledger, "", [recipe]):
        request = Request.model_validate_json(call.request)
        last = call.tries[-1]
        seen = {"outcome": str(last.outcome), "cause": last.cause, "text": last.text}
        found[request.tag].append((request.sample, call.key, seen))
    return {tag: [seen for *_, seen in sorted(of, key=_order)] for tag, of in found.items() if tag}


def _order(one: tuple[int, str, dict[str, Any]]) -> tuple[int, str]:
    return one[0], one[1]


def tag_of(exp: Experiment, judgement: Judgement) -> str:
    """Return what the judge's replies to an answer are found by; empty where it has none."""
    judge = exp.judge
    return judge.request(judgement.answer, 0).tag if isinstance(judge, MarksJudge) else ""


def differing(written: Result, found: Result | None) -> tuple[str, ...]:
    """Name the parts of a run's result that the store gives otherwise; looks may be added."""
    if found is None:
        return ()
    names = [name for name in Result.model_fields if name != "openings"]
    return tuple(name for name in names if getattr(written, name) != getattr(found, name))


def worst(rows: Sequence[Judgement]) -> tuple[list[int], list[int]]:
    """Return the places of judged answers, lowest mean score first, and of those without one.

    Of answers to one prompt that are the same word for word, the first stands for all.
    """
    first: dict[tuple[str, str], int] = {}
    for i, row in enumerate(rows):
        if row.score is not None:
            first.setdefault((row.answer.example.id, row.answer.text), i)
    means = {i: mean(rows[i].score) for i in first.values()}
    bare = [i for i, row in enumerate(rows) if row.score is None]
    return sorted(means, key=lambda i: (means[i], i)), bare


def mean(score: Score | None) -> float:
    """Return the mean of both marks."""
    assert score is not None, "answers without marks have no mean"
    return (score.similarity + score.precision) / 2
