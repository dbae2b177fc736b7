"""What providers send over the wire: OpenAI's, Anthropic's and Gemini's bodies, good and bad."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Name = Literal["openai", "anthropic", "gemini"]
End = Literal["stop", "length", "refused", "filtered"]


@dataclass(frozen=True)
class Said:
    """One reply, whoever sends it."""

    text: str | None
    model: str
    prompt_tokens: int
    completion_tokens: int
    end: End = "stop"
    cached_tokens: int = 0
    """Of the prompt's tokens, those read from the provider's cache."""
    thinking_tokens: int = 0
    """Of the completion's tokens, those that nobody is shown."""


def wire_of(path: str) -> Name | None:
    """Whose protocol a request to `path` speaks; None: nobody's."""
    path = path.partition("?")[0]
    if path.endswith("/chat/completions"):
        return "openai"
    if path.endswith("/v1/messages"):
        return "anthropic"
    return "gemini" if path.endswith(":generateContent") else None


def model_in(path: str, body: Mapping[str, Any]) -> str:
    """The model a request asks for."""
    if path.partition("?")[0].endswith(":generateContent"):
        return path.rpartition("/models/")[2].partition(":")[0]
    return str(body.get("model", ""))


def credential_in(headers: Mapping[str, str]) -> str:
    """The key a request carries; names of headers are in lower case."""
    bearer = headers.get("authorization", "").removeprefix("Bearer ")
    return bearer or headers.get("x-api-key", "") or headers.get("x-goog-api-key", "")


def most_tokens(body: Mapping[str, Any]) -> int:
    """The tokens that a request lets a reply have; 16 where it does not say."""
    of_gemini = body.get("generationConfig") or body.get("generation_config") or {}
    places = (body.get("max_completion_tokens"), body.get("max_tokens"))
    return int(next((n for n in (*places, of_gemini.get("max_output_tokens")) if n), 16))


def reply(wire: Name, said: Said, *, empty: bool = False, usage: bool = True) -> dict[str, Any]:
    """The body of a reply.

    Args:
        empty: without the choices, or whatever the provider calls them.
        usage: whether it says how many tokens there were.
    """
    made = {"openai": _openai, "anthropic": _anthropic, "gemini": _gemini}[wire](said)
    if empty:
        made |= {"openai": {"choices": []}, "anthropic": {"content": []}}.get(
            wire, {"candidates": []}
        )
    if not usage:
        made.pop("usageMetadata" if wire == "gemini" else "usage")
    return made


def _openai(said: Said) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": said.text}
    if said.end == "refused":
        message |= {"content": None, "refusal": said.text}
    finish = {"filtered": "content_filter", "length": "length"}.get(said.end, "stop")
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": said.model,
        "choices": [{"index": 0, "finish_reason": finish, "message": message}],
        "usage": {
            "prompt_tokens": said.prompt_tokens,
            "completion_tokens": said.completion_tokens,
            "total_tokens": said.prompt_tokens + said.completion_tokens,
            "prompt_tokens_details": {"cached_tokens": said.cached_tokens},
            "completion_tokens_details": {"reasoning_tokens": said.thinking_tokens},
        },
    }


def _anthropic(said: Said) -> dict[str, Any]:
    ends = {"length": "max_tokens", "refused": "refusal", "filtered": "refusal"}
    content = [] if said.text is None else [{"type": "text", "text": said.text}]
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": said.model,
        "content": content,
        "stop_reason": ends.get(said.end, "end_turn"),
        "stop_sequence": None,
        "usage": {
            "input_tokens": said.prompt_tokens - said.cached_tokens,
            "cache_read_input_tokens": said.cached_tokens,
            "cache_creation_input_tokens": 0,
            "output_tokens": said.completion_tokens,
        },
    }


def _gemini(said: Said) -> dict[str, Any]:
    ends = {"length": "MAX_TOKENS", "refused": "SAFETY", "filtered": "SAFETY"}
    parts = [] if said.text is None else [{"text": said.text}]
    shown = said.completion_tokens - said.thinking_tokens
    return {
        "candidates": [
            {
                "content": {"role": "model", "parts": parts},
                "finishReason": ends.get(said.end, "STOP"),
                "index": 0,
            }
        ],
        "modelVersion": said.model,
        "responseId": "r-1",
        "usageMetadata": {
            "promptTokenCount": said.prompt_tokens,
            "candidatesTokenCount": shown,
            "totalTokenCount": said.prompt_tokens + said.completion_tokens,
            "cachedContentTokenCount": said.cached_tokens,
            "thoughtsTokenCount": said.thinking_tokens,
        },
    }


GEMINIS = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 404: "NOT_FOUND"}
OPENAIS = {"insufficient_quota": "insufficient_quota", "rate_limit_exceeded": "requests"}
ANTHROPICS = {
    400: "invalid_request_error",
    401: "authentication_error",
    404: "not_found_error",
    429: "rate_limit_error",
    529: "overloaded_error",
}


def error(wire: Name, status: int, words: str, code: str) -> dict[str, Any]:
    """The body of an error; `code` is what OpenAI calls it."""
    if wire == "openai":
        kind = "server_error" if status >= 500 else "invalid_request_error"
        kind = OPENAIS.get(code, kind)
        return {"error": {"message": words, "type": kind, "param": None, "code": code}}
    if wire == "anthropic":
        kind = ANTHROPICS.get(status, "api_error")
        return {"type": "error", "error": {"type": kind, "message": words}, "request_id": "req-1"}
    said = GEMINIS.get(status, "RESOURCE_EXHAUSTED" if status == 429 else "INTERNAL")
    return {"error": {"code": status, "message": words, "status": said}}
