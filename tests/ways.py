"""A service by each way to a provider, and what a good reply is on each wire."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from provider import Provider, heard

from llamaduo.service.chat import ChatService
from llamaduo.service.heard import Heard
from llamaduo.service.price import Price

SECRET = "sk-sentinel-0123456789"
PRICE = Price(
    input=2.0, output=10.0, cached_input=0.5, cache_write=4.0, as_of=date(2026, 1, 2), source="a"
)
OPENAI = {
    "id": "x",
    "object": "chat.completion",
    "created": 1,
    "model": "mine-2026-01-01",
    "choices": [
        {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "So."}}
    ],
    "usage": {
        "prompt_tokens": 1000,
        "completion_tokens": 200,
        "total_tokens": 1200,
        "prompt_tokens_details": {"cached_tokens": 600},
        "completion_tokens_details": {"reasoning_tokens": 150},
    },
}
ANTHROPIC = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "mine-2026-01-01",
    "content": [{"type": "text", "text": "So."}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {
        "input_tokens": 100,
        "cache_read_input_tokens": 600,
        "cache_creation_input_tokens": 300,
        "output_tokens": 200,
    },
}
GEMINI = {
    "candidates": [
        {"content": {"parts": [{"text": "So."}], "role": "model"}, "finishReason": "STOP"}
    ],
    "usageMetadata": {
        "promptTokenCount": 1000,
        "cachedContentTokenCount": 600,
        "candidatesTokenCount": 50,
        "thoughtsTokenCount": 150,
        "totalTokenCount": 1200,
    },
    "modelVersion": "mine-2026-01-01",
}
CONVERSE = {
    "output": {"message": {"role": "assistant", "content": [{"text": "So."}]}},
    "stopReason": "end_turn",
    "usage": {"inputTokens": 1000, "outputTokens": 200, "totalTokens": 1200},
    "metrics": {"latencyMs": 1},
}
WAYS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "openai": ({"model": "openai/mine", "api_base": "http://here/v1"}, OPENAI),
    "direct": (
        {"model": "openai/mine", "api_base": "http://here/v1", "transport": "direct"},
        OPENAI,
    ),
    "vllm": ({"model": "hosted_vllm/mine", "api_base": "http://here/v1"}, OPENAI),
    "azure": (
        {"model": "azure/mine", "api_base": "http://here", "api_version": "2024-10-21"},
        OPENAI,
    ),
    "anthropic": ({"model": "anthropic/mine", "api_base": "http://here"}, ANTHROPIC),
    "gemini": ({"model": "gemini/mine", "api_base": "http://here/v1beta"}, GEMINI),
    "bedrock": ({"model": "bedrock/converse/mine", "api_base": "http://here"}, CONVERSE),
}
CLOUD = {
    "AWS_ACCESS_KEY_ID": "AKIASENTINEL0000",
    "AWS_SECRET_ACCESS_KEY": "aws-sentinel-secret-0",
    "AWS_REGION_NAME": "us-east-1",
}


def set_keys(patch: pytest.MonkeyPatch, home: Path) -> None:
    """Set the keys of all ways, and leave nothing of the machine's own."""
    patch.setenv("MY_API_KEY", SECRET)
    patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    patch.setenv("HOME", str(home))
    for name, value in CLOUD.items():
        patch.setenv(name, value)


def service(way: str, **changes: Any) -> ChatService:
    key = {"key_env": list(CLOUD) if way == "bedrock" else "MY_API_KEY"}
    fields = {"name": "mine", "price": PRICE, **key, **WAYS[way][0], **changes}
    return ChatService.model_validate(fields)


def say(way: str, **changes: Any) -> tuple[Heard, Provider]:
    provider = Provider(**{"body": WAYS[way][1], **changes})
    [said] = heard(service(way), provider)
    return said, provider
