"""Questions put to the judge about itself: judgements in, an `Audit` out. Pure.

An honest judge is flagged in fewer than 5 of 100 audits, by all findings together;
`benchmarks/audit.py` counts it, and how often others are.
"""

from collections import Counter
from collections.abc import Sequence

from llamaduo.audit.agreement import Scored, panel, person
from llamaduo.audit.kinds import Kind, taken_apart
from llamaduo.audit.parties import Parties, family
from llamaduo.audit.repeats import MARKS, references, spread, tells
from llamaduo.audit.swaps import (
    Pair,
    as_judged,
    author,
    flips,
    length_of_answers,
    length_of_wrong,
)
from llamaduo.findings import Audit
from llamaduo.records import Judgement


def audit(
    judgements: Sequence[Judgement],
    probes: Sequence[Judgement],
    *,
    parties: Parties,
    similarity: float,
    precision: float,
    scored: Sequence[Scored] = (),
) -> Audit:
    """Say what is known of the judge, and what of it speaks against relying on it.

    Args:
        judgements: of the decided model on the test prompts.
        probes: of the answers that `llamaduo.judge.probes.probes` drew from them.
        parties: who judges, teaches and answers.
        similarity: threshold of a covered prompt.
        precision: the other threshold.
        scored: the judge's marks of answers that a person scored too, if there are any.
    """
    shown = _by_kind(probes)
    swapped = _pairs(judgements, shown[Kind.SWAP])
    wrong = [
        Pair(shown[Kind.OTHER][row], back)
        for row, back in shown[Kind.BACK].items()
        if row in shown[Kind.OTHER]
    ]
    same, other = (
        {row: j.score for row, j in shown[kind].items() if j.score is not None}
        for kind in (Kind.SAME, Kind.OTHER)
    )
    findings = [
        *(spread(judgements, mark) for mark in MARKS),
        tells(same, other),
        references(same, similarity, precision),
        length_of_answers(swapped),
        length_of_wrong(wrong),
        as_judged(judgements),
        author(swapped),
        family(parties),
        flips(swapped, similarity),
    ]
    if len(parties.judges) > 1:
        findings += [panel(judgements, mark) for mark in MARKS]
    if scored:
        findings += [finding for mark in MARKS for finding in person(scored, mark)]
    asked = [*judgements, *probes, *(judgement for judgement, _ in scored)]
    return Audit(
        judge=" + ".join(parties.judges),
        findings=tuple(findings),
        unjudged=unjudged(asked),
    )


def unjudged(judgements: Sequence[Judgement]) -> dict[str, int]:
    """Count the judge's calls without marks by outcome and cause, the most frequent first.

    An answer that never came was not put to the judge, and is no call of it.
    """
    causes = Counter(why for j in judgements if j.answer.finish != "none" for why in j.why)
    return dict(causes.most_common())


def _by_kind(probes: Sequence[Judgement]) -> dict[Kind, dict[str, Judgement]]:
    """Return the probes with a score of each kind, by test prompt."""
    found: dict[Kind, dict[str, Judgement]] = {kind: {} for kind in Kind}
    for judgement in probes:
        if judgement.score is not None:
            row, kind = taken_apart(judgement.answer.example.id)
            found[kind][row] = judgement
    return found


def _pairs(judgements: Sequence[Judgement], swaps: dict[str, Judgement]) -> list[Pair]:
    """Return each swapped judgement beside the one it was made of."""
    drawn = {(j.answer.example.id, j.answer.sample): j for j in judgements if j.score is not None}
    found = []
    for row, swap in swaps.items():
        first = drawn.get((row, swap.answer.sample))
        if first is not None:
            found.append(Pair(first, swap))
    return found
