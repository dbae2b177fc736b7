"""What it takes to have answers judged that are not there yet: real prompts, stand-in answers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from llamaduo.audit.kinds import Kind, taken_apart
from llamaduo.forecast.figures import Range, same
from llamaduo.forecast.lengths import ANSWER_BYTES
from llamaduo.forecast.repeats import share
from llamaduo.forecast.sizes import Four, Sizes, judged, turns
from llamaduo.judge import Judge, Stop
from llamaduo.judge.probes import REPEATS, probes
from llamaduo.judge.stopping import FEWEST
from llamaduo.records import Answer, Example, Judgement, Score

RUN_ON = 4
"""Bytes of each token of an answer that does not end by itself."""

OPEN = Score(similarity=50, precision=50)
"""A score for answers that stand in for others; which one does not matter."""


@dataclass
class Marks:
    """Measures what a judge would be asked about the rows of one part."""

    judge: Judge
    rows: Sequence[Example]
    seed: int
    _share: float | None = None
    _known: dict[str, dict[str, Sizes]] = field(default_factory=dict)

    def once(self, limit: int, *, ends: bool = True) -> dict[str, Four]:
        """Measure one answer to each row, judged once by each service.

        The stand-in answers are: none, half the target, twice the target, and the token limit.

        Args:
            limit: tokens of an answer, at most.
            ends: not, and an answer is likely to go on to the limit.
        """
        least = self._judged("none", lambda row: "")
        low = self._judged("half", lambda row: row.target[: len(row.target) // 2])
        high = self._judged("twice", lambda row: row.target * 2)
        if not ends:
            high = self._judged(
                f"on {limit}", lambda row: max(row.target * 2, "x" * RUN_ON * limit, key=len)
            )
        most = self._judged(f"full {limit}", lambda row: "x" * ANSWER_BYTES * limit)
        return {n: Four(least[n], low[n], high[n], most[n]) for n in self.judge.services}

    def calls(self, name: str, judge: Judge) -> float:
        """Return how often `judge` asks the service `name` for one answer, with none spared."""
        once = turns(self.judge.with_repeats(1), self.rows[0])[name] or 1
        return turns(judge, self.rows[0])[name] / once

    def repeats(self, name: str, stop: Stop | None, goal: float) -> Range:
        """Return how often an answer is judged by the service `name`.

        Args:
            stop: when repeats may end early; None: none is spared.
            goal: coverage in % that it is about.
        """
        all_ = self.calls(name, self.judge)
        if stop is None:
            return same(all_)
        few = self.calls(name, self.judge.with_repeats(FEWEST))
        if self._share is None:
            self._share = share(self.rows, stop, goal)
        return Range(least=few, low=few, high=few + self._share * (all_ - few), most=all_)

    def audited(self, audit: int, limit: int) -> tuple[dict[str, Four], Judge]:
        """Measure the probes of an audit, judged once by each service; and the judge that does."""
        brief = self.judge.with_repeats(REPEATS)
        equal = self._probes(audit, lambda row: row.target)
        apart = self._probes(audit, lambda row: row.target * 2)
        # An answer that equals its reference, or another prompt's, has been judged already.
        least = self._of([one for one in equal if _kind(one) is Kind.BACK])
        low = self._of([one for one in equal if _kind(one) is not Kind.SAME])
        high, most = self._of(apart), self._of(self._dearest(audit, limit))
        return {n: Four(least[n], low[n], high[n], most[n]) for n in self.judge.services}, brief

    def _probes(self, audit: int, text: Callable[[Example], str]) -> list[Answer]:
        given = [Answer(example=row, text=text(row)) for row in self.rows]
        return probes([Judgement(answer=one, score=OPEN) for one in given], audit, self.seed)

    def _dearest(self, audit: int, limit: int) -> list[Answer]:
        """Return four probes on each of the rows that cost most: which are drawn is not known."""
        longest = max((row.target for row in self.rows), key=len)
        texts = ("x" * ANSWER_BYTES * limit, longest, longest)
        order = sorted(
            self.rows, key=lambda row: -len(row.instruction.encode()) - 2 * len(row.target.encode())
        )
        return [
            Answer(example=row, text=text) for row in order[:audit] for text in (*texts, row.target)
        ]

    def _judged(self, name: str, text: Callable[[Example], str]) -> dict[str, Sizes]:
        if name not in self._known:
            self._known[name] = self._of([Answer(example=row, text=text(row)) for row in self.rows])
        return self._known[name]

    def _of(self, given: Sequence[Answer]) -> dict[str, Sizes]:
        return judged(self.judge.with_repeats(1), given)


def _length(row: Example) -> int:
    """Return how much of four probes' bytes is the row's own; its target stands in five places."""
    return 4 * len(row.instruction.encode()) + 5 * len(row.target.encode())


def _kind(probe: Answer) -> Kind:
    return taken_apart(probe.example.id)[1]
