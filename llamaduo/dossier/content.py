"""What the dossier shows, in which order: places in the evidence, and no figure of its own."""

from collections.abc import Mapping
from typing import Any

from llamaduo.dossier.evidence import ANSWERS, REPLIES, Evidence, tag_of, worst
from llamaduo.dossier.traced import below
from llamaduo.findings import Result
from llamaduo.judging import SERVICE
from llamaduo.report.money import is_of
from llamaduo.report.words import untold

FOLD = 700
"""Characters from which a text is folded on the screen."""
WEAKEST = 3
"""Categories that the first page names."""


def content(evidence: Evidence) -> dict[str, Any]:
    """Return what the page's sections go by."""
    result = evidence.result
    return {
        **_verdict(result),
        **_models(result),
        **_categories(result),
        **_money(result, evidence),
        **_answers(evidence),
        "beside": result.decision.beside,
        "others_looked": any(look["run"] != result.fingerprint for look in evidence.roots["looks"]),
        "borrowed": evidence.exp.engine.asked is None and evidence.exp.local.adapter is not None,
        "tuned": any(one.training.rows for one in result.rounds),
        "untold": untold(result),
        "test_words": "the sealed test"
        if result.steered_on == "dev"
        else "the test, which steered too",
        "nearest": next(
            (i for i in reversed(range(len(result.rounds))) if result.rounds[i].nearest_test), None
        ),
        "checks": evidence.roots["checks"],
        "checked": _checked(evidence),
        "sound": evidence.again.result is not None and not evidence.differs,
        "fold": FOLD,
    }


def _verdict(result: Result) -> dict[str, Any]:
    decision = result.decision
    findings = result.audit.findings if result.audit else ()
    # What is said elsewhere on the first page: the figure, what blocks a switch, and its heading.
    told = 0 if decision.measure.value is None else 1
    return {
        "reasons": [
            i
            for i, said in enumerate(decision.reasons)
            if i >= told and said not in decision.blocked and not said.endswith(":")
        ],
        "flags": [i for i, finding in enumerate(findings) if finding.flagged],
    }


def _models(result: Result) -> dict[str, Any]:
    names = [one.name for one in result.baselines]
    compared = [one.name for one in result.compared]
    service = names.index(SERVICE) if SERVICE in names else None
    high = result.baselines[service].coverage.high if service is not None else None
    steps = result.test.steps if result.test else 0
    rivals = [one.name for one in result.baselines if steps and one.steps == steps]
    rival = next((compared.index(name) for name in rivals if name in compared), None)
    gain = result.compared[rival].coverage if rival is not None else None
    if gain is None or gain.value is None or gain.low is None or gain.high is None:
        rival, chance = None, False
    else:
        chance = gain.low <= 0 <= gain.high
    return {
        "models": [
            *(["result.test"] if result.test else []),
            *(f"result.baselines.{i}" for i in range(len(names))),
        ],
        "silent": any(one.missing for one in (result.test, *result.baselines) if one),
        "service": service,
        "service_compared": compared.index(SERVICE) if SERVICE in compared else None,
        "ceiling_below": high is not None and high < result.goal,
        "rival": rival,
        "rival_by_chance": chance,
    }


def _categories(result: Result) -> dict[str, Any]:
    """Order the categories by coverage, lowest first; those without any judged prompt last."""
    of = result.test.categories if result.test else ()
    decided = [one.category for one in result.decision.categories]
    order = sorted(
        range(len(of)),
        key=lambda i: (
            of[i].coverage.value is None,
            of[i].coverage.value or 0.0,
            of[i].name,
        ),
    )
    return {
        "categories": [
            {"test": i, "decision": decided.index(of[i].name) if of[i].name in decided else None}
            for i in order
        ],
        "gaps": [i for i in order if of[i].coverage.value is not None][:WEAKEST],
    }


def _money(result: Result, evidence: Evidence) -> dict[str, Any]:
    projection = evidence.projection
    return {
        "priced": is_of(result, projection),
        "last_month": len(projection.months) - 1,
        "lines": [
            *(f"projection.locals.{i}" for i in range(len(projection.locals))),
            *(f"projection.services.{i}" for i in range(len(projection.services))),
        ],
    }


def _answers(evidence: Evidence) -> dict[str, Any]:
    again = evidence.again
    if again.rows is None:
        why = (
            untold(evidence.result)
            if evidence.result.test is None
            else "They cannot be shown: what they are in is not in the store any more."
        )
        return {"rows": "", "manifest": "", "no_rows": why, "worst": [], "unjudged": []}
    scored, unjudged = worst(again.rows)
    return {
        "rows": again.rows.recipe,
        "manifest": f"manifest:{again.rows.recipe}",
        "no_rows": "",
        "worst": [_answer(evidence, i) for i in scored[:ANSWERS]],
        "unjudged": [_answer(evidence, i) for i in unjudged[:ANSWERS]],
    }


def _answer(evidence: Evidence, i: int) -> Mapping[str, Any]:
    """Say where an answer is, and how many of the judge's replies to it are shown."""
    rows = evidence.again.rows
    assert rows is not None, "an answer is one of some"
    tag = tag_of(evidence.exp, rows[i])
    said = evidence.again.said.get(tag, [])
    return {
        "path": f"{rows.recipe}#{i}",
        "said": below(f"replies:{rows.recipe}", tag),
        "replies": min(len(said), REPLIES),
        "more": len(said) > REPLIES,
    }


def _checked(evidence: Evidence) -> str:
    """Say whether the store gives the run's result again."""
    if evidence.again.never_made:
        return (
            "The run was stopped before all that its result would rest on was made, so its figures "
            "are as it wrote them, and were not worked out again."
        )
    if evidence.again.result is None:
        return (
            "Not every result that the run rests on is in the store any more, so its figures are "
            "as it wrote them, and were not worked out again."
        )
    if evidence.differs:
        return (
            "The store gives these parts of the run's result otherwise today: "
            f"{', '.join(evidence.differs)}. The command that made the run writes it anew."
        )
    but = " (but for its search and what was spent)" if evidence.result.searched else ""
    return (
        f"When this was written, the run's result{but} was worked out again from the stored "
        "judgements and the ledger, and came to the same."
    )
