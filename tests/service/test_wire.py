"""What is kept of a try, by each way to a provider: the body as it came, tokens, who answered."""

import gc
import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from provider import ASKED, Provider, heard

from llamaduo.judge.marks import FORM
from llamaduo.records import Message, Outcome
from llamaduo.service import wire
from llamaduo.service.chat import ChatService
from llamaduo.service.heard import Heard, Unusable
from llamaduo.service.price import Price, snapshot
from llamaduo.service.reading import UNSAID

pytestmark = pytest.mark.filterwarnings("ignore:.*`ReadOnly` qualifier:UserWarning")

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


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MY_API_KEY", SECRET)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    for name, value in CLOUD.items():
        monkeypatch.setenv(name, value)


def service(way: str, **changes: Any) -> ChatService:
    key = {"key_env": list(CLOUD) if way == "bedrock" else "MY_API_KEY"}
    fields = {"name": "mine", "price": PRICE, **key, **WAYS[way][0], **changes}
    return ChatService.model_validate(fields)


def say(way: str, **changes: Any) -> tuple[Heard, Provider]:
    provider = Provider(**{"body": WAYS[way][1], **changes})
    [said] = heard(service(way), provider)
    return said, provider


@pytest.mark.parametrize("way", WAYS)
def test_a_reply_is_kept_as_it_came_with_its_tokens_and_who_answered(way: str) -> None:
    headers = {"X-Request-Id": "r-1", "X-RateLimit-Remaining-Requests": "9", "Set-Cookie": "a=b"}
    said, provider = say(way, headers=headers)
    assert (said.reply.outcome, said.reply.text, said.reply.cause) == (Outcome.OK, "So.", "")
    assert json.loads(said.raw) == WAYS[way][1]
    assert said.raw.encode() == provider.wire.partition(b"\r\n\r\n")[2]
    assert said.status == 200
    assert said.headers == {"x-request-id": "r-1", "x-ratelimit-remaining-requests": "9"}
    assert (said.again, said.unproven, said.price) == (False, False, snapshot(PRICE))
    usage = said.reply.usage
    assert (usage.prompt_tokens, usage.completion_tokens) == (1000, 200)
    assert usage.cached_tokens == (0 if way == "bedrock" else 600)
    assert usage.cache_write_tokens == (300 if way == "anthropic" else 0)
    assert usage.thinking_tokens == (0 if way in ("anthropic", "bedrock") else 150)
    if way != "bedrock":
        assert said.reply.model == "mine-2026-01-01"
    assert len(provider.got) == 1


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("status", [429, 500])
def test_what_may_pass_is_sent_once_and_left_to_who_counts(way: str, status: int) -> None:
    said, provider = say(way, status=status, body={"error": {"message": "slow down"}})
    assert (said.reply.outcome, said.again, said.unproven) == (Outcome.FAILED, True, False)
    assert said.reply.cause == f"HTTP {status}: slow down"
    assert (said.status, said.reply.usage.usd, len(provider.got)) == (status, 0, 1)


@pytest.mark.parametrize("way", WAYS)
def test_a_body_that_breaks_off_may_have_been_billed_and_is_not_sent_again_unasked(
    way: str,
) -> None:
    said, provider = say(way, length=10_000)
    assert (said.reply.outcome, said.again, said.unproven) == (Outcome.FAILED, True, True)
    assert "the reply broke off" in said.reply.cause
    assert json.loads(said.raw) == WAYS[way][1]
    assert (len(provider.got), provider.connections) == (1, 1)


@pytest.mark.parametrize("way", WAYS)
def test_a_connection_that_never_stood_costs_nothing(way: str) -> None:
    base = service(way).api_base
    assert base is not None
    nobody = service(way, api_base=base.replace("here", "127.0.0.1:1"))
    [said] = heard(nobody, Provider())
    assert (said.reply.outcome, said.again, said.unproven) == (Outcome.FAILED, True, False)
    assert "no connection" in said.reply.cause


@pytest.mark.parametrize("way", WAYS)
def test_a_dead_key_stops_all_and_is_shown_nowhere(way: str) -> None:
    keys = [SECRET, *list(CLOUD.values())[:2]]
    body = {"error": {"message": f"wrong: {' '.join(keys)}", "code": "invalid_api_key"}}
    with pytest.raises(Unusable, match=r"mine cannot be used: HTTP 401.* check the key in") as stop:
        say(way, status=401, body=body)
    kept = stop.value.heard
    assert (kept.status, kept.unproven) == (401, False)
    assert not any(key in f"{stop.value} {kept.raw} {kept.reply}" for key in keys)
    assert "[MY_API_KEY]" in kept.raw


@pytest.mark.parametrize("way", ["openai", "anthropic", "gemini", "direct"])
def test_a_page_of_a_proxy_is_no_reply(way: str) -> None:
    page = "<html><style>b {}</style><b>Sign</b> in</html>"
    said, _ = say(way, body=page, headers={"Content-Type": "text/html; charset=x"})
    assert (said.reply.outcome, said.again, said.unproven) == (Outcome.FAILED, True, True)
    assert said.reply.cause == "a reply that is no JSON but text/html: Sign in"
    assert said.raw == page


@pytest.mark.parametrize("way", ["openai", "anthropic", "gemini", "direct"])
def test_a_reply_without_usage_counts_as_the_most_and_says_so(way: str) -> None:
    silent = {k: v for k, v in WAYS[way][1].items() if not k.startswith("usage")}
    said, _ = say(way, body=silent)
    assert (said.reply.outcome, said.reply.text) == (Outcome.OK, "So.")
    assert said.reply.cause == UNSAID
    assert said.reply.usage.usd == service(way).upper_bound_usd(ASKED) > 0
    assert said.reply.usage.prompt_tokens == 0


@pytest.mark.parametrize(
    ("way", "change"),
    [
        ("anthropic", {"stop_reason": "refusal"}),
        ("openai", {"choices": [{"message": {"content": None, "refusal": "I will not."}}]}),
        ("direct", {"choices": [{"message": {"content": None, "refusal": "I will not."}}]}),
    ],
)
def test_a_refusal_is_one_by_every_wire(way: str, change: dict[str, Any]) -> None:
    said, _ = say(way, body={**WAYS[way][1], **change})
    assert (said.reply.outcome, said.again) == (Outcome.REFUSED, False)
    assert said.reply.usage.completion_tokens == 200


def test_a_reply_that_a_gateway_broke_off_is_not_taken_for_a_whole_one() -> None:
    choices = [{"finish_reason": "error", "message": {"role": "assistant", "content": "So"}}]
    for way in ("openai", "direct"):
        said, _ = say(way, body={**OPENAI, "choices": choices})
        assert (said.reply.outcome, said.again) == (Outcome.FAILED, True)
        assert said.reply.usage.usd > 0


def test_an_error_that_comes_under_200_is_one() -> None:
    for way in ("openai", "direct"):
        said, _ = say(way, body={"error": {"message": "upstream is full", "code": 503}})
        assert (said.reply.outcome, said.again, said.unproven) == (Outcome.FAILED, True, False)
        assert "upstream is full" in said.reply.cause


def test_thinking_that_is_billed_beside_the_completion_is_counted() -> None:
    usage = {"prompt_tokens": 1000, "completion_tokens": 50, "total_tokens": 1200}
    for way in ("openai", "direct"):
        said, _ = say(way, body={**OPENAI, "usage": usage})
        assert (said.reply.usage.completion_tokens, said.reply.usage.thinking_tokens) == (200, 150)
        assert said.reply.usage.usd == PRICE.usd(1000, 200)


def test_another_model_is_kept_paid_and_said() -> None:
    [said] = heard(service("openai", answers_as="mine-2025"), Provider(body=OPENAI))
    assert (said.reply.outcome, said.again, said.reply.text) == (Outcome.FAILED, False, "So.")
    assert said.reply.cause == (
        "mine-2026-01-01 answered, not mine-2025; `answers_as: mine-2026-01-01` in the YAML of "
        "mine takes its replies"
    )
    assert said.reply.usage.usd > 0
    for name in ("mine-2026-01-01", "mine", "*", None):
        [taken] = heard(service("openai", answers_as=name), Provider(body=OPENAI))
        assert taken.reply.outcome is Outcome.OK


@pytest.mark.parametrize("way", WAYS)
def test_a_try_carries_its_idempotency_key_where_one_is_documented(way: str) -> None:
    provider = Provider(body=WAYS[way][1])
    heard(service(way, idempotency_header="Idempotency-Key"), provider)
    heard(service(way), provider)
    assert [one["headers"].get("idempotency-key") for one in provider.got] == ["once-1", None]


@pytest.mark.parametrize("way", ["openai", "direct", "anthropic", "gemini"])
def test_a_form_is_sent_only_by_a_structured_service(way: str) -> None:
    provider = Provider(body=WAYS[way][1])
    heard(service(way), provider, form=FORM)
    heard(service(way, structured=True), provider)
    heard(service(way, structured=True), provider, form=FORM)
    plain, formless, formed = (json.dumps(one) for one in provider.got)
    assert "additionalProperties" not in plain + formless
    assert "similarity" in formed
    if way in ("openai", "direct"):
        assert provider.got[2]["response_format"]["json_schema"]["schema"] == FORM


def test_a_prompt_is_marked_for_the_cache_up_to_its_end() -> None:
    provider = Provider(body=ANTHROPIC)
    heard(service("anthropic", cache_prompt=True), provider)
    heard(service("anthropic"), provider)
    marked, plain = provider.got
    [part] = marked["messages"][-1]["content"]
    assert (part["text"], part["cache_control"]) == ("How?", {"type": "ephemeral"})
    assert "cache_control" not in json.dumps(plain)


@pytest.mark.parametrize("way", ["openai", "direct"])
def test_a_request_arrives_as_it_was_made(way: str) -> None:
    provider = Provider(body=OPENAI)
    heard(service(way), provider)
    [asked] = provider.got
    assert (asked["path"], asked["model"]) == ("/v1/chat/completions", "mine")
    assert asked["messages"] == [m.model_dump() for m in ASKED.messages]
    assert (asked["seed"], asked["temperature"], asked["max_tokens"]) == (7, 0.7, 100)
    assert asked["headers"]["authorization"] == f"Bearer {SECRET}"


@pytest.mark.parametrize("way", ["openai", "direct", "vllm"])
def test_a_key_for_openai_is_sent_to_no_other_address(
    way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    provider = Provider(body=OPENAI)
    heard(service(way, key_env=None), provider)
    assert SECRET not in str(provider.got)


def test_azure_is_asked_by_deployment_and_date() -> None:
    provider = Provider(body=OPENAI)
    heard(service("azure"), provider)
    [asked] = provider.got
    assert asked["path"] == "/openai/deployments/mine/chat/completions?api-version=2024-10-21"
    assert asked["headers"]["api-key"] == SECRET


@pytest.mark.parametrize("way", ["openai", "direct"])
def test_connections_are_kept_while_a_batch_lasts_and_closed_with_it(way: str) -> None:
    provider = Provider(body=OPENAI)
    heard(service(way), provider, times=3)
    assert (len(provider.got), provider.connections) == (3, 1)
    heard(service(way), provider)  # another event loop: nothing of the first is used again
    gc.collect()
    assert provider.connections == 2
    assert wire._sessions == {}


@pytest.mark.parametrize("way", ["openai", "direct"])
@pytest.mark.parametrize(
    ("patience", "words"),
    [
        ({"timeout": 0.1}, "no reply began within 0.1 s"),
        ({"timeout": 9, "first_byte_timeout": 0.1}, "no reply began within 0.1 s"),
    ],
)
def test_a_provider_that_hangs_is_given_up_and_may_have_billed(
    way: str, patience: dict[str, float], words: str
) -> None:
    [said] = heard(service(way, **patience), Provider(body=OPENAI, seconds=5))
    assert (said.reply.outcome, said.again, said.unproven) == (Outcome.FAILED, True, True)
    assert said.reply.cause == words


def test_nothing_is_printed_where_a_call_fails(capfd: pytest.CaptureFixture[str]) -> None:
    say("openai", status=500, body="no")
    say("anthropic", status=500, body="no")
    assert capfd.readouterr() == ("", "")


def test_a_nul_and_half_a_character_do_not_keep_a_body_from_a_database() -> None:
    said, _ = say("direct", status=500, body=b"no\x00 \xff!")
    assert said.raw == "no\ufffd \ufffd!"


def test_the_system_turn_and_the_others_reach_anthropic() -> None:
    provider = Provider(body=ANTHROPIC)
    heard(service("anthropic"), provider, messages=(*ASKED.messages, ANSWER, ASKED.messages[1]))
    [asked] = provider.got
    assert [turn["role"] for turn in asked["messages"]] == ["user", "assistant", "user"]


ANSWER = Message(role="assistant", content="So.")
