"""What every prompt of a run scored, one row each: what runs are compared by.

`scores.jsonl` beside a run's report holds a row for each prompt, model and part that was
judged, without the texts: enough to set runs side by side prompt by prompt.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from llamaduo.component import digest
from llamaduo.metrics import covered, prompt_scores
from llamaduo.records import Example, Judgement, Part, Record, Score

FILE = "scores.jsonl"
"""Name in a run's folder."""


class Thresholds(Protocol):
    """What both marks of a covered prompt reach, 0 to 100."""

    @property
    def similarity(self) -> float:
        """Of the similarity."""
        ...

    @property
    def precision(self) -> float:
        """Of the precision."""
        ...


class ScoreRow(Record):
    """One prompt, as one model handled it."""

    model: str
    """E.g. `round 1`, as in the report."""
    part: Part
    id: str
    category: str
    similarity: float | None
    precision: float | None
    """Means over the prompt's answers, 0..100; None where it is unjudged."""
    covered: bool | None
    """Whether both reach the run's thresholds; None where it is unjudged."""
    answers: int
    cut: int
    """Answers cut at the token limit."""

    @property
    def score(self) -> Score | None:
        """Both marks; None where it is unjudged."""
        if self.similarity is None or self.precision is None:
            return None
        return Score(similarity=self.similarity, precision=self.precision)


def score_rows(
    judged: Mapping[tuple[str, Part], Sequence[Judgement]], goal: Thresholds
) -> Iterator[ScoreRow]:
    """Yield a row for each prompt of each model and part, in the order they were judged."""
    for (model, part), judgements in judged.items():
        scores = prompt_scores(judgements)
        answers = defaultdict(list)
        for judgement in judgements:
            answers[judgement.answer.example.id].append(judgement.answer)
        for name, given in answers.items():
            score = scores.get(name)
            yield ScoreRow(
                model=model,
                part=part,
                id=name,
                category=given[0].example.category,
                similarity=score.similarity if score else None,
                precision=score.precision if score else None,
                covered=covered(score, goal.similarity, goal.precision) if score else None,
                answers=len(given),
                cut=sum(answer.finish == "length" for answer in given),
            )


def write_scores(path: Path, rows: Iterable[ScoreRow]) -> None:
    """Write `rows` as JSON lines, whole or not at all; a file of that name is replaced."""
    draft = path.with_suffix(".new")
    with draft.open("w", encoding="utf-8", newline="\n") as file:
        for row in rows:
            file.write(row.model_dump_json() + "\n")
    draft.replace(path)


def read_scores(path: Path) -> tuple[ScoreRow, ...]:
    """Read what `write_scores` wrote.

    Raises:
        FileNotFoundError: if it is not there.
        ValueError: for a line that is no such row.
    """
    # Not str.splitlines(): it also cuts at U+2028 and others, which JSON leaves unescaped.
    with path.open(encoding="utf-8", newline="\n") as file:
        return tuple(ScoreRow.model_validate_json(line) for line in file)


def prompts_digest(prompts: Sequence[Example]) -> str:
    """Return a digest of prompts and targets, whatever their order: equal for equal sets."""
    return digest(sorted([row.id, row.instruction, row.target] for row in prompts))
