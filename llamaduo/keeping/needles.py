"""What a forgotten row is looked for by, and looking for it in bytes, files and tables.

A text is looked for as it stands, as JSON writes it in ASCII and in UTF-8, once and twice over (a
paid call is JSON that quotes JSON), as HTML and Markdown write it, stripped, with either end of
line, in one line, and with what nobody sees written out. A short one ("yes", "17") says
nothing by itself: it is looked for as a whole JSON string only; an id, in the fields of ids.
"""

import html
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from llamaduo.records import Example
from llamaduo.unseen import visible

SHORT = 16
"""Characters; a text of fewer is looked for as a whole string only."""

BLOCK = 1 << 22
"""Bytes of a file that are looked at together."""

_FIELDS = rb"id|row|nearest|prompt_id|litellm_call_id"
_LISTS = rb"seeds|too_long|rows|ids"


@dataclass(frozen=True)
class Needles:
    """Texts and ids to look for."""

    texts: tuple[str, ...]
    ids: tuple[str, ...]

    @cached_property
    def _forms(self) -> tuple[bytes, ...]:
        return tuple(sorted({form for text in self.texts for form in forms(text)}))

    @cached_property
    def _quoted(self) -> tuple[bytes, ...]:
        return tuple(name + b'"' for name in self._names) + tuple(
            name + b'\\"' for name in self._names
        )

    @cached_property
    def _names(self) -> tuple[bytes, ...]:
        return tuple(
            {
                json.dumps(name, ensure_ascii=a)[1:-1].encode()
                for name in self.ids
                for a in (True, False)
            }
        )

    @cached_property
    def _fields(self) -> "re.Pattern[bytes]":
        names = b"|".join(map(re.escape, self._names))
        q = rb'\\*"'
        return re.compile(
            rb"%b(?:%b)%b\s*:\s*%b(?:%b)%b" % (q, _FIELDS, q, q, names, q)
            + rb"|%b(?:%b)%b\s*:\s*\[[^\]]*?%b(?:%b)%b" % (q, _LISTS, q, q, names, q)
        )

    @property
    def longest(self) -> int:
        """Bytes of the longest form."""
        return max(map(len, self._forms), default=1) + 200

    def in_bytes(self, data: bytes) -> bool:
        """Whether `data` holds a text, or an id in a field of ids."""
        if any(form in data for form in self._forms):
            return True
        return any(name in data for name in self._quoted) and bool(self._fields.search(data))

    def in_text(self, text: str) -> bool:
        """Whether `text`, or the whole of it as a JSON string, holds one."""
        return self.in_bytes(f'"{text}"'.encode("utf-8", "replace"))

    def in_file(self, path: Path) -> bool:
        """Whether a file holds one: its bytes, or the cells of a Parquet file."""
        if path.suffix == ".parquet":
            return any(self.in_bytes(data) for data in _cells(path))
        tail = b""
        with path.open("rb") as file:
            while block := file.read(BLOCK):
                seen = tail + block
                if self.in_bytes(seen):
                    return True
                tail = seen[-self.longest :]
        return False


def forms(text: str) -> set[bytes]:
    """Return the bytes that `text` may stand as; none that holds another of them."""
    found: set[str] = set()
    for one in _plain(text):
        found |= _written(one) if len(one) >= SHORT else _whole(one)
    least = [form for form in found if not any(form != other and other in form for other in found)]
    return {form.encode("utf-8", "replace") for form in least}


def _plain(text: str) -> set[str]:
    """Return the texts that `text` becomes before it is written."""
    lines = re.sub("\r\n?", "\n", text)
    same = {text, lines, lines.replace("\n", "\r\n"), _line(text)}
    same |= {visible(one) for one in same}
    return (same | {one.strip() for one in same}) - {""}


def _json(texts: Iterable[str]) -> set[str]:
    return {json.dumps(one, ensure_ascii=way)[1:-1] for one in texts for way in (True, False)}


def _whole(text: str) -> set[str]:
    """Return a short text as a whole string, in JSON and in JSON of JSON."""
    once = _json([text])
    return {f'"{one}"' for one in once} | {f'\\"{one}\\"' for one in once | _json(once)}


def _written(text: str) -> set[str]:
    once = _json([text])
    found = {text, text.replace("|", "\\|"), text.replace('"', '""'), text.replace("'", "''")}
    found |= once | _json(once)
    for one in {text, *once}:
        found |= {html.escape(one), html.escape(one, quote=False)}
        found |= {html.escape(one).replace("&#x27;", "&#39;").replace("&quot;", "&#34;")}
    return found


def _cells(path: Path) -> Iterator[bytes]:
    """Yield the rows of a Parquet file as JSON."""
    import pyarrow.parquet

    for batch in pyarrow.parquet.ParquetFile(path).iter_batches():
        for row in batch.to_pylist():
            yield json.dumps(row, ensure_ascii=False, default=str).encode("utf-8", "replace")


def of_rows(rows: Sequence[Example], others: Sequence[Example]) -> Needles:
    """Return what to look for `rows` by: what no row that stays says too.

    Args:
        others: rows that stay.
    """
    said = _Said(others)
    texts = {text for row in rows for text in texts_of(row) if not said.by_another(text)}
    names = {row.id for row in others}
    return Needles(tuple(sorted(texts)), tuple(sorted({row.id for row in rows} - names)))


def and_made(known: Needles, made: Sequence[Example], others: Sequence[Example]) -> Needles:
    """Return `known` and the texts of rows that were made from them, where they say something.

    Args:
        made: synthetic rows.
        others: rows that stay, synthetic ones too.
    """
    said = _Said(others)
    texts = {text for row in made for text in texts_of(row) if len(text) >= SHORT}
    fresh = {text for text in texts if not said.by_another(text)}
    return Needles(tuple(sorted({*known.texts, *fresh})), known.ids)


def texts_of(row: Example) -> list[str]:
    """Return what a row says by itself: its turns without the system's, and its target."""
    turns = [message.content for message in row.messages if message.role != "system"]
    return [text for text in dict.fromkeys((row.question, *turns, row.target)) if text.strip()]


class _Said:
    """What rows say, each text in one line, in one text to look through."""

    def __init__(self, rows: Iterable[Example]) -> None:
        all_ = [_line(text) for row in rows for text in (*texts_of(row), row.instruction)]
        self.whole = frozenset(all_)
        self.together = "\x00".join(dict.fromkeys(all_))

    def by_another(self, text: str) -> bool:
        line = _line(text)
        return line in self.whole or (len(line) >= SHORT and line in self.together)


def _line(text: str) -> str:
    return " ".join(text.split())


def same_question(rows: Sequence[Example], others: Sequence[Example]) -> dict[str, str]:
    """Return the ids of `rows` that an other row says the question of, each with that row's id."""
    by = {row.question: row.id for row in others}
    said = _Said(others)
    found = {row.id: by[row.question] for row in rows if row.question in by}
    for row in rows:
        if row.id not in found and said.by_another(row.question):
            found[row.id] = next(o.id for o in others if _says(o, row.question))
    return found


def _says(row: Example, text: str) -> bool:
    return any(
        _line(text) == one or (len(_line(text)) >= SHORT and _line(text) in one)
        for one in map(_line, (*texts_of(row), row.instruction))
    )


def examples_in(lines: Iterable[bytes]) -> Iterator[Example]:
    """Yield every row that lines of JSON hold, at any depth; what is no JSON is passed by."""
    for line in lines:
        try:
            value = json.loads(line)
        except ValueError:
            continue
        yield from _examples(value)


def _examples(value: Any) -> Iterator[Example]:
    if isinstance(value, list):
        for below in value:
            yield from _examples(below)
    if isinstance(value, dict):
        if {"id", "messages", "target"} <= value.keys():
            try:
                yield Example.model_validate(value)
            except ValueError:
                return
        else:
            for below in value.values():
                yield from _examples(below)
