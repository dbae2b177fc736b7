"""Captured calls of a rollout: a forgotten row's line goes, those of everybody else stay.

A gateway appends to these files while it runs, one writer at a time (flock, as in
`rollout/capture.py`). So a line is overwritten with blanks where it stands: no file is put in the
place of one that a writer has open, and a kill at any point leaves every other line whole.
"""

import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

from llamaduo.errors import LlamaDuoError
from llamaduo.keeping.needles import SHORT, Needles
from llamaduo.records import Example, Message

FOLDER = "rollout"
"""Below `.llamaduo`."""
FILES = "*/logs/*.jsonl"
"""Below it: a folder for each model, unless `rollout --into` or the gateway names another."""
ROLES = {"system": "system", "developer": "system", "assistant": "assistant"}
"""Of other roles a turn counts as the user's."""


@dataclass(frozen=True)
class Lines:
    """A file of captured calls that goes on without some of its lines."""

    path: Path
    gone: int
    """Lines that go."""


@dataclass(frozen=True)
class Call:
    """A captured call, as a row with the call's name for its id."""

    row: Example
    trace: str
    """What a call and its copies of a shadow have in common; empty where it has none."""


def files_in(private: Path) -> list[Path]:
    """Return the files of captured calls under `.llamaduo`."""
    return sorted(path for path in (private / FOLDER).glob(FILES) if path.is_file())


def calls(private: Path) -> Iterator[Call]:
    """Yield every captured call that has a name; a line that cannot be read is passed by."""
    for path in files_in(private):
        with path.open("rb") as file:
            for line in file:
                try:
                    said = json.loads(line)
                except (ValueError, RecursionError):
                    continue
                name = said.get("litellm_call_id") or said.get("id") if _is(said) else None
                if name and isinstance(name, str):
                    yield Call(_row(name, said), str(said.get("trace_id") or ""))


def with_copies(picked: Sequence[Example], all_: Sequence[Call]) -> list[Example]:
    """Return the calls of the traces of `picked` that ask what they ask: a shadow's copies."""
    traces = {(one.trace, one.row.question) for one in all_ if one.row in picked and one.trace}
    return [one.row for one in all_ if (one.trace, one.row.question) in traces]


def asks_enough(row: Example) -> bool:
    """Whether a call says by its question whose it is; "hello" goes by the call's name alone."""
    return len(row.question) >= SHORT


def lined(private: Path, needles: Needles) -> Iterator[Lines]:
    """Yield the files that hold what is looked for, in lines that go.

    Raises:
        LlamaDuoError: for a file of another user.
    """
    for path in files_in(private):
        if not os.access(path, os.R_OK | os.W_OK):
            raise LlamaDuoError(
                f"{path}: these captured calls cannot be rewritten by this user, so nothing is "
                "forgotten; give the command as the user that the gateway runs as"
            )
        with path.open("rb") as file:
            if gone := sum(map(needles.in_bytes, file)):
                yield Lines(path, gone)


def blank(path: Path, needles: Needles) -> None:
    """Overwrite every line that holds what is looked for, while no gateway writes there."""
    with path.open("r+b", buffering=0) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        at = 0
        with path.open("rb") as lines:
            for line in lines:
                if needles.in_bytes(line):
                    os.pwrite(file.fileno(), b" " * len(line.rstrip(b"\n")), at)
                at += len(line)
        os.fsync(file.fileno())


def _row(name: str, said: dict[str, Any]) -> Example:
    messages = said.get("messages")
    turns = [one for one in messages if _is(one)] if isinstance(messages, list) else []
    response = said.get("response")
    choices = response.get("choices") if _is(response) else None
    first = choices[0] if isinstance(choices, list) and choices and _is(choices[0]) else {}
    answer = first.get("message")
    return Example(
        id=name,
        messages=tuple(
            Message(role=ROLES.get(str(one.get("role")), "user"), content=_words(one))
            for one in turns
        ),
        target=_words(answer) if _is(answer) else "",
    )


def _words(message: dict[str, Any]) -> str:
    """Return what a message says, of parts those that are words."""
    content = message.get("content")
    parts = content if isinstance(content, list) else [{"text": content}]
    texts = [one.get("text") for one in parts if _is(one)]
    return "\n".join(text for text in texts if isinstance(text, str))


def _is(value: Any) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict)
