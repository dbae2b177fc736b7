"""The pairs of a shadow phase, judged: how far the local model's answers are from the service's.

Each answer is judged by itself, against the service's answer as the target, so the judge never
knows whose it is; the service's own is judged too, since no judge gives its own target full marks
every time. It is a strict comparison: where the service is wrong and the local model right, the
local model loses.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from llamaduo.component import seed_of
from llamaduo.decision import settle
from llamaduo.findings import Measure
from llamaduo.judge import Judge
from llamaduo.metrics import compare, difference
from llamaduo.power import pairs_needed
from llamaduo.progress import Progress
from llamaduo.records import Answer, Example, Message, Record
from llamaduo.rollout.payloads import call_of, choices_of, text_of, words_of
from llamaduo.rollout.rows import LeftOut, row_of
from llamaduo.rollout.seen import Pair
from llamaduo.rollout.state import Verdict
from llamaduo.service import Caller

SAYS: Mapping[str, Verdict] = {"switch": "advance", "keep the service": "go back"}


class Judged(Record):
    """What the pairs come to."""

    judge: str
    simulated: bool
    pairs: int
    """That were judged."""
    left_out: dict[str, int]
    """Pairs whose service answer is no target, by reason."""
    silent: int
    """Pairs to which the local model gave no answer; each counts against it."""
    unjudged: int
    """Pairs without a mark for one of the two; each could count either way."""
    only_ours: int
    only_theirs: int
    """Pairs in which one alone is covered, those without an answer of ours among the second."""
    difference: Measure
    """Coverage of ours less theirs, in points."""
    low: float | None
    """With every pair that has no mark counted against the local model."""
    high: float | None
    """With every one of them counted for it."""
    margin: float
    verdict: Verdict
    needed: int | None
    """Pairs that would settle it, if the difference is the truth."""


def judge_pairs(
    pairs: Sequence[Pair],
    judge: Judge,
    callers: Mapping[str, Caller],
    *,
    similarity: float,
    precision: float,
    margin: float,
    most: int,
    simulated: bool,
    progress: Progress,
) -> Judged:
    """Judge both answers of each pair, and hold the difference against the margin.

    Args:
        callers: by the names of the judge's services.
        similarity: threshold of a covered prompt, as for the verdict.
        precision: the other.
        margin: points that the local model may stay under the service.
        most: pairs that are judged; which, is drawn by the call, the same at every call.
    """
    drawn = sorted(pairs, key=lambda p: (seed_of(call_of(p.service)), call_of(p.service)))
    ours: list[Answer] = []
    theirs: list[Answer] = []
    left = Counter[str]()
    for pair in drawn:
        if len(ours) == most:
            break
        try:
            mine, its = _answers(pair)
        except LeftOut as why:
            left[str(why).partition(":")[0]] += 1
            continue
        ours.append(mine)
        theirs.append(its)
    graded = list(judge.grade([*ours, *theirs], callers, stop=None, progress=progress))
    first, second = graded[: len(ours)], graded[len(ours) :]
    found = compare("the service", first, second, similarity=similarity, precision=precision)
    silent = sum(answer.finish == "none" for answer in ours)
    lost = len(ours) - silent - found.coverage.n
    win, lose = found.only_ours, found.only_theirs + silent
    measure = difference(win, lose, found.coverage.n + silent)
    worst = difference(win, lose + lost, len(ours))
    best = difference(win + lost, lose, len(ours))
    verdict = SAYS.get(settle(worst, best, -margin), "hold")
    return Judged(
        judge=judge.name,
        simulated=simulated,
        pairs=len(ours),
        left_out=dict(left.most_common()),
        silent=silent,
        unjudged=lost,
        only_ours=win,
        only_theirs=lose,
        difference=measure,
        low=worst.low,
        high=best.high,
        margin=margin,
        verdict=verdict,
        needed=pairs_needed(win, lose, measure.n, -margin) if measure.n else None,
    )


def _answers(pair: Pair) -> tuple[Answer, Answer]:
    """Return the local model's answer and the service's, to the prompt as it was captured."""
    row = row_of(pair.service)
    example = Example(
        id=row["id"],
        messages=tuple(Message(**message) for message in row["messages"]),
        target=row["target"],
    )
    its = Answer(example=example, text=row["target"])
    if text_of(pair.local, "status") == "failure":
        return Answer(example=example, text="", finish="none", why="failed"), its
    choices = choices_of(pair.local)
    message = choices[0].get("message") if choices else None
    text = words_of(message.get("content")) if isinstance(message, dict) else None
    if not text or not text.strip():
        return Answer(example=example, text="", finish="none", why="empty"), its
    cut = choices[0].get("finish_reason") == "length"
    return Answer(example=example, text=text, finish="length" if cut else "stop"), its
