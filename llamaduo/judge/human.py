"""Answers that a person scored, out of a file."""

import json
import re
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from llamaduo.errors import DataError
from llamaduo.records import Answer, Example, Message, Score

SHOWN = 20
"""Faults that are listed; further ones are counted."""

_HALF = re.compile("[\ud800-\udfff]")
"""What JSON can spell, and no UTF-8 file can hold."""
NO_TEXT = "half of a surrogate pair (\\ud800 to \\udfff) is no text"


def read(path: Path) -> list[tuple[Answer, Score]]:
    """Read a JSONL file, one scored answer a line.

    `{"instruction": ..., "target": ..., "answer": ..., "similarity": ..., "precision": ...}`,
    the marks 0 to 100 as the judge gives them; `messages`, a chat up to the answer, may stand
    for `instruction`. Other keys are not read.

    Raises:
        DataError: listing every line that cannot be read, by its number and key.
    """
    found: list[tuple[Answer, Score]] = []
    faults: list[str] = []
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                found.append(_read(line, f"person-{number}"))
            except ValueError as error:
                faults.append(f"line {number}: {error}")
    if not found and not faults:
        faults.append("no rows")
    if faults:
        more = [f"and {len(faults) - SHOWN} more"] if len(faults) > SHOWN else []
        raise DataError("\n  ".join([f"{path} cannot be read:", *faults[:SHOWN], *more]))
    return found


def _read(line: bytes, name: str) -> tuple[Answer, Score]:
    try:
        row = json.loads(line.decode("utf-8"))
    except ValueError as error:
        raise ValueError(f"not JSON: {error}") from None
    if not isinstance(row, dict):
        raise ValueError("not a JSON object")
    faults: list[str] = []
    messages = _messages(row, faults)
    target, answer = _text(row, "target", faults), _text(row, "answer", faults)
    marks = {key: _mark(row, key, faults) for key in ("similarity", "precision")}
    if faults:
        raise ValueError("; ".join(faults))
    return Answer(example=Example(id=name, messages=messages, target=target), text=answer), Score(
        **marks
    )


def _messages(row: dict[str, Any], faults: list[str]) -> tuple[Message, ...]:
    if "messages" not in row:
        text = _text(row, "instruction", faults, "missing (and no `messages`)")
        return (Message(role="user", content=text),)
    turns = row["messages"]
    if not isinstance(turns, list) or not turns:
        faults.append("messages: not a list of turns")
        return ()
    try:
        found = tuple(Message(role=turn["role"], content=turn["content"]) for turn in turns)
        if any(_HALF.search(turn.content) for turn in found):
            faults.append(f"messages: {NO_TEXT}")
        return found
    except (KeyError, TypeError):
        faults.append("messages: each needs `role` and `content`")
    except ValidationError as error:
        fault = error.errors()[0]
        faults.append(f"messages: {fault['loc'][0]}: {fault['msg']}")
    return ()


def _text(row: dict[str, Any], key: str, faults: list[str], missing: str = "missing") -> str:
    text = row.get(key)
    if key not in row:
        faults.append(f"{key}: {missing}")
    elif not isinstance(text, str) or not text.strip():
        faults.append(f"{key}: not a text, or empty")
    elif _HALF.search(text):
        faults.append(f"{key}: {NO_TEXT}")
    return text if isinstance(text, str) else ""


def _mark(row: dict[str, Any], key: str, faults: list[str]) -> float:
    mark = row.get(key)
    if key not in row:
        faults.append(f"{key}: missing")
    elif isinstance(mark, bool) or not isinstance(mark, int | float) or not 0 <= mark <= 100:
        faults.append(f"{key}: {mark!r} is no number in 0..100")
    else:
        return float(mark)
    return 0.0
