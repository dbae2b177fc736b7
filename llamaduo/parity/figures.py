"""Answers of an endpoint counted. Pure."""

from collections.abc import Sequence
from statistics import median_low

from llamaduo.parity.heard import Heard
from llamaduo.records import Record


class Counts(Record):
    """Tokens of the same prompts, as the server counted them and as we do."""

    n: int
    """Prompts that both counted."""
    off: int
    """Of these, with another count."""
    ours: int
    """Of the prompt in the middle, by length."""
    theirs: int
    least: int
    """Server's count less ours, where that is least."""
    most: int

    @property
    def another(self) -> bool:
        """Whether most prompts were laid out otherwise."""
        return 2 * self.off > self.n

    @property
    def constant(self) -> bool:
        """Whether every prompt has the same number of tokens more, or less."""
        return self.off == self.n and self.least == self.most

    @property
    def words(self) -> str:
        """What was seen, for people.

        A template adds about the same to every prompt; another tokenizer, by its length.
        """
        if not self.off:
            return f"the server counted as many prompt tokens as ours (n={self.n})"
        spread = "in every prompt" if self.constant else f"{self.least:+d} to {self.most:+d}"
        what = "another chat template" + ("" if self.constant else ", or another tokenizer")
        few = "" if self.another else f", but in {self.off} prompts only"
        return (
            f"{what}: the server counted {self.theirs} tokens where ours has "
            f"{self.ours} ({spread}, n={self.n}{few})"
        )


class Figures(Record):
    """What came of asking for every reference."""

    n: int
    """Prompts that were asked."""
    unanswered: int
    identical: int
    """Of the answers that came."""
    ended: int
    """Answers that ended by themselves, and not at the limit; an identical one as its reference."""
    ended_before: int
    """References to the same prompts that did."""
    cut: int
    """Answers that break off a reference."""
    runs_on: int
    """Answers that go on where their reference ended."""
    tellable: int
    """Answers to prompts where reference and base say different things."""
    as_base: int
    """Of these, those that are the base's own."""
    late: int = 0
    """Identical answers that the server says were cut, and their references ended."""
    counts: Counts | None
    """None: the server does not count prompt tokens, or we cannot."""

    @property
    def came(self) -> int:
        """Answers that were compared."""
        return self.n - self.unanswered

    @property
    def differing(self) -> int:
        """Answers that are not identical."""
        return self.came - self.identical

    @property
    def identical_percent(self) -> float:
        """In % of the answers that came; 0 where none did."""
        return 100 * self.identical / self.came if self.came else 0.0

    @property
    def unanswered_percent(self) -> float:
        """In % of all prompts; 100 where none was asked."""
        return 100 * self.unanswered / self.n if self.n else 100.0

    @property
    def ended_points(self) -> float:
        """Points by which more answers than references ended by themselves."""
        return 100 * (self.ended - self.ended_before) / self.came if self.came else 0.0


def figures(all_: Sequence[Heard]) -> Figures:
    """Count."""
    came = [one for one in all_ if one.finish != "none"]
    return Figures(
        n=len(all_),
        unanswered=len(all_) - len(came),
        identical=sum(one.identical for one in came),
        ended=sum(one.ended for one in came),
        ended_before=sum(one.reference.finish == "stop" for one in came),
        cut=sum(one.cut for one in came),
        runs_on=sum(one.runs_on for one in came),
        tellable=sum(one.tellable for one in came),
        as_base=sum(one.as_base for one in came),
        late=sum(one.late for one in came),
        counts=_counts(came),
    )


def _counts(came: Sequence[Heard]) -> Counts | None:
    pairs = [
        (one.reference.prompt_tokens, one.prompt_tokens)
        for one in came
        if one.reference.prompt_tokens is not None and one.prompt_tokens is not None
    ]
    if not pairs:
        return None
    gaps = [theirs - ours for ours, theirs in pairs]
    ours, theirs = median_low([pair for pair in pairs if pair[0] != pair[1]] or pairs)
    return Counts(
        n=len(pairs),
        off=sum(gap != 0 for gap in gaps),
        ours=ours,
        theirs=theirs,
        least=min(gaps),
        most=max(gaps),
    )
