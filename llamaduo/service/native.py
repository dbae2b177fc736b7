"""What Anthropic's and Google's own replies say, where litellm cannot read them or changes it."""

import json
from collections.abc import Mapping
from typing import Any


def parsed(text: str) -> dict[str, Any] | None:
    """Return a body that is one JSON object; None for any other."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def ended(body: Mapping[str, Any]) -> str:
    """Return the provider's own word for how it ended, which litellm maps to fewer; "": none."""
    for name in ("choices", "candidates"):
        several = body.get(name)
        if isinstance(several, list) and several and isinstance(several[0], Mapping):
            return str(several[0].get("finish_reason") or several[0].get("finishReason") or "")
    return str(body.get("stop_reason") or body.get("stopReason") or "")


def answered_by(body: Mapping[str, Any]) -> str:
    """Return the name of the model that the provider says answered; "": it does not say."""
    said = body.get("model") or body.get("modelVersion") or ""
    return str(said).removeprefix("models/") if isinstance(said, str) else ""


def as_openai(body: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return a reply in OpenAI's form; None where it is of no wire that is known here."""
    if isinstance(body.get("choices"), list):
        return dict(body)
    if isinstance(body.get("content"), list) and "stop_reason" in body:
        used = body.get("usage") or {}
        read, written = (
            int(used.get(f"cache_{what}_input_tokens") or 0) for what in ("read", "creation")
        )
        usage = {
            "prompt_tokens": int(used.get("input_tokens") or 0) + read + written,
            "completion_tokens": used.get("output_tokens"),
            "prompt_tokens_details": {"cached_tokens": read, "cache_write_tokens": written},
        }
        stop = {"max_tokens": "length"}.get(ended(body), "stop")
        return _form(body, _texts(body["content"]), stop, usage if used else None)
    if isinstance(body.get("candidates"), list) or "promptFeedback" in body:
        first = (body.get("candidates") or [{}])[0]
        parts = (first.get("content") or {}).get("parts") or []
        used = body.get("usageMetadata") or {}
        usage = {
            "prompt_tokens": used.get("promptTokenCount"),
            "completion_tokens": int(used.get("candidatesTokenCount") or 0)
            + int(used.get("thoughtsTokenCount") or 0),
            "total_tokens": used.get("totalTokenCount"),
            "prompt_tokens_details": {"cached_tokens": used.get("cachedContentTokenCount")},
            "completion_tokens_details": {"reasoning_tokens": used.get("thoughtsTokenCount")},
        }
        words = {"STOP": "stop", "MAX_TOKENS": "length", "": "stop"}
        stop = words.get(ended(body), "content_filter")
        blocked = (body.get("promptFeedback") or {}).get("blockReason")
        text = _texts([part for part in parts if not part.get("thought")])
        return _form(body, text, "content_filter" if blocked else stop, usage if used else None)
    return None


def _form(
    body: Mapping[str, Any], text: str, stop: str, usage: dict[str, Any] | None
) -> dict[str, Any]:
    return {
        "model": answered_by(body),
        "choices": [{"finish_reason": stop, "message": {"content": text}}],
        "usage": usage,
    }


def _texts(parts: list[Any]) -> str:
    return "".join(str(part.get("text") or "") for part in parts if isinstance(part, Mapping))
