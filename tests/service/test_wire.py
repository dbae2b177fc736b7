"""What is kept of a try, by each way to a provider: the body as it came, tokens, who answered."""

import json
from pathlib import Path
from typing import Any

import pytest
from provider import ASKED, Provider, heard
from ways import CLOUD, OPENAI, PRICE, SECRET, WAYS, say, service, set_keys

from llamaduo.records import Outcome
from llamaduo.service.heard import Unusable
from llamaduo.service.price import snapshot
from llamaduo.service.reading import UNSAID

pytestmark = pytest.mark.filterwarnings("ignore:.*`ReadOnly` qualifier:UserWarning")


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    set_keys(monkeypatch, tmp_path)


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
    assert "no connection to 127.0.0.1:1: " in said.reply.cause
    assert "SSLContext" not in said.reply.cause


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
