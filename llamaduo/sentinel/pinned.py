"""The pinned set, and what each who is asked said to it the first time.

    .llamaduo/sentinel/NAME-NUMBER/pinned.json     ids, and digests of the first answers
    .llamaduo/sentinel/NAME-NUMBER/looks.jsonl     a line for each look at each who is asked

No text of a prompt or an answer stands there.
"""

import hashlib
import time
from collections.abc import Sequence
from pathlib import Path

from llamaduo.component import digest
from llamaduo.errors import LlamaDuoError, UsageError
from llamaduo.promotion.references import Reference
from llamaduo.records import Outcome, Record, Request
from llamaduo.service import Caller
from llamaduo.tracker.registry import Version

FOLDER = "sentinel"
"""Below `.llamaduo`."""
PINNED, LOOKS = "pinned.json", "looks.jsonl"
CAME = (Outcome.OK, Outcome.TRUNCATED)

Digests = dict[str, str]
"""Of answers, by the id of their prompt."""


NEARLY = 0.9
"""Share of the prompts that both first times have to answer: fewer are no baseline of the set."""


class Baseline(Record):
    """What was said the first time, when it was asked twice."""

    at: str
    who: str
    """Name of the service, or engine and address of the server."""
    first: Digests
    second: Digests

    @property
    def both(self) -> set[str]:
        """Prompts that were answered both times."""
        return self.first.keys() & self.second.keys()


class Pinned(Record):
    """The prompts that are asked, and the baselines."""

    ids: tuple[str, ...]
    baselines: dict[str, Baseline] = {}
    """By `key_of` who was asked."""


def key_of(side: str, who: str) -> str:
    """Return what a baseline is kept by: asking another in between does not take it away."""
    return f"{side}: {who}"


def folder_of(home: Path, version: Version) -> Path:
    """Return where a version's set is kept."""
    return home / ".llamaduo" / FOLDER / f"{version.name}-{version.number}"


def pinned(folder: Path, references: Sequence[Reference], n: int | None, default: int) -> Pinned:
    """Return the set that is kept, or choose one: by digests of ids, so the same everywhere.

    Args:
        n: how many, as it was asked for; None: those that are kept, or `default`.

    Raises:
        UsageError: if another number is kept: a changed set has no baseline.
        LlamaDuoError: if the file cannot be read.
    """
    file = folder / PINNED
    if not file.exists():
        ids = sorted((one.id for one in references), key=lambda name: digest("sentinel", name))
        return Pinned(ids=tuple(ids[: n or default]))
    try:
        found = Pinned.model_validate_json(file.read_bytes())
    except ValueError as error:
        raise LlamaDuoError(
            f"{file} cannot be read ({type(error).__name__}); without it the next look is the first"
        ) from None
    if n is not None and n != len(found.ids) and n < len(references):
        raise UsageError(
            f"sentinel: --n {n}: {len(found.ids)} prompts are pinned in {file}; remove it to begin "
            "anew"
        )
    return found


def keep(folder: Path, what: Pinned) -> None:
    """Write the set down."""
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / f"{PINNED}.new"
    draft.write_text(what.model_dump_json(indent=1) + "\n", encoding="utf-8")
    draft.replace(folder / PINNED)


def ask(references: Sequence[Reference], caller: Caller, max_tokens: int) -> Digests:
    """Ask greedily, now and not from memory; a prompt without an answer is left out.

    Answers are held to be the same but for blanks at their ends.
    """
    now = time.time_ns()
    requests = [
        Request(messages=one.messages, max_tokens=max_tokens, temperature=0, sample=now, row=one.id)
        for one in references
    ]
    return {
        one.id: hashlib.sha256(reply.text.strip().encode()).hexdigest()[:16]
        for one, reply in zip(references, caller.ask(requests), strict=True)
        if reply.outcome in CAME
    }
