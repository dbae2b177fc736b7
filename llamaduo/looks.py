"""Judging that is looked at on the way, so that a hopeless model is not paid for to the end."""

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby

from llamaduo.judge import Judge
from llamaduo.progress import Progress
from llamaduo.records import Answer, Judgement
from llamaduo.service import Caller

PROMPTS = 10
"""That are judged between two looks."""

Look = Callable[[Sequence[Judgement]], None]
"""Is shown all judgements so far, in order. What it raises ends the judging there; what was
bought is kept, and judging can go on."""


def watched(
    judge: Judge,
    answers: Sequence[Answer],
    done: Sequence[Judgement],
    desks: Mapping[str, Caller],
    look: Look,
    progress: Progress,
) -> Iterator[Judgement]:
    """Have answers judged a few prompts at a time, and looked at before the next are paid.

    Args:
        answers: those of a prompt side by side.
        done: judgements of the first of them, from before.
    """
    known = list(done)
    unsaid = Progress(io.StringIO())  # one stage of many parts is said as one
    with progress.stage("judge", len(answers), "answers", done=len(done)) as meter:
        for some in by_prompts(answers[len(done) :], PROMPTS):
            if known:
                look(known)
            for one in judge.grade(some, desks, stop=None, progress=unsaid):
                known.append(one)
                yield one
            meter.step(len(some), note=next((desk.spend for desk in desks.values()), ""))


def by_prompts(answers: Sequence[Answer], count: int) -> Iterator[Sequence[Answer]]:
    """Cut answers into parts of so many prompts."""
    prompts = [list(of) for _, of in groupby(answers, key=lambda answer: answer.example.id)]
    for start in range(0, len(prompts), count):
        yield [answer for of in prompts[start : start + count] for answer in of]
