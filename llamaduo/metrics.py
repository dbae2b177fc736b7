"""Judgements in, an assessment out. Pure."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Protocol

import numpy as np

from llamaduo.findings import Assessment, Category, Compared, Measure, PairedCategory
from llamaduo.intervals import LEVEL, bounded_mean, paired_shares, ratio_of_means, share_interval
from llamaduo.records import Answer, Example, Judgement, Score


class Check(Protocol):
    """Something an answer passes or fails without a judge."""

    def passes(self, answer: str, example: Example) -> bool:
        """Whether `answer` passes."""
        ...


def prompt_scores(judgements: Sequence[Judgement]) -> dict[str, Score]:
    """Return each judged prompt's score: the mean over those of its answers that have one.

    The K answers of a prompt are one observation. A prompt without a score is not in it; nor
    is one of which an answer never came, since that is the model's failure and no gap of the
    judge's, and the answers that came are no fair sample of what it gives.
    """
    scores: dict[str, list[Score]] = defaultdict(list)
    silent = {j.answer.example.id for j in judgements if j.answer.finish == "none"}
    for judgement in judgements:
        if judgement.score is not None and judgement.answer.example.id not in silent:
            scores[judgement.answer.example.id].append(judgement.score)
    return {
        name: Score(
            similarity=fmean(s.similarity for s in of), precision=fmean(s.precision for s in of)
        )
        for name, of in scores.items()
    }


def covered(score: Score, similarity: float, precision: float) -> bool:
    """Whether a prompt is handled: both marks at or over their thresholds."""
    return score.similarity >= similarity and score.precision >= precision


def assess(
    name: str,
    judgements: Sequence[Judgement],
    *,
    similarity: float,
    precision: float,
    checks: Mapping[str, Check],
    steps: int,
) -> Assessment:
    """Count how one model did on one set of prompts.

    Args:
        judgements: one for each answer, K answers a prompt.
        similarity: threshold of a covered prompt, 0..100.
        precision: the other threshold.
        checks: by the name they have in the report.
        steps: optimiser steps behind the model.
    """
    scores = prompt_scores(judgements)
    handled = {row: covered(score, similarity, precision) for row, score in scores.items()}
    answers = [judgement.answer for judgement in judgements]
    return Assessment(
        name=name,
        prompts=len({answer.example.id for answer in answers}),
        coverage=share("coverage %", sum(handled.values()), len(handled)),
        similarity=mean("similarity", [s.similarity for s in scores.values()]),
        precision=mean("precision", [s.precision for s in scores.values()]),
        unjudged=sum(judgement.score is None for judgement in judgements),
        answers=len(answers),
        cut=sum(answer.finish == "length" for answer in answers),
        missing=sum(answer.finish == "none" for answer in answers),
        checks=passed(checks, answers),
        categories=by_category(judgements, handled),
        marks=sum(len(judgement.marks) for judgement in judgements),
        spared=sum(judgement.spared for judgement in judgements),
        steps=steps,
    )


def by_category(
    judgements: Sequence[Judgement], handled: Mapping[str, bool]
) -> tuple[Category, ...]:
    """Return the coverage of each category, by name; nothing where there is but one.

    The level is Bonferroni's: with C categories each interval errs in 1/C of 5 %, so that
    all of them hold together in 95 % of cases.
    """
    rows: dict[str, set[str]] = defaultdict(set)
    for judgement in judgements:
        rows[judgement.answer.example.category].add(judgement.answer.example.id)
    if len(rows) < 2:
        return ()
    level = 1 - (1 - LEVEL) / len(rows)
    found = []
    for category, names in sorted(rows.items()):
        hits = [handled[name] for name in names if name in handled]
        coverage = share("coverage %", sum(hits), len(hits), level)
        found.append(Category(name=category, prompts=len(names), coverage=coverage))
    return tuple(found)


def share(name: str, hits: int, n: int, level: float = LEVEL) -> Measure:
    """Return a share in % with its interval; nothing where n is 0."""
    if n == 0:
        return Measure(name=name, value=None, low=None, high=None, n=0, level=level)
    low, high = share_interval(hits, n, level)
    return Measure(
        name=name, value=100 * hits / n, low=100 * low, high=100 * high, n=n, level=level
    )


def mean(name: str, values: Sequence[float], *, least: float = 0.0, most: float = 100.0) -> Measure:
    """Return a mean with an interval for bounded values; nothing where there is none.

    Args:
        values: one a prompt, each in `least`..`most`.
    """
    if not values:
        return Measure(name=name, value=None, low=None, high=None, n=0)
    low, high = bounded_mean(np.asarray(values), least=least, most=most)
    return Measure(name=name, value=fmean(values), low=low, high=high, n=len(values))


def passed(checks: Mapping[str, Check], answers: Sequence[Answer]) -> dict[str, Measure]:
    """Return, for each check, the share in % of `answers` that pass; empty with no answers.

    The interval is over prompts, of each the share of its answers that pass.
    """
    if not answers:
        return {}
    found = {}
    for name, check in checks.items():
        shares: dict[str, list[bool]] = defaultdict(list)
        for answer in answers:
            shares[answer.example.id].append(check.passes(answer.text, answer.example))
        found[name] = mean(name, [100 * fmean(passes) for passes in shares.values()])
    return found


def compare(
    name: str,
    first: Sequence[Judgement],
    second: Sequence[Judgement],
    *,
    similarity: float,
    precision: float,
) -> Compared:
    """Set two models side by side on the prompts that both have a score for.

    A difference taken prompt by prompt is known far better than that of two averages: how
    hard a prompt is does not count.

    Args:
        name: of the second model.
        first: judgements of the decided model.
        second: judgements of the other.
        similarity: threshold of a covered prompt.
        precision: the other threshold.
    """
    ours, theirs = prompt_scores(first), prompt_scores(second)
    rows = sorted(ours.keys() & theirs.keys())
    n = len(rows)
    pairs = [
        (covered(ours[r], similarity, precision), covered(theirs[r], similarity, precision))
        for r in rows
    ]
    only_ours, only_theirs = pairs.count((True, False)), pairs.count((False, True))
    category = {j.answer.example.id: j.answer.example.category for j in first}
    return Compared(
        name=name,
        only_ours=only_ours,
        only_theirs=only_theirs,
        categories=_pairs_by_category(rows, pairs, category),
        coverage=difference(only_ours, only_theirs, n),
        similarity=mean(
            "similarity",
            [ours[r].similarity - theirs[r].similarity for r in rows],
            least=-100.0,
        ),
        precision=mean(
            "precision", [ours[r].precision - theirs[r].precision for r in rows], least=-100.0
        ),
        match=_match([ours[r].precision for r in rows], [theirs[r].precision for r in rows]),
    )


def _pairs_by_category(
    rows: Sequence[str], pairs: Sequence[tuple[bool, bool]], category: Mapping[str, str]
) -> tuple[PairedCategory, ...]:
    """Count the pairs that differ in each category; nothing where there is but one."""
    names = sorted(set(category.values()))
    if len(names) < 2:
        return ()
    found = []
    for name in names:
        here = [pair for row, pair in zip(rows, pairs, strict=True) if category[row] == name]
        ours, theirs = here.count((True, False)), here.count((False, True))
        found.append(PairedCategory(name=name, only_ours=ours, only_theirs=theirs, n=len(here)))
    return tuple(found)


def difference(only_ours: int, only_theirs: int, n: int, level: float = LEVEL) -> Measure:
    """Return the difference of two coverages in points, by Tango's interval."""
    if n == 0:
        return Measure(name="coverage, difference", value=None, low=None, high=None, n=0)
    low, high = paired_shares(only_ours, only_theirs, n, level)
    value = 100 * (only_ours - only_theirs) / n
    return Measure(
        name="coverage, difference",
        value=value,
        low=100 * low,
        high=100 * high,
        n=n,
        level=level,
    )


def _match(ours: Sequence[float], theirs: Sequence[float]) -> Measure:
    """Return P-Match in %: local precision over the service's (LlamaDuo, Table 1)."""
    if not theirs or not any(theirs):
        return Measure(name="P-Match %", value=None, low=None, high=None, n=len(theirs))
    low, high = ratio_of_means(np.asarray(ours), np.asarray(theirs), most=100.0)
    value = 100 * fmean(ours) / fmean(theirs)
    return Measure(name="P-Match %", value=value, low=100 * low, high=100 * high, n=len(ours))
