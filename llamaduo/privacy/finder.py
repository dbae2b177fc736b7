"""Where a text has something of the kinds that are looked for, also in JSON within it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from llamaduo.privacy.addresses import emails, ips
from llamaduo.privacy.kinds import KINDS, Kind
from llamaduo.privacy.numbers import cards, ibans, national_ids
from llamaduo.privacy.phones import phones
from llamaduo.privacy.quoted import Quoted, quoted
from llamaduo.privacy.secret_values import secret_values

_FINDERS: dict[Kind, Callable[[str], Iterator[tuple[int, int]]]] = {
    "email": emails,
    "iban": ibans,
    "card": cards,
    "national_id": national_ids,
    "ip": ips,
}

Span = tuple[int, int, Kind]


@dataclass(frozen=True)
class Found:
    """One value, and where it is written."""

    start: int
    end: int
    kind: Kind
    value: str
    """What it says: decoded, where it stands in JSON."""
    depth: int
    """How many JSON strings it stands in, one within the other."""


@dataclass(frozen=True)
class Finder:
    """Looks for some kinds."""

    kinds: tuple[Kind, ...]
    phones: tuple[str, ...]
    """Countries whose numbers are found without their country code."""

    def find(self, text: str) -> list[Found]:
        """Return what is there, in order; no two overlap."""
        return _found(self, text) if self.kinds and text else []

    def spans(self, text: str, kind: Kind) -> Iterator[Span]:
        """Yield where something of one kind seems to stand, as the text is written."""
        for start, end in phones(text, self.phones) if kind == "phone" else _FINDERS[kind](text):
            yield start, end, kind

    def secrets(self, text: str) -> Iterator[Span]:
        """Yield where secrets stand. Some are known by what stands beside them."""
        if "secret" in self.kinds:
            yield from ((start, end, "secret") for start, end in secret_values(text))


@lru_cache(maxsize=256)  # the repeats of a judge are asked with the same texts
def _cached(finder: Finder, text: str) -> tuple[Found, ...]:
    return tuple(_look(finder, text, 0, ()))


def _found(finder: Finder, text: str) -> list[Found]:
    return list(_cached(finder, text))


def _look(finder: Finder, text: str, depth: int, given: Sequence[Span]) -> Iterator[Found]:
    """Yield what stands in a text that is itself `depth` strings deep.

    Args:
        given: what the text around it has found here.
    """
    strings = list(quoted(text))
    masked = text
    for string in strings:
        if string.escaped:
            masked = _masked(masked, string.start, string.end)
    found: list[Found] = []

    def take(spans: Sequence[Span]) -> None:
        nonlocal masked
        for start, end, kind in _apart(spans):
            masked = _masked(masked, start, end)
            inside = any(one.start <= start and end <= one.end for one in strings)
            found.append(Found(start, end, kind, text[start:end], depth + inside))

    known = _cut([*finder.secrets(text), *given], strings)
    take([span for span, of in known if of is None or not of.escaped])
    for kind in KINDS:
        if kind in finder.kinds and kind != "secret":
            take([span for span, _ in _cut([*finder.spans(masked, kind)], strings)])
    for one in strings:
        if one.escaped:
            own = [(*one.inside(start, end), kind) for (start, end, kind), of in known if of is one]
            for deeper in _look(finder, one.text, depth + 1, own):
                start, end = one.outside(deeper.start, deeper.end)
                found.append(replace(deeper, start=start, end=end))
    yield from sorted(found, key=lambda one: one.start)


def _cut(spans: Sequence[Span], strings: Sequence[Quoted]) -> list[tuple[Span, Quoted | None]]:
    """Cut what goes over the ends of strings into its parts, with the string each stands in.

    A private key may be written as a list of its lines: the list stays a list.
    """
    cut: list[tuple[Span, Quoted | None]] = []
    for start, end, kind in spans:
        touched = [one for one in strings if start < one.end and one.start < end]
        if not touched:
            cut.append(((start, end, kind), None))
        for one in touched:
            cut.append(((max(start, one.start), min(end, one.end), kind), one))
    return cut


def _apart(spans: Sequence[Span]) -> list[Span]:
    """Return those that do not overlap: of two that do, the surer kind, and then the longer."""
    kept: list[Span] = []
    for span in sorted(spans, key=lambda s: (KINDS.index(s[2]), s[0] - s[1], s[0])):
        if all(span[1] <= one[0] or one[1] <= span[0] for one in kept):
            kept.append(span)
    return kept


def _masked(text: str, start: int, end: int) -> str:
    """Put a part out of sight of what is looked for next: digits beside it are no part of it."""
    return f"{text[:start]}{'|' * (end - start)}{text[end:]}"
