"""One run becomes a version, and the version champion: each step done once, a kill made good."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from llamaduo.component import file_sha256
from llamaduo.engine.transformers import TransformersEngine
from llamaduo.errors import LlamaDuoError
from llamaduo.experiment import Experiment
from llamaduo.findings import Result
from llamaduo.hosts import ledger_of
from llamaduo.local import template_digest
from llamaduo.progress import Progress
from llamaduo.promotion import version
from llamaduo.promotion.candidate import Candidate, Forced, as_served, candidate, now, who
from llamaduo.promotion.card import FILE, card
from llamaduo.promotion.references import Reference, references
from llamaduo.promotion.served import Form
from llamaduo.stages import Stages
from llamaduo.store import Rows, Store
from llamaduo.tracker.registry import (
    ADAPTER,
    CHALLENGER,
    CHAMPION,
    Registry,
    Version,
    name_of,
    opened,
)

DRAFTS = "promoting"
"""Folder under `.llamaduo` where versions are put together."""


@dataclass(frozen=True)
class Promoted:
    """What came of it."""

    version: Version
    made: bool
    """Whether it was registered now; else it was there."""
    champion: bool
    former: str | None
    """Number of the champion before it, if it was another."""
    where: str
    """Address of the registry."""


def promote(
    exp: Experiment,
    place: Path,
    progress: Progress,
    *,
    wanted: Form | None = None,
    challenger: bool = False,
    force: Forced | None = None,
) -> Promoted:
    """Register what the verdict of a run is about, and make it champion.

    Args:
        place: the run's folder.
        wanted: what the version holds; None: the adapter where the base can be had elsewhere.
        challenger: register it only, whatever the verdict.
        force: why it becomes champion though the verdict is not `switch`.

    Raises:
        LlamaDuoError: before anything is made, with the reason.
    """
    found = candidate(exp, place, wanted)
    if found.result.decision.verdict == "switch":
        if force is not None:
            progress.say("promote: --force is not needed, the verdict is `switch`; not recorded")
        force = None
    elif force is None and not challenger:
        raise LlamaDuoError(_refused(found.result))
    with opened(found.tracker, found.home) as registry:
        run = registry.run_of(found.result.fingerprint, found.result.task)
        if run is None:
            raise LlamaDuoError(
                f"{found.result.fingerprint}: MLflow at {registry.where} does not show it; the "
                "command that made it shows it there, from the store"
            )
        there = registry.find(name_of(found.result.task), _known_by(found))
        made = _made(found, registry, run, force, progress) if there is None else there
        if there is not None and force is not None:
            _force(found, registry, there, force, progress)
        if challenger:
            champion = registry.called(made.name, CHAMPION) == made.number
            if not champion:
                registry.call(made, CHALLENGER)
            return Promoted(made, there is None, champion, None, registry.where)
        former = crown(registry, made)
    return Promoted(made, there is None, True, former, registry.where)


def crown(registry: Registry, made: Version) -> str | None:
    """Make a version champion, by way of challenger; returns the number of the former one.

    The alias goes before the list of champions: killed between the two, the same call ends it,
    and a rollback still finds the former.
    """
    former = registry.called(made.name, CHAMPION)
    if former != made.number:
        registry.call(made, CHALLENGER)
        registry.call(made, CHAMPION)
    champions = registry.champions(made.name)
    if former is not None and former != made.number and champions[-1:] != [former]:
        champions.append(former)  # somebody set it by hand
    if champions[-1:] != [made.number]:
        registry.remember(made.name, [*champions, made.number])
    registry.call_no_more(made, CHALLENGER)
    return None if former == made.number else former


def _made(
    found: Candidate, registry: Registry, run: str, force: Forced | None, progress: Progress
) -> Version:
    """Put the version together and register it."""
    engine = as_served(found.engine, found.form)
    said = _references(found, engine, progress)
    text = card(found, engine, said, force)
    drafts = found.home / ".llamaduo" / DRAFTS
    shutil.rmtree(drafts, ignore_errors=True)  # what a kill left; the registry's lock is held
    draft = drafts / f"{found.result.fingerprint[:8]}-{found.adapter.content}-{found.form}"
    progress.say(f"promote: putting together {found.form} and papers")
    version.write(found, engine, said, text, draft)
    tags = {**_tags(found, engine, said), **_forced_tags(force)}
    try:
        return registry.add(name_of(found.result.task), found.result.task, draft, run, tags, text)
    finally:
        shutil.rmtree(drafts, ignore_errors=True)


def _force(
    found: Candidate, registry: Registry, there: Version, force: Forced, progress: Progress
) -> None:
    """Write on a version that is there that it is forced."""
    engine = as_served(found.engine, found.form)
    text = card(found, engine, _references(found, engine, progress), force)
    drafts = found.home / ".llamaduo" / DRAFTS
    drafts.mkdir(parents=True, exist_ok=True)
    (drafts / FILE).write_text(text, encoding="utf-8")
    registry.say(there, drafts / FILE)
    registry.tag(there, _forced_tags(force))
    shutil.rmtree(drafts, ignore_errors=True)


def _references(
    found: Candidate, engine: TransformersEngine, progress: Progress
) -> Rows[Reference]:
    exp = found.exp
    ledger = ledger_of(exp)  # nothing is paid; whoever shares it shares the store's locks
    try:
        store = Store(found.home / ".llamaduo" / "store", hold=ledger.held)
        split = Stages(exp, store, ledger, progress, found.result.fingerprint).split()
        return references(
            store,
            split,
            exp.local,
            found.adapter,
            engine,
            max_new_tokens=exp.task.max_new_tokens,
            progress=progress,
        )
    finally:
        ledger.close()


def _refused(result: Result) -> str:
    decision = result.decision
    more = (
        f"about {decision.needed} test prompts would settle it, if the figure is right"
        if decision.needed is not None
        else "more or better rows may change it"
    )
    name = result.fingerprint[:8]
    return "\n  ".join(
        [
            f"{name}: the verdict is `{decision.verdict}`, and only `switch` makes a champion:",
            *decision.reasons,
            f"what can be done: {more}; `llamaduo promote {name} --challenger` registers it "
            f'without making it champion; `llamaduo promote {name} --force "reason"` makes it '
            "champion on your word, which is kept with it",
        ]
    )


def _known_by(found: Candidate) -> dict[str, str]:
    """Return the tags that a version is found again by."""
    return {
        "llamaduo.fingerprint": found.result.fingerprint,
        ADAPTER: found.adapter.content,
        "llamaduo.weights": found.form,
    }


def _tags(found: Candidate, engine: TransformersEngine, said: Rows[Reference]) -> dict[str, str]:
    result, local = found.result, found.exp.local
    coverage = result.test.coverage if result.test is not None else None
    figures = {
        "coverage": coverage.value if coverage else None,
        "coverage_low": coverage.low if coverage else None,
        "coverage_high": coverage.high if coverage else None,
        "n": coverage.n if coverage else None,
    }
    plain = {
        "task": result.task,
        "verdict": result.decision.verdict,
        "base": local.base,
        "revision": local.revision,
        "template": template_digest(local),
        "licence": local.licence,
        "dtype": engine.dtype,
        "judged_weights": found.engine.weights,
        "simulated": str(result.simulated).lower(),
        "train_rows": ", ".join(str(one.train_rows) for one in result.rounds),
        "references_sha256": file_sha256(said.path),
        "promoted": now(),
        "by": who(),
    }
    measured = {key: f"{value:g}" for key, value in figures.items() if value is not None}
    return _known_by(found) | {f"llamaduo.{k}": v for k, v in (plain | measured).items()}


def _forced_tags(force: Forced | None) -> dict[str, str]:
    if force is None:
        return {"llamaduo.forced": "false"}
    return {
        "llamaduo.forced": "true",
        "llamaduo.forced_reason": force.reason,
        "llamaduo.forced_by": force.by,
        "llamaduo.forced_at": force.at,
    }
