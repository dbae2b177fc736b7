"""Refusals, odd ends and echoes as each wire brings them: what stops, what is kept, what counts."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from provider import ASKED, Provider, heard
from ways import OPENAI, PRICE, SECRET, WAYS, say, service, set_keys

from llamaduo.records import Message, Outcome
from llamaduo.service.heard import Unusable

pytestmark = pytest.mark.filterwarnings("ignore:.*`ReadOnly` qualifier:UserWarning")


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    set_keys(monkeypatch, tmp_path)


@pytest.mark.parametrize("way", WAYS)
def test_no_redirect_is_followed_and_the_address_is_what_to_check(way: str) -> None:
    for status in (301, 302, 303, 307, 308):
        provider = Provider(status=status, headers={"Location": "/v1/elsewhere"})
        with pytest.raises(Unusable, match=f"HTTP {status}: it points to /v1/elsewhere") as stop:
            heard(service(way), provider)
        assert "service.api_base" in str(stop.value)
        assert "service.model" not in str(stop.value)
        assert (len(provider.got), stop.value.heard.unproven) == (1, False)


@pytest.mark.parametrize("way", ["openai", "direct", "anthropic", "bedrock"])
@pytest.mark.parametrize("status", [408, 504, 524])
def test_what_a_gateway_waited_for_no_longer_may_have_been_billed(way: str, status: int) -> None:
    said, provider = say(way, status=status, body="<html>Time-out</html>")
    assert (said.reply.outcome, said.again, said.unproven) == (Outcome.FAILED, True, True)
    assert len(provider.got) == 1
    assert not say(way, status=503, body="<html>Busy</html>")[0].unproven


@pytest.mark.parametrize("way", ["openai", "direct"])
def test_a_moderated_input_is_one_rows_own(way: str) -> None:
    error = {"code": 403, "message": "No", "metadata": {"reasons": ["violence"]}}
    said, _ = say(way, status=403, body={"error": error})
    assert (said.reply.outcome, said.again, said.reply.usage.usd) == (Outcome.FILTERED, False, 0)


@pytest.mark.parametrize(
    ("way", "status", "words", "advice"),
    [
        ("anthropic", 400, "You have reached your specified API usage limits.", "no credit left"),
        ("bedrock", 400, "The provided model identifier is invalid.", "check service.model"),
        ("bedrock", 403, "The security token included in the request is expired", "aws sso login"),
        ("gemini", 400, "User location is not supported for the API use.", "another service"),
    ],
)
def test_what_no_request_gets_past_is_known_by_a_providers_words(
    way: str, status: int, words: str, advice: str
) -> None:
    error = {"type": "error", "error": {"message": words, "code": status}}
    with pytest.raises(Unusable, match=advice):
        say(way, status=status, body={"message": words} if way == "bedrock" else error)


def test_a_vertex_without_credentials_stops_at_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("google.auth")
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    for name, value in {"VERTEXAI_PROJECT": "p", "VERTEXAI_LOCATION": "us-central1"}.items():
        monkeypatch.setenv(name, value)
    vertex = service("openai", model="vertex_ai/gemini-x", api_base=None, key_env=None)
    with pytest.raises(Unusable, match=r"not found.*gcloud auth application-default login"):
        asyncio.run(vertex.attempt(ASKED, 7, "once-1"))


def ended(body: dict[str, Any], how: str) -> dict[str, Any]:
    if "candidates" in body:
        return {**body, "candidates": [{**body["candidates"][0], "finishReason": how}]}
    return {**body, "stop_reason" if "stop_reason" in body else "stopReason": how}


@pytest.mark.parametrize(
    ("way", "how", "outcome"),
    [
        ("anthropic", "model_context_window_exceeded", Outcome.TRUNCATED),
        ("bedrock", "model_context_window_exceeded", Outcome.TRUNCATED),
        ("anthropic", "pause_turn", Outcome.FAILED),
        ("bedrock", "malformed_model_output", Outcome.FAILED),
        ("gemini", "MALFORMED_RESPONSE", Outcome.FAILED),
        ("gemini", "MALFORMED_FUNCTION_CALL", Outcome.FAILED),
        ("gemini", "UNEXPECTED_TOOL_CALL", Outcome.FAILED),
    ],
)
def test_an_end_that_is_no_whole_answer_is_not_taken_for_one(
    way: str, how: str, outcome: Outcome
) -> None:
    said, _ = say(way, body=ended(WAYS[way][1], how))
    assert (said.reply.outcome, said.again) == (outcome, False)
    assert said.reply.usage.usd > 0


@pytest.mark.parametrize("way", ["openai", "direct"])
def test_a_key_that_a_good_reply_says_is_kept_nowhere(way: str) -> None:
    message = {"role": "assistant", "content": f"It is {SECRET}.", "refusal": f"No {SECRET}."}
    for sent in (message, {**message, "refusal": None}):
        body = {**OPENAI, "model": f"m-{SECRET}", "choices": [{"message": sent}]}
        said, _ = say(way, body=body)
        assert SECRET not in f"{said}"
        assert said.reply.text == "It is [MY_API_KEY]."


def test_a_prompt_above_the_context_is_counted_as_all_that_was_reserved_for_it() -> None:
    for context, usd in ((1000, PRICE.usd(1000, 200, cached_tokens=600)), (999, None)):
        asked = service("openai", context=context)
        words = Message(role="user", content="word " * 2000)
        [said] = heard(asked, Provider(body=OPENAI), messages=(words,))
        request = ASKED.model_copy(update={"messages": (words,)})
        assert said.reply.outcome is Outcome.OK
        assert said.reply.usage.usd == (usd or asked.upper_bound_usd(request))
        assert ("above service.context (999)" in said.reply.cause) is (usd is None)
