"""Answers that are not the same, judged: what they cost in coverage."""

from collections.abc import Mapping, Sequence

from llamaduo.experiment import Goal
from llamaduo.findings import Measure
from llamaduo.judge import Judge
from llamaduo.metrics import covered, difference, prompt_scores
from llamaduo.parity.heard import Heard
from llamaduo.progress import Progress
from llamaduo.records import Answer, Example
from llamaduo.service import Caller


def judged(
    came: Sequence[Heard],
    rows: Mapping[str, Example],
    judge: Judge,
    callers: Mapping[str, Caller],
    goal: Goal,
    progress: Progress,
) -> Measure:
    """Return the coverage of the served answers less that of the references, in points.

    An answer that is identical has the score of its reference, whatever that is; so only those
    that differ are judged, and their references with them. A pair of which one stays without a
    score counts against the served copy.

    Args:
        came: answers that were compared.
        rows: the prompts with their targets, by id; all that differ.

    Raises:
        OverBudget: if what is left of the run's budget does not pay for it.
    """
    differ = [one for one in came if not one.identical]
    before = [_answer(rows[o.reference.id], o.reference.text, o.reference.finish) for o in differ]
    after = [_answer(rows[one.reference.id], one.text, one.finish) for one in differ]
    verdicts = list(judge.grade([*before, *after], callers, stop=None, progress=progress))
    first = prompt_scores(verdicts[: len(before)])
    second = prompt_scores(verdicts[len(before) :])
    lost = won = 0
    for row in (one.reference.id for one in differ):
        if row not in first or row not in second:
            lost += 1
            continue
        had, has = (covered(of[row], goal.similarity, goal.precision) for of in (first, second))
        lost += had and not has
        won += has and not had
    return difference(won, lost, len(came))


def _answer(row: Example, text: str, finish: str) -> Answer:
    return Answer(example=row, text=text, finish="length" if finish == "length" else "stop")
