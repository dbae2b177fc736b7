"""What changes when a reference and a candidate change places. Pure.

Similarity is the same both ways round. So whatever two texts are worth, a difference between
the two marks is the judge's own: of the texts' lengths, of who wrote them, or of chance.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from llamaduo.audit.limits import ALIKE, AUTHOR, FEWEST, FLIPS, INTERVAL, LEVEL, SLOPE, TOP
from llamaduo.audit.lines import Estimate, line, words
from llamaduo.findings import Finding
from llamaduo.intervals import Floats, wilson
from llamaduo.records import Judgement, Score

LENGTH_ANSWERS = "slope on length, answers"
LENGTH_WRONG = "slope on length, wrong answers"
POINTS = "points"
PER_WORDS = "points per 100 words"


@dataclass(frozen=True)
class Pair:
    """The same two texts, judged both ways round; both with a score."""

    first: Judgement
    second: Judgement
    """With the reference of the prompt as the candidate."""

    @property
    def gap(self) -> float:
        """Similarity of the second less that of the first, in points."""
        return _score(self.second).similarity - _score(self.first).similarity

    @property
    def longer(self) -> int:
        """Words by which the second's candidate is longer than the first's."""
        return words(self.second.answer.text) - words(self.first.answer.text)

    @property
    def at_the_top(self) -> bool:
        """Whether both have so high a mark that no preference could show."""
        return min(_score(self.first).similarity, _score(self.second).similarity) >= TOP


def length_of_answers(pairs: Sequence[Pair]) -> Finding:
    """Say what 100 words more do to the mark of a model's answer, whatever it is worth."""
    roomy, lost = _roomy(pairs)
    x, y = _lengths(roomy), _gaps(roomy)
    return _length(LENGTH_ANSWERS, "of answer and reference", x, y, lost)


def length_of_wrong(pairs: Sequence[Pair]) -> Finding:
    """Say what 100 words more do to the mark of a wrong answer.

    Two references that have nothing to do with each other differ far more in length than a
    reference and the answer to it, and have low marks, which can go up: this sees most.
    Where two texts were drawn for each other's prompts, they are one observation.
    """
    roomy, lost = _roomy(pairs)
    x, y = _folded(roomy)
    return _length(LENGTH_WRONG, "of two unrelated texts", x, y, lost, through_zero=True)


def author(pairs: Sequence[Pair]) -> Finding:
    """Say what a text gains at equal length by being the reference and not the model's."""
    name = "preference for the reference's author"
    roomy, lost = _roomy(pairs)
    if len(roomy) < FEWEST:
        return _unmeasured(name, POINTS, len(roomy), lost)
    x = _lengths(roomy)
    found = line(x if np.std(x) >= ALIKE / 100 else np.zeros(len(x)), _gaps(roomy), LEVEL).at_zero
    at_top = ". It shows less than it is where marks near 100 leave it no room" if lost else ""
    return Finding(
        name=name,
        value=found.value,
        low=found.low,
        high=found.high,
        n=len(roomy),
        unit=POINTS,
        flagged=found.beyond(AUTHOR),
        says=f"as the candidate, the reference gets {found.value:+.1f} points of similarity over "
        f"the model's answer in its place, at equal length, {_interval(found)}, {len(roomy)} "
        f"pairs{_left_out(lost)}; {_limit(AUTHOR)}{at_top}",
    )


def flips(pairs: Sequence[Pair], threshold: float) -> Finding:
    """Say how many prompts change sides when the two texts change places.

    Args:
        pairs: of the model's answers.
        threshold: of similarity.
    """
    name = "flips when swapped"
    n = len(pairs)
    if n < FEWEST:
        return _unmeasured(name, "%", n, 0)
    turned = sum(
        (_score(p.first).similarity >= threshold) != (_score(p.second).similarity >= threshold)
        for p in pairs
    )
    low, high = wilson(turned, n, LEVEL)
    said = (
        f"{turned} of {n} prompts change sides of the similarity threshold {threshold:g} when "
        "answer and reference change places"
    )
    beyond = _beyond_chance(pairs, threshold)
    flagged = False
    if beyond is None:
        said += "; how many would by chance is not known without two repeats each way"
    else:
        flagged = beyond.value >= FLIPS and beyond.low > 0
        said += (
            f"; of single repeats {beyond.value:+.0f} % of prompts more do so than from one repeat "
            f"to the next, {_interval(beyond)}; flagged from {FLIPS:g} up, where 0 is outside"
        )
    return Finding(
        name=name,
        value=100 * turned / n,
        low=100 * low,
        high=100 * high,
        n=n,
        unit="%",
        flagged=flagged,
        says=said,
    )


def as_judged(judgements: Sequence[Judgement]) -> Finding:
    """Say how marks go with length over all answers; what they are worth is in it too.

    Args:
        judgements: of one model on the test prompts; a prompt's answers are one observation.
    """
    name = "slope on length, as judged"
    rows: dict[str, list[Judgement]] = {}
    for judgement in judgements:
        if judgement.score is not None:
            rows.setdefault(judgement.answer.example.id, []).append(judgement)
    lengths = np.array([fmean(words(j.answer.text) for j in of) for of in rows.values()])
    marks = np.array([fmean(_score(j).similarity for j in of) for of in rows.values()])
    if len(rows) < FEWEST:
        return _unmeasured(name, PER_WORDS, len(rows), 0, "prompts")
    if np.std(lengths) < ALIKE:
        return _alike(name, len(rows), float(np.std(lengths)))
    found = line(lengths / 100, marks, LEVEL).slope
    assert found is not None
    return Finding(
        name=name,
        value=found.value,
        low=found.low,
        high=found.high,
        n=len(rows),
        unit=PER_WORDS,
        says=f"over {len(rows)} prompts similarity goes by {found.value:+.1f} points with 100 "
        f"words more in the answer, {_interval(found)}; never flagged, since long answers may "
        "well be better or worse",
    )


def _length(
    name: str, what: str, x: Floats, y: Floats, lost: int, *, through_zero: bool = False
) -> Finding:
    n = len(x)
    if n < FEWEST:
        return _unmeasured(name, PER_WORDS, n, lost)
    varied = float(np.sqrt((x**2).mean()) if through_zero else np.std(x))
    if varied < ALIKE / 100:
        return _alike(name, n, 100 * varied)
    found = line(x, y, LEVEL, through_zero=through_zero).slope
    assert found is not None
    return Finding(
        name=name,
        value=found.value,
        low=found.low,
        high=found.high,
        n=n,
        unit=PER_WORDS,
        flagged=found.beyond(SLOPE),
        says=f"{what} the one that is the candidate gets {found.value:+.1f} points of similarity "
        f"for every 100 words it is longer, {_interval(found)}, {n} pairs{_left_out(lost)}; "
        f"{_limit(SLOPE)}",
    )


def _folded(pairs: Sequence[Pair]) -> tuple[Floats, Floats]:
    """Return lengths and gaps, one for each two texts; turned so that both say the same."""
    found: dict[tuple[str, ...], list[tuple[float, float]]] = {}
    for pair in pairs:
        texts = pair.second.answer.text, pair.first.answer.text
        sign = 1 if texts == tuple(sorted(texts)) else -1
        of = found.setdefault(tuple(sorted(texts)), [])
        of.append((sign * pair.longer / 100, sign * pair.gap))
    means = np.array([np.mean(of, axis=0) for of in found.values()]).reshape(-1, 2)
    return means[:, 0], means[:, 1]


def _lengths(pairs: Sequence[Pair]) -> Floats:
    """Return by how many hundred words each second candidate is longer."""
    return np.array([pair.longer / 100 for pair in pairs])


def _gaps(pairs: Sequence[Pair]) -> Floats:
    return np.array([pair.gap for pair in pairs])


def _roomy(pairs: Sequence[Pair]) -> tuple[list[Pair], int]:
    """Return the pairs in which a preference could show, and how many others there are."""
    roomy = [pair for pair in pairs if not pair.at_the_top]
    return roomy, len(pairs) - len(roomy)


def _beyond_chance(pairs: Sequence[Pair], threshold: float) -> Estimate | None:
    """Return the % of single repeats that disagree across the swap over those that do within.

    A judge to whom the places mean nothing has 0, however noisy it is.
    """
    found = []
    for pair in pairs:
        for by in {mark.by for mark in pair.first.marks}:
            sides = [
                [mark.similarity >= threshold for mark in judgement.marks if mark.by == by]
                for judgement in (pair.first, pair.second)
            ]
            if min(map(len, sides)) > 1:
                (a, n), (b, m) = ((sum(side), len(side)) for side in sides)
                across = (a * (m - b) + b * (n - a)) / (n * m)
                within = a * (n - a) / (n * (n - 1)) + b * (m - b) / (m * (m - 1))
                found.append((pair, 100 * (across - within)))
    rows: dict[str, list[float]] = {}
    for pair, value in found:
        rows.setdefault(pair.first.answer.example.id, []).append(value)
    if len(rows) < FEWEST:
        return None
    values = np.array([fmean(of) for of in rows.values()])
    return line(np.zeros(len(values)), values, LEVEL).at_zero


def _score(judgement: Judgement) -> Score:
    assert judgement.score is not None
    return judgement.score


def _interval(found: Estimate) -> str:
    return f"{INTERVAL} {found.low:+.1f} to {found.high:+.1f}"


def _limit(limit: float) -> str:
    return f"flagged from {limit:g} up or -{limit:g} down, where 0 is outside"


def _left_out(lost: int) -> str:
    return f" ({lost} more with both marks at {TOP:g} or over left out)" if lost else ""


def _unmeasured(name: str, unit: str, n: int, lost: int, of: str = "pairs") -> Finding:
    return Finding(
        name=name,
        value=None,
        n=n,
        unit=unit,
        says=f"{name}: could not be measured, with {n} {of}{_left_out(lost)}, and {FEWEST} are "
        "needed",
    )


def _alike(name: str, n: int, varied: float) -> Finding:
    return Finding(
        name=name,
        value=None,
        n=n,
        unit=PER_WORDS,
        says=f"{name}: could not be measured, the texts of {n} pairs hardly differ in length "
        f"(standard deviation {varied:.1f} words, and {ALIKE:g} are needed)",
    )
