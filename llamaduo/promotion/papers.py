"""What goes beside the weights of a version: answers to hold a served copy to, and lengths."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from llamaduo.engine.transformers import TransformersEngine
from llamaduo.hosts import ledger_of
from llamaduo.local import load
from llamaduo.progress import Progress
from llamaduo.promotion.candidate import Candidate
from llamaduo.promotion.references import Reference, base_answers, references
from llamaduo.serving import Lengths
from llamaduo.stages import Stages
from llamaduo.store import Rows, Store


@dataclass(frozen=True)
class Papers:
    """Answers of the tuned model and of its base, and how long prompts are."""

    said: Rows[Reference]
    base: Rows[Reference]
    lengths: Lengths


def papers(found: Candidate, engine: TransformersEngine, progress: Progress) -> Papers:
    """Make what is not in the store yet. Nothing is paid.

    Args:
        engine: what answers, its type of number spelt out.
    """
    exp = found.exp
    ledger = ledger_of(exp)  # whoever shares it shares the store's locks
    limit = exp.task.max_new_tokens
    try:
        store = Store(found.home / ".llamaduo" / "store", hold=ledger.held)
        split = Stages(exp, store, ledger, progress, found.result.fingerprint).split()
        asked = (store, split, exp.local, found.adapter, engine)
        said = references(*asked, max_new_tokens=limit, progress=progress)
        base = base_answers(*asked, max_new_tokens=limit, progress=progress)
        template = load.template(exp.local)
        rows = [row.example for row in split if row.part != "out"]
        counted = [len(template.prompt(row.messages)) for row in rows]
        return Papers(said, base, lengths(counted, limit))
    finally:
        ledger.close()


def lengths(tokens: Sequence[int], max_new_tokens: int) -> Lengths:
    """Sum up how long prompts are; each figure is the length of one of them.

    Args:
        tokens: of each prompt, the chat template counted; at least one.
    """
    rising = sorted(tokens)

    def at(share: float) -> int:
        return rising[math.ceil(share * len(rising)) - 1]

    return Lengths(
        n=len(rising),
        median=at(0.5),
        p99=at(0.99),
        p999=at(0.999),
        longest=rising[-1],
        max_new_tokens=max_new_tokens,
    )
