"""The model card: what a version is, what the verdict on it rests on, and of what it was made."""

import json
import re
import shlex
from collections.abc import Sequence

from llamaduo import runs
from llamaduo.cost import project
from llamaduo.engine.transformers import TransformersEngine
from llamaduo.local import template_digest
from llamaduo.passport import passport
from llamaduo.promotion.candidate import Candidate, Forced
from llamaduo.promotion.references import BASE_TOKENS, Reference
from llamaduo.report import SIMULATED
from llamaduo.report.judge import card as judge_card
from llamaduo.report.models import models
from llamaduo.report.money import migration_usd, savings
from llamaduo.report.verdict import categories, verdict
from llamaduo.report.words import goal, markdown, with_interval
from llamaduo.resolved import resolved
from llamaduo.secrets import without_secrets
from llamaduo.serving import Lengths

FILE = "card.md"
PLACES = ("home=", "tracker=", "tracker.", "hydra.", "hydra/", "trusted=")
"""Overrides that say where a run was, and not what it is."""
_LOGIN = re.compile(r"(?<=://)[^/@\s]+@")


def card(
    found: Candidate,
    engine: TransformersEngine,
    said: Sequence[Reference],
    force: Forced | None,
    lengths: Lengths | None = None,
) -> str:
    """Return the card, in Markdown; a simulated service is said first.

    Args:
        said: greedy answers to the test prompts.
        lengths: of the prompts. None: the version has none, nor answers of its base.
    """
    result, exp = found.result, found.exp
    projection = project(exp.workload, migration_usd(result))
    lines = [
        *([f"> **{SIMULATED}**", ""] if result.simulated else []),
        f"# {result.task}: {result.local}",
        "",
        *_what(found, engine),
        "## Verdict",
        "",
        *verdict(result, exp.workload, projection),
        *_forced(result.decision.verdict, force),
        *models(result),
        *categories(result),
        *judge_card(result),
        *savings(result, exp.workload, projection),
        *_made_of(found),
        *_tuning(found),
        *_references(said, lengths),
        *_again(found),
    ]
    return clean("\n".join(lines) + "\n")


def clean(text: str) -> str:
    """Return `text` without a secret of the environment, and without a login in an address."""
    return _LOGIN.sub("", without_secrets(text))


def _what(found: Candidate, engine: TransformersEngine) -> list[str]:
    exp, result = found.exp, found.result
    local = exp.local
    holds = {
        "adapter": "a LoRA adapter, to go on that base",
        "merged": "all weights, the adapter merged in",
    }[found.form]
    answers = {
        "merged": "with the adapter merged into the dense base",
        "adapter": "with the adapter on the dense base",
        "nf4": "with the adapter on the base in 4 bit",
    }[found.engine.weights]
    unsure = (
        " It was judged with engine.dtype=auto, which is what the judging machine computes with "
        "and is not written down: where that is another, some answers may differ."
        if found.engine.dtype == "auto"
        else ""
    )
    return [
        f"{local.base} (revision {local.revision}), tuned to do {result.task} in the place of "
        f"{result.service}. This version holds {holds}; it was judged {answers}, and answers "
        f"in {engine.dtype}.{unsure}",
        "",
        f"- chat template and end of turn: {template_digest(local)}",
        f"- adapter: {found.adapter.content}",
        f"- licence of the base: {local.licence}",
        f"- prompts are laid out by the version itself; answers have at most "
        f"{exp.task.max_new_tokens} tokens",
        f"- coverage: {with_interval(result.test.coverage)} %, n = {result.test.coverage.n}, "
        f"{goal(result.decision)}"
        if result.test is not None
        else "- coverage: not measured, the test was not opened",
        "",
    ]


def _forced(said: str, force: Forced | None) -> list[str]:
    if force is None:
        return []
    return [
        f"**Champion by force**: the verdict is `{said}`, and {force.by} made it champion at "
        f"{force.at}, because: {force.reason}",
        "",
    ]


def _made_of(found: Candidate) -> list[str]:
    head = ["", "name", "known by", "rows", "licence or terms"]
    rows = [
        [
            one.part,
            one.name,
            one.identity,
            "-" if one.rows is None else str(one.rows),
            one.terms or (f"not given ({one.key})" if one.missing else "-"),
        ]
        for one in passport(found.exp, found.result)
    ]
    note = "Licences and terms are as the config has them; nobody has checked them."
    return ["## What it was made of", "", *markdown(head, rows), "", note, ""]


def _tuning(found: Candidate) -> list[str]:
    result = found.result
    tuner = found.exp.tuner
    settings = resolved(tuner)  # type: ignore[arg-type]
    rows = [
        [key, json.dumps(value) if isinstance(value, list) else str(value)]
        for key, value in settings.items()
    ]
    last = result.rounds[-1]
    loss = "-" if last.training.loss is None else f"{last.training.loss:.4f}"
    return [
        "## Tuning",
        "",
        f"Round {last.number} of {len(result.rounds)}: {last.train_rows} rows, of them "
        f"{last.synthetic_rows} synthetic; {last.training.steps} steps, last loss {loss}.",
        "",
        *markdown(["setting", "value"], rows),
        "",
    ]


def _references(said: Sequence[Reference], lengths: Lengths | None) -> list[str]:
    ended = sum(one.finish == "stop" for one in said)
    return [
        "## References",
        "",
        f"`references.jsonl` holds the greedy answers to the {len(said)} test prompts, of which "
        f"{ended} ended by themselves: what a served copy should say too.",
        "",
        *(_beside(lengths) if lengths is not None else []),
    ]


def _beside(lengths: Lengths) -> list[str]:
    return [
        f"`base.jsonl` holds what the base says to the same prompts without the adapter, the "
        f"first {min(BASE_TOKENS, lengths.max_new_tokens)} tokens of it: a served copy that says "
        "that has left the adapter out.",
        "",
        f"`lengths.json` says how long the task's {lengths.n} prompts are with the chat template: "
        f"{lengths.median} tokens in the middle, {lengths.longest} at most.",
        "",
    ]


def _again(found: Candidate) -> list[str]:
    typed = runs.typed(found.place)
    command = "not known: the run was not begun by a command here"
    if typed is not None:
        words = [word for word in typed if not word.startswith(PLACES)]
        command = shlex.join(["llamaduo", *words])
    return [
        "## To make it again",
        "",
        "```",
        command,
        "```",
        "",
        f"Every value is in `config.yaml`; fingerprint {found.result.fingerprint}.",
        "",
    ]
