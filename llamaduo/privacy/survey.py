"""What rows hold of what is looked for: counted, and shown so that nobody can read it."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from llamaduo.privacy.finder import Finder
from llamaduo.privacy.kinds import Kind, counted, named
from llamaduo.records import Answer, Example

SHOWN = 20
"""Rows that are named; others are counted."""
_CLEAR = 2
"""Characters of a value that are shown, and no more than a quarter of it."""


@dataclass(frozen=True)
class Held:
    """What one row holds."""

    example: Example
    values: frozenset[tuple[Kind, str]]
    """Each once, however often the row says it."""

    @property
    def masked(self) -> str:
        """What it holds, for people: `e-mail address bo***`."""
        return ", ".join(f"{named(kind)} {mask(value)}" for kind, value in sorted(self.values))


@dataclass(frozen=True)
class Survey:
    """What so many rows hold."""

    rows: int
    """Rows that were looked at, all of them."""
    held: tuple[Held, ...]
    """Those that hold something, in order."""

    def of(self, kinds: Sequence[Kind]) -> "Survey":
        """Return the same of some kinds alone."""
        kept = ((h.example, frozenset(v for v in h.values if v[0] in kinds)) for h in self.held)
        return Survey(self.rows, tuple(Held(row, values) for row, values in kept if values))

    def __str__(self) -> str:
        """Say how much there seems to be: `2 e-mail addresses, 1 IBAN, in 3 of 40 rows`."""
        counts = Counter(kind for one in self.held for kind, _ in one.values)
        return f"{counted(counts)}, in {len(self.held)} of {self.rows} rows"


def survey(rows: Iterable[Example | Answer], finder: Finder) -> Survey:
    """Look at every row: its turns, its target, and of a scored answer the answer."""
    looked = [_held(row, finder) for row in rows]
    return Survey(len(looked), tuple(one for one in looked if one.values))


def _held(row: Example | Answer, finder: Finder) -> Held:
    example = row.example if isinstance(row, Answer) else row
    texts = [*(m.content for m in example.messages), example.target]
    texts += [row.text] if isinstance(row, Answer) else []
    found = (one for text in texts for one in finder.find(text))
    return Held(example, frozenset((one.kind, one.value) for one in found))


def mask(value: str) -> str:
    """Return at most the first two characters of a value."""
    return f"{value[: min(_CLEAR, len(value) // 4)]}***"
