"""One run becomes a version, and the version champion: each step done once, a kill made good."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from llamaduo.component import file_sha256
from llamaduo.engine.transformers import TransformersEngine
from llamaduo.errors import LlamaDuoError
from llamaduo.experiment import Experiment
from llamaduo.findings import Result
from llamaduo.local import template_digest
from llamaduo.locks import flocked
from llamaduo.progress import Progress
from llamaduo.promotion import version
from llamaduo.promotion.candidate import Candidate, Forced, as_served, candidate, now, who
from llamaduo.promotion.card import FILE, card
from llamaduo.promotion.papers import Papers, papers
from llamaduo.promotion.probed import UNPROVED, answers, stands_against
from llamaduo.serving import Form
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
BASE_SHA256 = "llamaduo.base_sha256"
"""Tag of a version that has answers of its base."""
WAITING = "another promote puts a version together here; waiting for it"


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
        force: why it becomes champion though the verdict is not `switch`, or no probe has shown
            a served copy of it.

    Raises:
        LlamaDuoError: before anything is made, with the reason.
    """
    found = candidate(exp, place, wanted)
    switch = found.result.decision.verdict == "switch"
    if not switch and force is None and not challenger:
        raise LlamaDuoError(_refused(found.result))
    name, drafts = name_of(found.result.task), found.home / ".llamaduo" / DRAFTS
    with opened(found.tracker, found.home, alone=False) as registry:
        run = registry.run_of(found.result.fingerprint, found.result.task)
        where = registry.where
        there = registry.find(name, _known_by(found))
        against = "" if challenger else stands_against(registry, name, there)
    if against and force is None:
        raise LlamaDuoError(against)
    unproved, force = force if against else None, _needed(force, switch, against, progress)
    if run is None:
        raise LlamaDuoError(
            f"{found.result.fingerprint}: MLflow at {where} does not show it; the "
            "command that made it shows it there, from the store"
        )
    # A model answers here for minutes: others list and roll back meanwhile.
    with flocked(found.home / ".llamaduo" / f"{DRAFTS}.lock", WAITING):
        shutil.rmtree(drafts, ignore_errors=True)  # what a kill left
        try:
            draft = _draft(found, there, force, drafts, progress)
            with opened(found.tracker, found.home) as registry:
                there = registry.find(name, _known_by(found))
                made = draft.brought(registry, found, run, there)
                if unproved is not None:
                    said = f"{unproved.at} by {unproved.by}: {unproved.reason}"
                    registry.tag(made, {UNPROVED: said})
                champion = not challenger or registry.called(name, CHAMPION) == made.number
                former = None
                if not challenger:
                    former = crown(registry, made)
                    answers(registry, made)
                elif not champion:
                    registry.call(made, CHALLENGER)
        finally:
            shutil.rmtree(drafts, ignore_errors=True)
    return Promoted(made, there is None, champion, former, where)


def _needed(force: Forced | None, switch: bool, against: str, progress: Progress) -> Forced | None:
    """Return what is to be recorded against the verdict; says so where none was needed."""
    if switch and force is not None and not against:
        progress.say("promote: --force is not needed, the verdict is `switch`; not recorded")
    return None if switch else force


def crown(registry: Registry, made: Version) -> str | None:
    """Make a version champion, by way of challenger; returns the number of the former one.

    Where another version is challenger, it stays so. The alias goes before the list of
    champions: killed between the two, the same call ends it, and a rollback still finds the
    former.
    """
    former = registry.called(made.name, CHAMPION)
    if former != made.number:
        if registry.called(made.name, CHALLENGER) is None:
            registry.call(made, CHALLENGER)
        registry.call(made, CHAMPION)
    champions = registry.champions(made.name)
    if former is not None and former != made.number and champions[-1:] != [former]:
        champions.append(former)  # somebody set it by hand
    if champions[-1:] != [made.number]:
        registry.remember(made.name, [*champions, made.number])
    registry.call_no_more(made, CHALLENGER)
    return None if former == made.number else former


@dataclass(frozen=True)
class Draft:
    """What is to be registered, or to be written on the version that is there."""

    card: Path | None
    """None: the version that is there says all of it already."""
    folder: Path | None
    """Of a new version; None where there is one."""
    tags: dict[str, str | None]

    def brought(
        self, registry: Registry, found: Candidate, run: str, there: Version | None
    ) -> Version:
        """Register it, or write it on the version that is there by now."""
        if there is None:
            if self.folder is None or self.card is None:
                raise LlamaDuoError(
                    f"{found.result.fingerprint[:8]}: its version was deleted in MLflow just now; "
                    "the same command makes another"
                )
            text = self.card.read_text(encoding="utf-8")
            tags = {key: value for key, value in self.tags.items() if value is not None}
            task = found.result.task
            return registry.add(name_of(task), task, self.folder, run, tags, text)
        if self.folder is None and self.card is not None:
            registry.say(there, self.card)
            registry.tag(there, self.tags)  # after the card: by them it is seen to be up to date
        return there


def _draft(
    found: Candidate,
    there: Version | None,
    force: Forced | None,
    drafts: Path,
    progress: Progress,
) -> Draft:
    """Put together what is not in the registry yet.

    The run of a version that is there may have gone on since: to another verdict, by a larger
    budget or with more calls answered.
    """
    engine = as_served(found.engine, found.form)
    drafts.mkdir(parents=True)
    if there is not None:
        force = force or _still(there, found.result)
        tags = {**_outcome(found), **_forced_tags(force)}
        if all(there.tags.get(key) == value for key, value in tags.items()):
            return Draft(None, None, {})
        engine = engine.model_copy(update={"dtype": there.tags["llamaduo.dtype"]})
        kept = papers(found, engine, progress)
        has = BASE_SHA256 in there.tags
        text = card(found, engine, kept.said, force, kept.lengths if has else None)
        (drafts / FILE).write_text(text, encoding="utf-8")
        return Draft(drafts / FILE, None, tags)
    kept = papers(found, engine, progress)
    text = card(found, engine, kept.said, force, kept.lengths)
    folder = drafts / f"{found.result.fingerprint[:8]}-{found.adapter.content}-{found.form}"
    progress.say(f"promote: putting together {found.form} and papers")
    version.write(found, engine, kept, text, folder)
    new = {**_outcome(found), **_tags(found, engine, kept), **_forced_tags(force)}
    return Draft(folder / FILE, folder, new)


def _still(there: Version, result: Result) -> Forced | None:
    """Return how a version was forced, if its verdict is still one that needs it."""
    tags = there.tags
    if tags.get("llamaduo.forced") != "true" or result.decision.verdict == "switch":
        return None
    return Forced(*(tags.get(f"llamaduo.forced_{of}", "unknown") for of in ("reason", "by", "at")))


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


def _outcome(found: Candidate) -> dict[str, str | None]:
    """Return the tags that the run may give otherwise when it has gone on; None: no figure."""
    result = found.result
    coverage = result.test.coverage if result.test is not None else None
    figures = {
        "coverage": coverage.value if coverage else None,
        "coverage_low": coverage.low if coverage else None,
        "coverage_high": coverage.high if coverage else None,
        "n": coverage.n if coverage else None,
    }
    return {
        "llamaduo.verdict": result.decision.verdict,
        "llamaduo.simulated": str(result.simulated).lower(),
        "llamaduo.train_rows": ", ".join(str(one.train_rows) for one in result.rounds),
        **{
            f"llamaduo.{key}": None if value is None else f"{value:g}"
            for key, value in figures.items()
        },
    }


def _tags(found: Candidate, engine: TransformersEngine, kept: Papers) -> dict[str, str]:
    """Return the tags of a version that stay."""
    local = found.exp.local
    plain = {
        "task": found.result.task,
        "base": local.base,
        "revision": local.revision,
        "template": template_digest(local),
        "licence": local.licence,
        "dtype": engine.dtype,
        "judged_dtype": found.engine.dtype,
        "judged_weights": found.engine.weights,
        "references_sha256": file_sha256(kept.said.path),
        "base_sha256": file_sha256(kept.base.path),
        "promoted": now(),
        "by": who(),
    }
    return _known_by(found) | {f"llamaduo.{key}": value for key, value in plain.items()}


def _forced_tags(force: Forced | None) -> dict[str, str | None]:
    return {
        "llamaduo.forced": str(force is not None).lower(),
        "llamaduo.forced_reason": force.reason if force else None,
        "llamaduo.forced_by": force.by if force else None,
        "llamaduo.forced_at": force.at if force else None,
    }
