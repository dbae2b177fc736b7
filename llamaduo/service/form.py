"""What is sent beside a request's words: the form of its reply, and what to keep in a cache."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from llamaduo.records import Message
from llamaduo.service.prices import row_of


def response_format(form: Mapping[str, Any]) -> dict[str, Any]:
    """Return OpenAI's parameter for replies of a form; litellm knows other providers' own."""
    schema = {"name": "reply", "schema": dict(form), "strict": True}
    return {"type": "json_schema", "json_schema": schema}


def fault(name: str, model: str) -> str:
    """Say why no form can be asked of a provider's own model; "" where one can."""
    row = row_of(model)
    if row is None or row.get("supports_response_schema"):
        return ""
    return (
        f"{name}: litellm does not say that {model} keeps to a JSON schema; set structured to "
        "false: what it is asked says the form in words all the same"
    )


def size(form: Mapping[str, Any]) -> int:
    """Return the bytes that a form adds to what is sent, and so the tokens at most."""
    return len(json.dumps(response_format(form)).encode())


TOLD_TO_CACHE = ("anthropic/", "bedrock/", "vertex_ai/claude")
"""Prefixes of models that cache a prompt only where it is marked."""


def marked(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Return messages, the last one marked: all up to it is kept in the provider's cache."""
    *before, last = messages
    part = {"type": "text", "text": last.content, "cache_control": {"type": "ephemeral"}}
    return [*(m.model_dump() for m in before), {"role": last.role, "content": [part]}]
