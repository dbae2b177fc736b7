"""Where coverage rows come from: a JSONL file, or a dataset of the Hugging Face hub."""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from pydantic import Field, ValidationError

from llamaduo.component import Component, DataFile
from llamaduo.errors import DataError
from llamaduo.records import Example, Message, Part

SHOWN = 20
"""Faults that are listed; further ones are counted."""

_HALF = re.compile("[\ud800-\udfff]")
"""What JSON can spell, and no UTF-8 file can hold."""

Read = tuple[Example, Part | None]
"""A row, and the part that its source put it in, where it did."""


@runtime_checkable
class Rows(Protocol):
    """A source of coverage rows."""

    def key(self) -> dict[str, Any]:
        """Return what makes the rows what they are."""
        ...

    def read(self) -> list[Read]:
        """Return every row, in the order of the source."""
        ...


class FileRows(Component):
    """A JSONL file, one row a line, in any of three shapes.

    `{"messages": [...], "target": ...}`: the chat up to the answer, and the answer.
    `{"messages": [...]}`: a chat whose last turn is the assistant's, and is the target.
    `{"instruction": ..., "response": ...}`: one user turn and its answer.
    Optional in each: `id` (or `prompt_id`), `category`, and `part` (train, dev or test).
    Other keys are not read.
    """

    path: DataFile
    limit: int | None = Field(None, ge=1)
    """Take so many rows, spread evenly over the file, to try things out. None: all."""

    def read(self) -> list[Read]:
        """Read the file whole, so that a fault in any row is found."""
        return spread(read_rows(self._lines(), str(self.path)), self.limit)

    def numbered(self) -> Iterator[tuple[int, Example]]:
        """Yield every row that can be read with the number of its line, from 1."""
        for where, row in self._lines():
            with suppress(ValueError):
                yield int(where.removeprefix("line ")), _read(row)[0]

    def _lines(self) -> Iterator[tuple[str, Any]]:
        # Not str.splitlines(): it also cuts at U+2028 and others, which JSON leaves unescaped.
        with Path(self.path).open("rb") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    try:
                        yield f"line {number}", json.loads(line.decode("utf-8"))
                    except ValueError as error:
                        yield f"line {number}", error


class HubRows(Component):
    """Splits of a hub dataset; its rows have one of the shapes that `FileRows` reads."""

    repo: str
    revision: str
    """Commit of the dataset; a branch name may give other rows tomorrow."""
    train: str
    """Hub split whose rows are shared out by `task.split`."""
    test: str | None = None
    """Hub split that is the sealed test set as it stands; None: `task.split` makes one."""
    category: str | None = None
    """Take only rows of this category; None: all."""
    limit: int | None = Field(None, ge=1)
    """Take so many rows, spread evenly over the splits, to try things out. None: all."""

    def read(self) -> list[Read]:
        """Download (or find in the hub's cache) and read."""
        from datasets import load_dataset

        taken: list[tuple[str, Any]] = []
        for split in (self.train, self.test) if self.test else (self.train,):
            pinned = {"part": "test"} if split == self.test else {}
            rows = load_dataset(self.repo, split=split, revision=self.revision)
            taken += [
                (f"{split} row {i}", {**row, **pinned})
                for i, row in enumerate(rows)
                if self.category is None or row.get("category") == self.category
            ]
        return spread(read_rows(taken, self.repo), self.limit)


def spread(rows: list[Read], limit: int | None) -> list[Read]:
    """Return `limit` rows, spread evenly over all of them; all, where there are no more."""
    if limit is None or limit >= len(rows):
        return rows
    return [rows[i * len(rows) // limit] for i in range(limit)]


def read_rows(rows: Iterable[tuple[str, Any]], source: str) -> list[Read]:
    """Read rows given as (where, JSON value or the error that reading it gave).

    Raises:
        DataError: listing every row that cannot be read, by where it stands and key.
    """
    found: list[Read] = []
    faults: list[str] = []
    seen: dict[str, str] = {}
    for where, row in rows:
        try:
            example, part, named = _read(row)
        except ValueError as error:
            faults.append(f"{where}: {error}")
            continue
        if named and example.id in seen:
            faults.append(f"{where}: id: {example.id!r} is the id of {seen[example.id]} too")
            continue
        copies = 2
        base = example.id
        while example.id in seen:  # the same row again, without an id of its own
            example = example.model_copy(update={"id": f"{base}-{copies}"})
            copies += 1
        seen[example.id] = where
        found.append((example, part))
    if not found and not faults:
        faults.append("no rows")
    if faults:
        more = [f"and {len(faults) - SHOWN} more"] if len(faults) > SHOWN else []
        raise DataError("\n  ".join([f"{source} cannot be read:", *faults[:SHOWN], *more]))
    return found


def _read(row: Any) -> tuple[Example, Part | None, bool]:
    if isinstance(row, ValueError):
        raise ValueError(f"not JSON: {row}")
    if not isinstance(row, dict):
        raise ValueError("not a JSON object")
    messages, target = _chat(row)
    part = row.get("part")
    if part not in (None, "train", "dev", "test"):
        raise ValueError(f"part: {part!r} is none of train, dev, test")
    category = "" if row.get("category") is None else row["category"]
    if not isinstance(category, str):
        raise ValueError("category: not a text")
    own = next((row[key] for key in ("id", "prompt_id") if row.get(key) not in (None, "")), None)
    said = json.dumps([[m.role, m.content] for m in messages] + [target])
    name = hashlib.sha256(said.encode()).hexdigest()[:12] if own is None else str(own)
    example = Example(id=name, messages=messages, target=target, category=category)
    texts = {"messages": example.instruction, "target": target, "category": category, "id": name}
    for key, text in texts.items():
        if _HALF.search(text):
            raise ValueError(f"{key}: half of a surrogate pair (\\ud800 to \\udfff) is no text")
    return example, part, own is not None


def _chat(row: dict[str, Any]) -> tuple[tuple[Message, ...], str]:
    if "messages" in row:
        turns = row["messages"]
        if not isinstance(turns, list):
            raise ValueError("messages: not a list")
        try:
            messages = tuple(Message(role=turn["role"], content=turn["content"]) for turn in turns)
        except (KeyError, TypeError):
            raise ValueError("messages: each needs `role` and `content`") from None
        except ValidationError as error:
            fault = error.errors()[0]
            raise ValueError(f"messages: {fault['loc'][0]}: {fault['msg']}") from None
        if "target" in row:
            target = row["target"]
        elif messages and messages[-1].role == "assistant":
            messages, target = messages[:-1], messages[-1].content
        else:
            raise ValueError("target: missing, and the last message is not the assistant's")
    else:
        missing = [key for key in ("instruction", "response") if key not in row]
        if missing:
            raise ValueError(f"{', '.join(missing)}: missing (and no `messages`)")
        if not isinstance(row["instruction"], str):
            raise ValueError("instruction: not a text")
        messages, target = (Message(role="user", content=row["instruction"]),), row["response"]
    if not isinstance(target, str) or not target.strip():
        raise ValueError("target: not a text, or empty")
    if not any(m.role == "user" and m.content.strip() for m in messages):
        raise ValueError("messages: no user turn with text in it")
    return messages, target
