"""Whose data and models a run is made of: identities, licences, what providers allow.

What is said of licences and terms is what the config says; nobody has checked it, and it is no
legal advice. What the config does not say is shown as not given, never left out.
"""

import json

from llamaduo.component import digest, file_sha256
from llamaduo.experiment import Experiment
from llamaduo.findings import Result
from llamaduo.local import template_digest
from llamaduo.local.adapter import FILES
from llamaduo.records import Record
from llamaduo.task.rows import FileRows, HubRows
from llamaduo.tuner.untuned import Untuned


class Entry(Record):
    """One thing a run is made of."""

    part: str
    """What it is to the run, e.g. `coverage rows`."""
    name: str
    identity: str
    """What it is known by: a sha256, a revision, a digest."""
    rows: int | None = None
    """How many rows it has; None where it has none."""
    terms: str
    """Its licence, or its provider's terms, as the config says; empty where it does not."""
    key: str
    """The config key that says it; empty where none does, since it follows from others."""

    @property
    def missing(self) -> bool:
        """Whether the config should say under what terms it is used, and does not."""
        return bool(self.key) and not self.terms


def passport(exp: Experiment, result: Result) -> tuple[Entry, ...]:
    """Return what the run is made of: rows, teacher, judges, base model, adapter, in this order."""
    name, identity = _source(exp)
    rows = sum(n for part, n in result.rows.items() if part != "out")
    licence = getattr(exp.task, "licence", None) or ""
    found = [
        Entry(
            part="coverage rows",
            name=name,
            identity=identity,
            rows=rows,
            terms=licence,
            key="task.licence",
        )
    ]
    found += [
        Entry(
            part=f"rows that round {one.number} was tuned on",
            name=f"{one.train_rows - one.synthetic_rows} coverage, {one.synthetic_rows} synthetic",
            identity=f"sha256 {one.train}",
            rows=one.train_rows,
            terms="follows from the coverage rows and the teacher",
            key="",
        )
        for one in result.rounds
        if one.training.rows
    ]
    found += _services(exp)
    if exp.engine.asked is None:
        found.append(
            Entry(
                part="base model",
                name=exp.local.base,
                identity=f"revision {exp.local.revision}, template {template_digest(exp.local)}",
                terms=exp.local.licence,
                key="local.licence",
            )
        )
        found += _adapter(exp)
    return tuple(found)


def _adapter(exp: Experiment) -> list[Entry]:
    """Return an entry for the adapter that one had; nothing where one had none."""
    folder = exp.local.adapter
    if folder is None:
        return []
    identity = folder / "identity.json"
    own = json.loads(identity.read_text(encoding="utf-8")) if identity.is_file() else {}
    return [
        Entry(
            part="adapter that answered"
            if isinstance(exp.tuner, Untuned)
            else "adapter that tuning began from",
            name=folder.name,
            identity=", ".join(f"{name} sha256 {file_sha256(folder / name)}" for name in FILES),
            terms=str(own.get("licence") or ""),
            key="licence in its identity.json",
        )
    ]


def _source(exp: Experiment) -> tuple[str, str]:
    """Return what the coverage rows are called, and what they are known by."""
    rows = getattr(exp.task, "rows", None)
    if isinstance(rows, FileRows):
        return rows.path.name, f"sha256 {file_sha256(rows.path)}"
    if isinstance(rows, HubRows):
        return rows.repo, f"revision {rows.revision}"
    return exp.task.name, f"key {digest(exp.task.key())}"


def _services(exp: Experiment) -> list[Entry]:
    """Return an entry for each service: one that teaches and judges is one.

    Where nothing is tuned nobody is taught.
    """
    judges = list(exp.judge.services.values())
    teaches = "service to be replaced" if isinstance(exp.tuner, Untuned) else "teacher"
    if len(judges) == 1 and judges[0].key() == exp.service.key():
        teaches, judges = f"{teaches} and judge", []
    asked = [(teaches, exp.service, "service.terms")]
    asked += [("judge", judge, "judge: its service's terms") for judge in judges]
    if exp.engine.asked is not None:
        asked.append(("endpoint that answered", exp.engine.asked.service, ""))
    return [
        Entry(
            part=part,
            name=service.name,
            identity=str(getattr(service, "model", service.name)),
            terms=getattr(service, "terms", None) or "",
            key=key,
        )
        for part, service, key in asked
    ]
