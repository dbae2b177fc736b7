"""Judgements in, an assessment out. Pure."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Protocol

from llamaduo.records import Answer, Assessment, Example, Judgement, Measure, Score

Z95 = 1.959964
"""Two-sided 95 % point of the normal distribution."""


class Check(Protocol):
    """Something an answer passes or fails without a judge."""

    def passes(self, answer: str, example: Example) -> bool:
        """Whether `answer` passes."""
        ...


def wilson(hits: int, n: int) -> tuple[float, float]:
    """Return the 95 % Wilson score interval of a share, 0..1 (Wilson 1927).

    Args:
        hits: 0..n.
        n: at least 1.
    """
    share = hits / n
    centre = share + Z95**2 / (2 * n)
    spread = Z95 * math.sqrt(share * (1 - share) / n + Z95**2 / (4 * n**2))
    scale = 1 + Z95**2 / n
    return max((centre - spread) / scale, 0.0), min((centre + spread) / scale, 1.0)


def prompt_scores(judgements: Sequence[Judgement]) -> dict[str, Score]:
    """Return each judged prompt's score: the mean over those of its answers that have one.

    The K answers of a prompt are one observation. A prompt without a score is not in it.
    """
    scores: dict[str, list[Score]] = defaultdict(list)
    for judgement in judgements:
        if judgement.score is not None:
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
    hits = sum(covered(score, similarity, precision) for score in scores.values())
    answers = [judgement.answer for judgement in judgements]
    return Assessment(
        name=name,
        prompts=len({answer.example.id for answer in answers}),
        coverage=share("coverage %", hits, len(scores)),
        similarity=fmean(s.similarity for s in scores.values()) if scores else None,
        precision=fmean(s.precision for s in scores.values()) if scores else None,
        unjudged=sum(judgement.score is None for judgement in judgements),
        answers=len(answers),
        cut=sum(answer.finish == "length" for answer in answers),
        checks=passed(checks, answers),
        steps=steps,
    )


def share(name: str, hits: int, n: int) -> Measure:
    """Return a share in % with its Wilson interval; nothing where n is 0."""
    if n == 0:
        return Measure(name=name, value=None, low=None, high=None, n=0)
    low, high = wilson(hits, n)
    return Measure(name=name, value=100 * hits / n, low=100 * low, high=100 * high, n=n)


def passed(checks: Mapping[str, Check], answers: Sequence[Answer]) -> dict[str, float]:
    """Return, for each check, the share in % of `answers` that pass; empty with no answers."""
    if not answers:
        return {}
    return {
        name: 100 * fmean(check.passes(answer.text, answer.example) for answer in answers)
        for name, check in checks.items()
    }
