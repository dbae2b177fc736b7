"""A dossier read back: every figure in it looked up again, by other means than it was made with."""

import json
import platform
import re
import sqlite3
from collections import defaultdict
from dataclasses import dataclass, field
from html.parser import HTMLParser
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml
from conftest import Finished

import llamaduo
from llamaduo import loop
from llamaduo.config.stored import of_run
from llamaduo.cost import project
from llamaduo.cost.assumptions import assumptions
from llamaduo.dossier.evidence import Evidence, gather
from llamaduo.dossier.forms import FORMS, LONGEST, SAID, exact, written
from llamaduo.dossier.render import html
from llamaduo.experiment import Experiment
from llamaduo.ledger import Ledger
from llamaduo.passport import passport
from llamaduo.progress import Progress
from llamaduo.report.money import rows_for_the_goal
from llamaduo.stages import Stages
from llamaduo.store import Store
from llamaduo.tracker.silent import Silent


@dataclass(frozen=True)
class Dossier:
    """Of the finished run."""

    evidence: Evidence
    page: str
    known: dict[str, Any]
    """The run, read by other means."""


_MADE: dict[Path, Dossier] = {}


def dossier_of(finished: Finished) -> Dossier:
    """Return the dossier of the finished run; made once."""
    if finished.place not in _MADE:
        evidence = gather(finished.exp, finished.place)
        known = fresh(of_run(finished.place, {}), finished.place)
        _MADE[finished.place] = Dossier(evidence, html(evidence), known)
    return _MADE[finished.place]


VOID = {"meta", "img", "br", "link"}


@dataclass
class Traced:
    """An element that says where it is from."""

    path: str
    form: str
    value: str | None
    text: str = ""


@dataclass
class Page(HTMLParser):
    """What is in a dossier."""

    traced: list[Traced] = field(default_factory=list)
    loose: list[str] = field(default_factory=list)
    """Texts that do not say where they are from."""
    tags: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    open: list[str] = field(default_factory=list)
    inside: Traced | None = None

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append((tag, given))
        if tag not in VOID:
            self.open.append(tag)
        if "data-from" in given:
            assert self.inside is None, "a figure stands in another"
            path, form = given["data-from"], given["data-as"]
            assert path and form
            self.inside = Traced(path, form, given.get("value"))
            self.traced.append(self.inside)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"{tag} ends what it did not begin"
        if tag in ("data", "span"):
            self.inside = None

    def handle_data(self, data: str) -> None:
        if self.inside is not None:
            self.inside.text += data
        elif self.open and self.open[-1] != "style":
            self.loose.append(data)


def read(page: str) -> Page:
    found = Page()
    found.feed(page)
    found.close()
    assert not found.open
    return found


def fresh(exp: Experiment, place: Path) -> dict[str, Any]:
    """Read the run again, from its folder, the bytes of its store and its ledger.

    What its budget kept it from is not made now either.
    """
    private = place.parents[1]
    ledger = Ledger(private / "ledger.sqlite")
    stages = Stages(exp, Store(private / "store"), ledger, Progress(), place.name)
    result = loop.run(exp, stages, stages.split(), Silent())
    ledger.close()
    assert not stages.store.made
    projection = project(exp.workload, 0.0 if result.simulated else result.usd)
    curve = rows_for_the_goal(result)
    said = [] if curve is None else [curve] if isinstance(curve, str) else list(curve[1].says)
    libraries = ("torch", "transformers", "peft", "trl", "bitsandbytes", "litellm", "mlflow")
    typed = place / "overrides.json"
    known: dict[str, Any] = {
        "result": json.loads(result.model_dump_json()),
        "projection": json.loads(projection.model_dump_json()),
        "assumptions": assumptions(exp.workload, projection),
        "rows for the goal": said,
        "config": yaml.safe_load((place / "config.yaml").read_text()),
        "config text": (place / "config.yaml").read_text(),
        "typed": json.loads(typed.read_text("utf-8")) if typed.exists() else None,
        "passport": [json.loads(one.model_dump_json()) for one in passport(exp, result)],
        "looks": [json.loads(one.model_dump_json()) for one in result.openings],
        "checks": sorted(result.test.checks) if result.test else [],
        "versions": [
            {"name": "llamaduo", "version": llamaduo.__version__},
            {"name": "Python", "version": platform.python_version()},
            *({"name": name, "version": version(name)} for name in libraries),
        ],
        "limits": {"text": LONGEST, "answers": 20, "replies": 3},
        "shown": {"worst": 0, "unjudged": 0},
    }
    if result.test is not None:
        recipe = stages.judged[result.test.name, "test"].rows.recipe
        known |= answers(private, recipe)
    return known


def answers(private: Path, recipe: str) -> dict[str, Any]:
    """Read the decided model's judgements on the test."""
    lines = (private / "store" / recipe / "out/rows.jsonl").read_bytes().split(b"\n")
    rows = [json.loads(line) for line in lines if line]
    judged = {(r["answer"]["example"]["id"], r["answer"]["text"]) for r in rows if r["score"]}
    bare = sum(not r["score"] for r in rows)
    return {
        "shown": {"worst": min(len(judged), 20), "unjudged": min(bare, 20)},
        recipe: rows,
        f"manifest:{recipe}": json.loads(
            (private / "store" / recipe / "manifest.json").read_text()
        ),
        f"replies:{recipe}": replies(private / "ledger.sqlite", recipe),
    }


def replies(ledger: Path, recipe: str) -> dict[str, list[dict[str, str]]]:
    """Return what the judge said, by the tag it was asked under, from the file itself."""
    db = sqlite3.connect(ledger)
    last = db.execute(
        "select c.request, c.key, r.outcome, r.cause, r.text, max(r.attempt) from uses u"
        " join calls c on c.key = u.key join replies r on r.key = u.key"
        " where u.recipe = ? group by u.key",
        (recipe,),
    ).fetchall()
    db.close()
    found = defaultdict(list)
    for request, key, outcome, cause, text, _ in last:
        asked = json.loads(request)
        said = {"outcome": outcome, "cause": cause, "text": text}
        found[asked["tag"]].append((asked["sample"], key, said))
    return {
        tag: [one for *_, one in sorted(of, key=lambda one: one[:2])] for tag, of in found.items()
    }


def look_up(path: str, known: dict[str, Any]) -> Any:
    """Return what stands at a path; `KeyError` and the like where nothing does."""
    [root] = [name for name in known if re.fullmatch(re.escape(name) + r"(?:[#.\[].*)?", path)]
    values = [known[root]]
    for step in re.findall(r'#\d+|\["[^"]*"\]|[^.#\[\]]+', path[len(root) :]):
        name = step.strip('#[]"')
        if name == "*":
            values = [one for [*some] in values for one in some]
        else:
            values = [v[int(name)] if isinstance(v, list) else v[name] for v in values]
    return values if ".*" in path else values[0]


def faults(page: str, known: dict[str, Any]) -> list[str]:
    """Say what in a dossier is not what was read again, and every figure of unknown origin."""
    found = []
    seen = read(page)
    for one in seen.traced:
        try:
            value = look_up(one.path, known)
        except (LookupError, TypeError, ValueError) as error:
            found.append(f"{one.path}: not to be found ({error!r})")
            continue
        if one.text != written(value, one.form):
            found.append(f"{one.path}: shows {one.text!r}, is {written(value, one.form)!r}")
        if one.form in SAID:
            continue
        if one.value != exact(value, one.form):
            found.append(f"{one.path}: has {one.value!r}, is {exact(value, one.form)!r}")
    found += [f"of unknown origin: {text!r}" for text in seen.loose if re.search(r"\d", text)]
    assert {one.form for one in seen.traced} <= set(FORMS)
    return found
