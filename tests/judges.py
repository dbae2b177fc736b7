"""Simulated judges with a known fault, and worlds for them to judge: for the audit's error rates.

A world is a test set with texts of realistic lengths and what each answer is truly worth. A
judge is a function from what it sees to its expected mark, and how far it strays.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from llamaduo.audit import audit
from llamaduo.audit.kinds import Kind, taken_apart
from llamaduo.audit.lines import words
from llamaduo.audit.parties import Parties
from llamaduo.findings import Audit
from llamaduo.intervals import Floats
from llamaduo.judge.probes import REPEATS, probes
from llamaduo.records import Answer, Example, Judgement, Mark, Message, Score

PROMPTS = 60
PARTIES = Parties(judges=("claude-sonnet-5-5",), teacher="claude-sonnet-5-5", local="gemma-2b")


@dataclass(frozen=True)
class Shown:
    """What a judge is shown, one entry an answer."""

    worth: Floats
    """True similarity, 0..100: 30 to 98 for the model's answers, 2 to 35 for wrong ones."""
    words: Floats
    """Of the candidate."""
    by_reference: Floats
    """1 where the candidate was written by the references' author, 0 where by the model."""


@dataclass(frozen=True)
class World:
    """A test set, and the probes drawn from it."""

    answers: tuple[Answer, ...]
    probes: tuple[Answer, ...]
    shown: Shown
    """Of `answers`, then `probes`."""


Judging = Callable[[Shown, np.random.Generator], Floats]
"""Gives one mark, not yet cut to 0..100, for each answer shown."""


def honest(spread: float) -> Judging:
    return lambda shown, draw: shown.worth + draw.normal(0, spread, len(shown.worth))


def by_length(shown: Shown, draw: np.random.Generator) -> Floats:
    """Ten points more for every 100 words."""
    return honest(8)(shown, draw) + shown.words / 10


def by_length_both_ways(shown: Shown, draw: np.random.Generator) -> Floats:
    """The same, and under 80 words less."""
    return honest(8)(shown, draw) + (shown.words - 80) / 10


def for_its_family(shown: Shown, draw: np.random.Generator) -> Floats:
    """Eight points more for what its family wrote: the references."""
    return honest(8)(shown, draw) + 8 * shown.by_reference


def against_others(shown: Shown, draw: np.random.Generator) -> Floats:
    """Eight points less for what its family did not write: the model's answers."""
    return honest(8)(shown, draw) - 8 * (1 - shown.by_reference)


def for_the_model(shown: Shown, draw: np.random.Generator) -> Floats:
    """Eight points more where the local model is of its family, and the references are not."""
    return honest(8)(shown, draw) + 8 * (1 - shown.by_reference)


def at_random(shown: Shown, draw: np.random.Generator) -> Floats:
    return draw.uniform(0, 100, len(shown.worth))


def always_pleased(shown: Shown, draw: np.random.Generator) -> Floats:
    return draw.normal(95, 2, len(shown.worth))


HONEST: dict[str, Judging] = {"honest, SD 8": honest(8), "honest, SD 12": honest(12)}
FAULTY: dict[str, Judging] = {
    "+10 per 100 words": by_length,
    "+10 per 100 words over 80, less under": by_length_both_ways,
    "+8 for its own family": for_its_family,
    "-8 for others": against_others,
    "+8 for its family, the model's": for_the_model,
    "uniformly random": at_random,
    "95 to all": always_pleased,
}


@lru_cache(maxsize=1000)
def world(seed: int, audited: int) -> World:
    """Draw a test set. Lengths: references lognormal, 5 to 300 words; answers like them."""
    draw = np.random.default_rng(seed)
    long = np.clip(np.exp(draw.normal(np.log(60), 0.8, PROMPTS)), 5, 300)
    also = np.clip(long * np.exp(draw.normal(-0.1, 0.45, PROMPTS)), 5, 300)
    worth = 30 + 68 * draw.beta(4, 1.5, PROMPTS)
    wrong = draw.uniform(2, 35, PROMPTS)
    answers = tuple(
        Answer(
            example=Example(
                id=f"t{i}",
                messages=(Message(role="user", content=f"{i}?"),),
                target=text(f"r{i}", long[i]),
            ),
            text=text(f"a{i}", also[i]),
        )
        for i in range(PROMPTS)
    )
    judged = [Judgement(answer=a, score=Score(similarity=50, precision=50)) for a in answers]
    extra = tuple(probes(judged, audited, seed))
    truth = list(worth)
    for probe in extra:
        row, kind = taken_apart(probe.example.id)
        i = int(row[1:])
        truth.append({Kind.SWAP: worth[i], Kind.SAME: 98.0}.get(kind, wrong[i]))
    everything = [*answers, *extra]
    shown = Shown(
        worth=np.array(truth),
        words=np.array([float(words(a.text)) for a in everything]),
        by_reference=np.array([float(a.text.startswith("r")) for a in everything]),
    )
    return World(answers, extra, shown)


def text(name: str, length: float) -> str:
    return " ".join([name, *["word"] * (round(length) - 1)])


def marked(
    row: str,
    *marks: float,
    candidate: str = "a",
    target: str = "r",
    sample: int = 0,
    by: Sequence[str] = ("",),
) -> Judgement:
    """Return a judgement with each of `marks` as both marks, by the judges in turn."""
    asked = Example(id=row, messages=(Message(role="user", content="?"),), target=target)
    given = tuple(Mark(similarity=m, precision=m, by=by[i % len(by)]) for i, m in enumerate(marks))
    mean = sum(marks) / len(marks) if marks else 0.0
    return Judgement(
        answer=Answer(example=asked, text=candidate, sample=sample),
        score=Score(similarity=mean, precision=mean) if marks else None,
        marks=given,
    )


def judged(
    answers: Sequence[Answer],
    shown: Shown,
    judges: dict[str, Judging],
    draw: np.random.Generator,
    repeats: int = REPEATS,
) -> list[Judgement]:
    """Return what a panel (or one judge, called "") makes of the answers: whole marks, 0..100."""
    marks: list[list[Mark]] = [[] for _ in answers]
    for by, judge in judges.items():
        for _ in range(repeats):
            similarity, precision = (
                np.round(np.clip(judge(shown, draw), 0, 100)) for _ in ("similarity", "precision")
            )
            for of, s, p in zip(marks, similarity.tolist(), precision.tolist(), strict=True):
                of.append(Mark.model_construct(similarity=s, precision=p, by=by))
    return [
        Judgement.model_construct(
            answer=answer,
            score=Score.model_construct(
                similarity=sum(m.similarity for m in of) / len(of),
                precision=sum(m.precision for m in of) / len(of),
            ),
            marks=tuple(of),
            why=(),
            spared=0,
        )
        for answer, of in zip(answers, marks, strict=True)
    ]


def audited(judge: Judging, seed: int, prompts: int = 30) -> Audit:
    """Return the audit of one simulated run."""
    here = world(seed, prompts)
    draw = np.random.default_rng([seed, 1])
    everything = judged([*here.answers, *here.probes], here.shown, {"": judge}, draw)
    return audit(
        everything[:PROMPTS], everything[PROMPTS:], parties=PARTIES, similarity=90, precision=80
    )


def audited_panel(judge: Judging, seed: int, prompts: int = 30) -> Audit:
    """Return the audit of a panel of three such judges, with 30 answers a person scored.

    The person strays by 8 points too.
    """
    here = world(seed, prompts)
    draw = np.random.default_rng([seed, 2])
    members = ("claude-sonnet-5-5", "gpt-5.4-2026-03-05", "gemini-3.8-flash")
    everything = judged(
        [*here.answers, *here.probes], here.shown, dict.fromkeys(members, judge), draw
    )
    truth = here.shown.worth[:30]
    by_hand = np.clip(truth + draw.normal(0, 8, len(truth)), 0, 100)
    return audit(
        everything[:PROMPTS],
        everything[PROMPTS:],
        parties=Parties(judges=members, teacher=members[0], local="gemma-2b"),
        similarity=90,
        precision=80,
        scored=[
            (judgement, Score(similarity=mark, precision=mark))
            for judgement, mark in zip(everything[:30], by_hand.tolist(), strict=True)
        ],
    )
