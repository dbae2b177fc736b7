"""Captured calls become coverage rows: what the service answered well enough to be taken over."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llamaduo.errors import DataError
from llamaduo.rollout import LOCAL, group
from llamaduo.rollout.payloads import (
    Line,
    Payload,
    call_of,
    choices_of,
    files_of,
    lines,
    silent,
    text_of,
    words_of,
)
from llamaduo.rollout.state import put
from llamaduo.task.rows import read_rows

ENDED = frozenset({"stop", "eos", "eos_token", "end_turn", "stop_sequence"})
"""Finish reasons of an answer that came to its end."""
ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}
CHATS = frozenset({"", "completion", "acompletion"})
"""Call types that are a chat; "" where the line does not say."""
LONGEST_KEY = 200


class LeftOut(Exception):
    """Why a call makes no row."""


@dataclass(frozen=True)
class Imported:
    """What came of the lines."""

    lines: int
    kept: int
    left_out: dict[str, int]
    """By reason."""
    rows: Path
    quarantine: Path
    """Of every line that is not kept: file, line, key and reason."""


def bring_in(places: Sequence[Path], into: Path) -> Imported:
    """Write the rows of captured calls, and beside them what was left out.

    Every line is a row or stands in the quarantine, once.

    Args:
        places: files, or folders of .jsonl files.
        into: the file of rows; it is replaced, as is `NAME.left-out.jsonl` beside it.

    Raises:
        DataError: if no line makes a row; the quarantine is written all the same.
    """
    rows: list[dict[str, Any]] = []
    out: list[dict[str, Any]] = []
    seen: dict[str, str] = {}
    count = 0
    read = list(lines(files_of(places)))
    both = _on_two_arms(read)
    for line in read:
        count += 1
        try:
            if line.payload is None:
                raise LeftOut(line.fault)
            row = row_of(line.payload)
            _once(line, row, seen, both)
            rows.append(row)
        except LeftOut as why:
            key = call_of(line.payload)[:LONGEST_KEY] if line.payload else ""
            out.append({"file": line.file, "line": line.number, "key": key, "reason": str(why)})
    quarantine = into.with_name(f"{into.stem}.left-out.jsonl")
    put(quarantine, "".join(json.dumps(one) + "\n" for one in out))
    reasons = Counter(str(one["reason"]).partition(":")[0] for one in out)
    if not rows:
        said = ", ".join(f"{why}: {n}" for why, n in reasons.most_common()) or "they are empty"
        raise DataError(f"none of {count} lines makes a row ({said}); see {quarantine}")
    put(into, "".join(json.dumps(row) + "\n" for row in rows))
    return Imported(count, len(rows), dict(reasons.most_common()), into, quarantine)


def row_of(payload: Payload) -> dict[str, Any]:
    """Return the row of a call, with the call's name for its id.

    Raises:
        LeftOut: with the reason, where it makes none.
    """
    _answered_by_the_service(payload)
    choices = choices_of(payload)
    if len(choices) != 1:
        raise LeftOut(f"{len(choices) or 'no'} choices: one answer is one row")
    target = _answer(choices[0])
    row = {"id": call_of(payload), "messages": _prompt(payload), "target": target}
    if not row["id"]:
        raise LeftOut("no id: neither litellm_call_id nor id is in it")
    try:
        read_rows([("row", row)], "import")
    except DataError as error:
        fault = str(error).partition("\n")[2].strip().removeprefix("row: ")
        raise LeftOut(f"no row: {fault}") from None
    return row


def _answered_by_the_service(payload: Payload) -> None:
    if text_of(payload, "status") == "failure" or payload.get("error_str"):
        raise LeftOut("failed")
    if text_of(payload, "call_type") not in CHATS:
        raise LeftOut(f"no chat: {text_of(payload, 'call_type')}")
    if silent(payload) or text_of(payload, "model_group").endswith(group("", LOCAL)):
        raise LeftOut("shadow: a copy that nobody saw")
    if text_of(payload, "model_id").endswith(f"-{LOCAL}"):
        raise LeftOut("local: answered by the local model, which learns nothing from itself")
    if payload.get("too_long"):
        raise LeftOut("too long: the chat was not captured")


def _answer(choice: dict[str, Any]) -> str:
    message = choice.get("message")
    if not isinstance(message, dict):
        raise LeftOut("no answer: the choice has no message")
    if message.get("tool_calls") or message.get("function_call"):
        raise LeftOut("tool call")
    finish = choice.get("finish_reason")
    fields = message.get("provider_specific_fields")
    inside = fields.get("refusal") if isinstance(fields, dict) else None
    if message.get("refusal") or inside or finish == "content_filter":
        raise LeftOut("refused")
    if finish == "length":
        raise LeftOut("truncated")
    if not isinstance(finish, str) or finish not in ENDED:
        raise LeftOut(f"unfinished: finish_reason is {str(finish)[:40]}")
    text = words_of(message.get("content"))
    if text is None:
        raise LeftOut("not text: the answer is not all words")
    if not text.strip():
        raise LeftOut("empty")
    return text


def _prompt(payload: Payload) -> list[dict[str, str]]:
    parameters = payload.get("model_parameters")
    if isinstance(parameters, dict) and (parameters.get("tools") or parameters.get("functions")):
        raise LeftOut("tools offered: a row cannot say which")
    messages = payload.get("messages")
    if not isinstance(messages, list) or not messages:
        raise LeftOut("no prompt: messages are not in it")
    found = []
    for message in messages:
        if not isinstance(message, dict):
            raise LeftOut("no row: a message is no object")
        role = message.get("role")
        if role in ("tool", "function") or message.get("tool_calls"):
            raise LeftOut("tool call")
        if not isinstance(role, str) or role not in ROLES:
            raise LeftOut(f"no row: a message's role is {str(role)[:40]}")
        text = words_of(message.get("content"))
        if text is None:
            raise LeftOut("not text: a message is not all words")
        found.append({"role": ROLES[role], "content": text})
    return found


def _said(payload: Payload) -> str:
    return json.dumps(payload.get("messages"), sort_keys=True, default=str)


def _on_two_arms(read: Sequence[Line]) -> set[str]:
    """Return the traces whose prompt two groups answered, where nothing says which is a copy."""
    groups: dict[tuple[str, str], set[str]] = {}
    for line in read:
        payload = line.payload
        if payload is None or not text_of(payload, "trace_id"):
            continue
        try:
            _answered_by_the_service(payload)
        except LeftOut:
            continue
        key = text_of(payload, "trace_id"), _said(payload)
        groups.setdefault(key, set()).add(text_of(payload, "model_group"))
    return {trace for (trace, _), of in groups.items() if len(of) > 1}


def _once(line: Line, row: dict[str, Any], seen: dict[str, str], both: set[str]) -> None:
    """Refuse a call that came before: of the same name, or the same prompt of the same trace."""
    assert line.payload is not None
    trace = text_of(line.payload, "trace_id")
    if trace in both:
        raise LeftOut("two arms: two groups answered it, and nothing says which was the copy")
    keys = [f"id {row['id']}"] + ([f"trace {trace} {_said(line.payload)}"] if trace else [])
    for key in keys:
        if key in seen:
            raise LeftOut(f"twice: line {seen[key]} is the same call")
    for key in keys:
        seen[key] = f"{line.number} of {line.file}"
