"""Which extra answers a judge is shown, so that its marks say something of itself.

Of each drawn test prompt there are up to four, see `llamaduo.audit.kinds`: the model's
answer and the reference in exchanged places, the reference as its own candidate, and
another prompt's reference as a wrong answer, both ways round.
"""

from collections.abc import Sequence
from random import Random

from llamaduo.audit.kinds import Kind, probe_id
from llamaduo.audit.lines import words
from llamaduo.component import seed_of
from llamaduo.records import Answer, Example, Judgement

REPEATS = 2
"""Calls a probe to each judge: the fewest that tell noise from bias."""


def probes(judgements: Sequence[Judgement], audit: int, seed: int) -> list[Answer]:
    """Return the answers to have judged, as any other is.

    Prompts with a judged answer that differs from its reference are drawn first, since only
    those have something to swap; others make up the number. Of a prompt one answer is drawn,
    and an answer cut at the token limit is not.

    Args:
        judgements: of the decided model on the test prompts.
        audit: prompts to draw, at most; 0 gives nothing.
        seed: of the draw. It is made prompt by prompt, so a larger `audit` keeps the prompts
            and answers of a smaller one; which references stand for wrong answers changes.
    """
    rows: dict[str, Example] = {}
    apart: dict[str, list[Answer]] = {}
    for judgement in judgements:
        answer = judgement.answer
        row = answer.example
        rows[row.id] = row
        if judgement.score is not None and answer.finish == "stop" and _differ(answer):
            apart.setdefault(row.id, []).append(answer)
    order = sorted(rows, key=lambda name: (name not in apart, seed_of("audit", seed, name), name))
    drawn = [rows[name] for name in order[:audit]]
    wrong = _wrong(drawn)
    found = []
    for row in drawn:
        if row.id in apart:
            answer = Random(seed_of("answer", seed, row.id)).choice(apart[row.id])
            found.append(_shown(row, Kind.SWAP, answer.text, row.target, answer.sample))
        found.append(_shown(row, Kind.SAME, row.target, row.target))
        if row.id in wrong:
            found.append(_shown(row, Kind.OTHER, row.target, wrong[row.id]))
            found.append(_shown(row, Kind.BACK, wrong[row.id], row.target))
    return found


def _differ(answer: Answer) -> bool:
    text = answer.text.strip()
    return bool(text) and text != answer.example.target.strip()


def _wrong(drawn: Sequence[Example]) -> dict[str, str]:
    """Return another prompt's reference for each, the longest for the shortest and so on.

    That makes the two as unlike in length as can be, which is what tells most of length.
    A prompt to which every other has the same reference is left out.
    """
    order = sorted(drawn, key=lambda row: (words(row.target), row.id))
    found = {}
    for place, row in enumerate(order):
        for step in range(len(order)):
            text = order[(len(order) - 1 - place - step) % len(order)].target
            if text.strip() != row.target.strip():
                found[row.id] = text
                break
    return found


def _shown(row: Example, kind: Kind, reference: str, candidate: str, sample: int = 0) -> Answer:
    asked = row.model_copy(update={"id": probe_id(row.id, kind), "target": reference})
    return Answer(example=asked, text=candidate, sample=sample)
