"""What a provider is sent, and how long it is waited for."""

import gc
import json
from pathlib import Path

import pytest
from provider import ASKED, Provider, heard
from ways import ANTHROPIC, OPENAI, SECRET, WAYS, say, service, set_keys

from llamaduo.judge.marks import FORM
from llamaduo.records import Message, Outcome
from llamaduo.service import wire

pytestmark = pytest.mark.filterwarnings("ignore:.*`ReadOnly` qualifier:UserWarning")


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    set_keys(monkeypatch, tmp_path)


ANSWER = Message(role="assistant", content="So.")


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
