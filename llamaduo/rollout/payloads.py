"""Lines of captured calls, read: litellm's StandardLoggingPayload, ours or anyone's."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llamaduo.errors import UsageError

Payload = Mapping[str, Any]


@dataclass(frozen=True)
class Line:
    """One line of a file."""

    file: str
    number: int
    """From 1 on."""
    payload: Payload | None
    """None where it cannot be read."""
    fault: str = ""


def files_of(places: Iterable[Path]) -> list[Path]:
    """Return the files that are named, and of folders all that end in .jsonl, in order.

    Raises:
        UsageError: for a place that is not there.
    """
    found: list[Path] = []
    for place in places:
        if place.is_dir():
            found += sorted(place.glob("*.jsonl"))
        elif place.is_file():
            found.append(place)
        else:
            raise UsageError(f"rollout: there is no file or folder {place}")
    return list(dict.fromkeys(found))


def lines(files: Iterable[Path]) -> Iterator[Line]:
    """Read every line that is not empty; one that cannot be read says why."""
    for path in files:
        with path.open("rb") as file:  # JSON leaves U+2028 unescaped: only newlines part lines
            for number, raw in enumerate(file, 1):
                if not raw.strip():
                    continue
                try:
                    value = json.loads(raw.decode("utf-8"))
                except (ValueError, RecursionError) as error:
                    yield Line(str(path), number, None, f"not JSON: {str(error)[:200]}")
                    continue
                if isinstance(value, dict):
                    yield Line(str(path), number, value)
                else:
                    yield Line(str(path), number, None, "not a JSON object")


def text_of(payload: Payload, key: str) -> str:
    """Return a field that holds a text; "" where it does not."""
    value = payload.get(key)
    return value if isinstance(value, str) else ""


def number_of(payload: Payload, key: str) -> float:
    """Return a field that holds a number; 0 where it does not."""
    value = payload.get(key)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0.0


def call_of(payload: Payload) -> str:
    """Return the call's own name: a stream has no id but this one."""
    return text_of(payload, "litellm_call_id") or text_of(payload, "id")


def silent(payload: Payload) -> bool:
    """Whether litellm marked it as a copy that nobody waits for (from 1.109 on, or our capture)."""
    metadata = payload.get("metadata")
    inside = isinstance(metadata, dict) and metadata.get("is_silent_experiment") is True
    return inside or payload.get("is_silent_experiment") is True


def choices_of(payload: Payload) -> list[dict[str, Any]]:
    """Return the choices of the response; none where it is of another shape."""
    response = payload.get("response")
    found = response.get("choices") if isinstance(response, dict) else None
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def words_of(content: Any) -> str | None:
    """Return a message's content as one text; None where part of it is none (an image, a sound)."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return None
    said = []
    for part in content:
        if not isinstance(part, dict) or part.get("type") not in ("text", "input_text"):
            return None
        if not isinstance(part.get("text"), str):
            return None
        said.append(part["text"])
    return "\n".join(said)
