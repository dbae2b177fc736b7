r"""Texts that stand as JSON strings in a text, as they read once they are decoded.

`{"said": "\nbob@example.org"}` holds Bob's address after the end of a line, and not nbob's.
What is found in a decoded text has to be replaced where it is written, escapes and all.
"""

import json
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from llamaduo.prompt import json_spans

_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')
_WRITTEN = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\.|[^\\]+", re.S
)
"""A pair of surrogates, another escape, or what stands for itself."""


@dataclass(frozen=True)
class Quoted:
    """The inside of one JSON string of a text."""

    start: int
    """Where it begins in that text, after its quotation mark."""
    written: str

    @property
    def end(self) -> int:
        """Where its closing quotation mark stands."""
        return self.start + len(self.written)

    @property
    def escaped(self) -> bool:
        """Whether it reads otherwise than it is written."""
        return "\\" in self.written

    @cached_property
    def _decoded(self) -> tuple[str, list[int]]:
        """Its text, and where each character of it is written; the end is the last."""
        text, places = "", []
        for piece in _WRITTEN.finditer(self.written):
            if piece[0].startswith("\\"):
                text += json.loads(f'"{piece[0]}"')
                places.append(piece.start())
            else:
                text += piece[0]
                places += range(*piece.span())
        return text, [*places, len(self.written)]

    @property
    def text(self) -> str:
        """What it says."""
        return self._decoded[0]

    def outside(self, start: int, end: int) -> tuple[int, int]:
        """Return where characters `start` to `end` of its text stand in the text around it."""
        places = self._decoded[1]
        return self.start + places[start], self.start + places[end]

    def inside(self, start: int, end: int) -> tuple[int, int]:
        """Return which characters of its text a part of the text around it is, whole escapes."""
        places = self._decoded[1]
        return bisect_right(places, start - self.start) - 1, bisect_left(places, end - self.start)


def quoted(text: str) -> Iterator[Quoted]:
    """Yield every string of the JSON in `text`, in order; none that stands within another."""
    if '"' not in text:
        return
    for start, end in json_spans(text):
        for string in _STRING.finditer(text, start, end):
            yield Quoted(string.start(1), string[1])
