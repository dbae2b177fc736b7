"""A service behind litellm: what is sent, what each ending comes to, what it can cost."""

import asyncio
import json
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import litellm
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from litellm.litellm_core_utils.llm_response_utils.convert_dict_to_response import (
    convert_to_model_response_object,
)
from provider import ASKED

from llamaduo.component import digest
from llamaduo.errors import ServiceError
from llamaduo.records import Message, Outcome, Reply, Request, Usage
from llamaduo.service import Service
from llamaduo.service.chat import ChatService, Price
from llamaduo.service.price import snapshot

pytestmark = pytest.mark.filterwarnings("ignore:.*`ReadOnly` qualifier:UserWarning")
"""litellm ignores this warning of its own; pytest forgets that it does."""

SECRET = "sk-test-0123456789abcdef"
MODEL = "gpt-5.4-2026-03-05"
PRICE = Price(input=2.5, output=10.0, as_of=date(2026, 1, 2), source="a list")


def service(**changes: Any) -> ChatService:
    fields: dict[str, Any] = {"name": "gpt", "model": f"openai/{MODEL}", "price": PRICE}
    return ChatService.model_validate({**fields, "key_env": "OPENAI_API_KEY", **changes})


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)


def wire(finish: str = "stop", **message: Any) -> dict[str, Any]:
    """What an OpenAI-compatible server sends."""
    return {
        "id": "x",
        "object": "chat.completion",
        "created": 1,
        "model": MODEL,
        "choices": [
            {
                "index": 0,
                "finish_reason": finish,
                "message": {"role": "assistant", "content": "So.", **message},
            }
        ],
        "usage": {"prompt_tokens": 1000, "completion_tokens": 200, "total_tokens": 1200},
    }


def replies(patch: pytest.MonkeyPatch, sent: dict[str, Any] | Exception) -> list[dict[str, Any]]:
    """Let litellm come back with this. Returns what it will have been called with."""
    calls: list[dict[str, Any]] = []

    async def acompletion(**given: Any) -> Any:
        calls.append(given)
        if isinstance(sent, Exception):
            raise sent
        return convert_to_model_response_object(
            response_object=sent, model_response_object=litellm.ModelResponse()
        )

    patch.setattr(litellm, "acompletion", acompletion)
    return calls


def attempt(of: ChatService) -> tuple[Reply, bool]:
    heard = asyncio.run(of.attempt(ASKED, 7, "once"))
    return heard.reply, heard.again


def test_it_is_a_service() -> None:
    assert isinstance(service(), Service)
    assert not service().simulated


def test_nothing_stands_in_the_way_of_a_service_with_its_key() -> None:
    assert service().faults() == []
    assert service(key_env=None, api_base="http://127.0.0.1:1/v1").faults() == []


@pytest.mark.parametrize("value", [None, ""])
def test_a_missing_key_is_said_with_the_variable_to_set(
    value: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if value is None:
        monkeypatch.delenv("OPENAI_API_KEY")
    else:
        monkeypatch.setenv("OPENAI_API_KEY", value)
    assert service().faults() == ["gpt: no API key; set OPENAI_API_KEY in the environment"]


def test_a_model_is_refused_from_the_day_it_was_retired() -> None:
    today = date.today()
    [fault] = service(retired=today).faults()
    assert fault == (f"gpt: openai/gpt-5.4-2026-03-05 was retired on {today}; choose its successor")
    assert service(retired=today + timedelta(days=1)).faults() == []


def test_every_fault_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    assert len(service(retired="2020-01-01").faults()) == 2


def test_a_good_reply_has_text_tokens_and_dollars(monkeypatch: pytest.MonkeyPatch) -> None:
    replies(monkeypatch, wire())
    usage = Usage(prompt_tokens=1000, completion_tokens=200, usd=0.0045)
    said = Reply(outcome=Outcome.OK, text="So.", usage=usage, model=MODEL)
    assert attempt(service()) == (said, False)


@pytest.mark.parametrize(
    ("sent", "outcome", "cause"),
    [
        (wire("length"), Outcome.TRUNCATED, "max_tokens"),
        (wire("content_filter", content=None), Outcome.FILTERED, "content filter"),
        (wire(content=None, refusal="I cannot help."), Outcome.REFUSED, "I cannot help."),
    ],
)
def test_a_reply_that_ended_otherwise_says_how_and_is_paid_for(
    sent: dict[str, Any], outcome: Outcome, cause: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    replies(monkeypatch, sent)
    reply, again = attempt(service())
    assert (reply.outcome, reply.cause, again) == (outcome, cause, False)
    assert reply.usage == Usage(prompt_tokens=1000, completion_tokens=200, usd=0.0045)


def test_a_reply_without_text_is_empty_text(monkeypatch: pytest.MonkeyPatch) -> None:
    replies(monkeypatch, wire(content=None))
    assert attempt(service())[0].text == ""


def test_half_a_surrogate_pair_does_not_lose_a_paid_reply(monkeypatch: pytest.MonkeyPatch) -> None:
    replies(monkeypatch, wire(content="so \ud83d."))
    reply, _ = attempt(service())
    assert (reply.outcome, reply.text) == (Outcome.OK, "so ?.")
    assert Reply.model_validate_json(reply.model_dump_json()) == reply


def litellm_error(kind: str, words: str = "it said no", **more: Any) -> Exception:
    error: Exception = getattr(litellm.exceptions, kind)(
        message=words, model="m", llm_provider="openai", **more
    )
    return error


def forbidden() -> Exception:
    import httpx

    asked = httpx.Request("POST", "http://provider")
    return litellm_error("PermissionDeniedError", response=httpx.Response(403, request=asked))


@pytest.mark.parametrize(
    "kind",
    [
        "RateLimitError",
        "Timeout",
        "APIConnectionError",
        "ServiceUnavailableError",
        "InternalServerError",
        "BadGatewayError",
    ],
)
def test_what_may_pass_is_a_failed_try_to_be_made_again(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    replies(monkeypatch, litellm_error(kind))
    reply, again = attempt(service())
    assert (reply.outcome, again, reply.usage) == (Outcome.FAILED, True, Usage())
    assert reply.cause.startswith(f"{kind}: ")
    assert "it said no" in reply.cause


@pytest.mark.parametrize("kind", ["BadRequestError", "ContextWindowExceededError"])
def test_a_request_at_fault_is_not_made_again(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    replies(monkeypatch, litellm_error(kind))
    reply, again = attempt(service())
    assert (reply.outcome, again) == (Outcome.FAILED, False)
    assert reply.cause.startswith(f"{kind}: ")


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("BadRequestError", "Your credit balance is too low to access the API"),
        ("BadRequestError", '{"status": "PERMISSION_DENIED"}'),
        ("RateLimitError", "insufficient_quota"),
    ],
)
def test_an_account_that_can_make_no_call_stops_all(
    kind: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    replies(monkeypatch, litellm_error(kind, words))
    with pytest.raises(ServiceError, match="gpt cannot be used"):
        attempt(service())


def test_a_reply_that_does_not_say_its_tokens_counts_as_the_most_it_can_cost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent = wire()
    del sent["usage"]
    replies(monkeypatch, sent)
    reply, again = attempt(service())
    assert (reply.outcome, reply.text, again) == (Outcome.OK, "So.", False)
    assert reply.usage.usd == service().upper_bound_usd(ASKED) > 0


def test_a_reply_without_choices_is_kept_and_not_asked_for_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def acompletion(**given: Any) -> Any:
        return litellm.ModelResponse(choices=[])

    monkeypatch.setattr(litellm, "acompletion", acompletion)
    reply, again = attempt(service())
    assert (reply.outcome, reply.cause, again) == (Outcome.FAILED, "a reply without choices", False)
    assert reply.usage.usd > 0


def test_a_content_policy_is_a_filtered_reply(monkeypatch: pytest.MonkeyPatch) -> None:
    replies(monkeypatch, litellm_error("ContentPolicyViolationError"))
    reply, again = attempt(service())
    assert (reply.outcome, again) == (Outcome.FILTERED, False)


@pytest.mark.parametrize(
    "error",
    [
        lambda: litellm_error("AuthenticationError"),
        lambda: litellm_error("NotFoundError"),
        lambda: litellm_error("UnsupportedParamsError"),
        forbidden,
    ],
    ids=["key", "model", "parameter", "permission"],
)
def test_what_no_request_can_get_past_stops_the_run(
    error: Callable[[], Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    replies(monkeypatch, error())
    with pytest.raises(ServiceError, match=r"gpt cannot be used: .*it said no"):
        attempt(service())


@pytest.mark.parametrize("kind", ["RateLimitError", "AuthenticationError"])
@pytest.mark.parametrize("name", ["OPENAI_API_KEY", "OTHER_TOKEN", "MY_CREDENTIAL"])
def test_no_secret_gets_into_the_words_of_an_error(
    kind: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = "credential-987654321"
    monkeypatch.setenv(name, other)
    monkeypatch.setenv("MY_KEY", other[:12])  # the beginning of the longer one
    error = litellm_error(kind)
    error.message = f"wrong key:\n{other} {other}"  # type: ignore[attr-defined]
    replies(monkeypatch, error)
    asked = service(key_env=name)
    try:
        said = attempt(asked)[0].cause
    except ServiceError as stop:
        said = str(stop)
    assert "wrong key: " in said
    assert said.count(f"[{name}]") == 2
    assert "credential-9" not in said
    assert "654321" not in said


def test_a_long_error_is_cut_and_a_secret_does_not_survive_the_cut(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    error = litellm_error("RateLimitError")
    error.message = "x" * 290 + SECRET + "y" * 5000  # type: ignore[attr-defined]
    replies(monkeypatch, error)
    cause = attempt(service())[0].cause
    assert len(cause) < 350
    assert SECRET[:6] not in cause


def test_a_request_is_sent_as_it_is_and_tried_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = replies(monkeypatch, wire())
    attempt(service(timeout=30))
    assert calls == [
        {
            "model": "openai/gpt-5.4-2026-03-05",
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "How?"},
            ],
            "max_tokens": 100,
            "temperature": 0.7,
            "timeout": 30.0,
            "num_retries": 0,
            "seed": 7,
            "api_key": SECRET,
        }
    ]


def test_the_key_is_sent_under_its_name_to_its_own_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_SERVER_KEY", "for-my-server-only")
    calls = replies(monkeypatch, wire())
    attempt(service(key_env="MY_SERVER_KEY", api_base="http://10.0.0.1:8000/v1"))
    assert calls[0]["api_key"] == "for-my-server-only"
    assert calls[0]["api_base"] == "http://10.0.0.1:8000/v1"
    assert SECRET not in str(calls)


@pytest.mark.parametrize(
    ("model", "takes"),
    [
        ("openai/gpt-5.4-2026-03-05", True),
        ("gemini/gemini-3.8-flash", True),
        ("hosted_vllm/anything", True),
        ("anthropic/claude-sonnet-5-5", False),
    ],
)
def test_a_seed_is_sent_only_to_a_provider_that_takes_one(
    model: str, takes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = replies(monkeypatch, wire())
    attempt(service(model=model))
    assert ("seed" in calls[0]) is takes


def test_price_key_and_patience_are_no_part_of_what_it_says() -> None:
    other = service(
        price={**PRICE.model_dump(), "input": 5.0},
        key_env="OTHER",
        concurrency=1,
        attempts=2,
        backoff=9.0,
        timeout=9.0,
        connect_timeout=1.0,
        first_byte_timeout=2.0,
        retired="2020-01-01",
        answers_as="*",
        thinking_tokens=9,
        idempotency_header="Idempotency-Key",
        transport="direct",
        cap_usd_per_day=1.0,
        requests_per_minute=1,
        tokens_per_minute=1,
    )
    assert digest(other) == digest(service())


def test_what_was_bought_before_a_service_had_more_keys_is_not_bought_again() -> None:
    """The key of `service()` as it was when replies were first kept."""
    assert service().key() == {
        "is": "llamaduo.service.chat.ChatService",
        "version": 1,
        "model": "openai/gpt-5.4-2026-03-05",
        "api_base": None,
    }


@pytest.mark.parametrize("change", [{"structured": True}, {"api_version": "2024-10-21"}])
def test_what_changes_a_reply_makes_another_service(change: dict[str, Any]) -> None:
    assert digest(service(**change)) != digest(service())


@pytest.mark.parametrize("change", [{"model": "openai/other"}, {"api_base": "http://h/v1"}])
def test_model_and_address_are_part_of_what_it_says(change: dict[str, str]) -> None:
    assert digest(service(**change)) != digest(service())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"transport": "direct", "model": "anthropic/x"}, "needs transport: litellm"),
        ({"transport": "direct", "model": "hosted_vllm/x"}, "needs the api_base"),
        ({"cache_prompt": True}, "cache_prompt is for models that want to be told"),
        ({"api_base": "notaurl"}, "has to be an address such as http://host:8000/v1"),
        ({"api_base": "ftp://h/v1"}, "has to be an address such as http://host:8000/v1"),
        ({"api_base": "http://h:port/v1"}, "has to be an address such as http://host:8000/v1"),
        ({"price": None}, "a model without a price is refused"),
        ({"price": {**PRICE.model_dump(), "output": None}}, "a model without a price is refused"),
    ],
)
def test_what_cannot_be_is_said_before_anything_runs(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        service(**change)


def test_a_form_is_asked_only_of_a_model_that_keeps_to_one() -> None:
    assert service(structured=True).faults() == []
    [fault] = service(model="openai/gpt-3.5-turbo", structured=True).faults()
    assert fault.startswith("gpt: litellm does not say that openai/gpt-3.5-turbo keeps to a JSON")
    own = service(model="openai/mine", api_base="http://h/v1", structured=True)
    assert own.faults() == []


def test_the_cache_is_counted_at_its_own_prices() -> None:
    price = PRICE.model_copy(update={"cached_input": 0.25, "cache_write": 3.0})
    counted = price.counted(
        Usage(prompt_tokens=10**6, cached_tokens=600_000, cache_write_tokens=100_000)
    )
    assert counted.usd == pytest.approx(0.3 * 2.5 + 0.6 * 0.25 + 0.1 * 3.0)
    plain = PRICE.counted(Usage(prompt_tokens=10**6, cached_tokens=600_000))
    assert plain.usd == 2.5


def test_the_dearest_that_a_cache_can_do_and_all_thinking_is_reserved() -> None:
    cached = PRICE.model_copy(update={"cached_input": 0.25, "cache_write": 3.0})
    plain = service().upper_bound_usd(ASKED)
    sent = (plain - 100 * PRICE.output / 1e6) * 1e6 / PRICE.input
    assert service(price=cached).upper_bound_usd(ASKED) == pytest.approx(
        (sent * 3.0 + 100 * PRICE.output) / 1e6
    )
    thinks = service(thinking_tokens=900).upper_bound_usd(ASKED)
    assert thinks - plain == pytest.approx(900 * PRICE.output / 1e6)
    formed = ASKED.model_copy(update={"form": {"type": "object"}})
    assert service().upper_bound_usd(formed) == plain
    assert service(structured=True).upper_bound_usd(formed) > plain


def test_a_prices_snapshot_says_all_of_it_and_its_day() -> None:
    assert json.loads(snapshot(PRICE)) == {
        "input": 2.5,
        "output": 10.0,
        "cached_input": None,
        "cache_write": None,
        "batch": None,
        "as_of": "2026-01-02",
        "source": "a list",
    }
    assert " " not in snapshot(PRICE).replace("a list", "")


def test_limits_are_of_who_bills_whatever_the_label() -> None:
    one, two = service(), service(name="another", requests_per_minute=60)
    assert one.limits.payee == two.limits.payee == f"openai/{MODEL}"
    assert two.limits.requests_per_minute == 60
    assert service(api_base="http://h/v1").limits.payee == f"openai/{MODEL} at http://h/v1"


def test_a_price_is_for_a_million_tokens() -> None:
    assert PRICE.usd(1_000_000, 0) == 2.5
    assert PRICE.usd(0, 1_000_000) == 10.0
    assert PRICE.usd(1_000_000, 500_000) == 7.5


texts = st.text(st.characters(codec="utf-8") | st.sampled_from("ñ中🙂\u200d\x00 {}"), max_size=200)
roles = st.sampled_from(["system", "user", "assistant"])
messages = st.lists(st.builds(Message, role=roles, content=texts), min_size=1, max_size=4)


@settings(deadline=None)
@given(messages, st.integers(1, 4096))
def test_no_call_costs_more_than_was_reserved_for_it(said: list[Message], most: int) -> None:
    request = Request(messages=tuple(said), max_tokens=most, temperature=1.0)
    sent = [message.model_dump() for message in said]
    for model in ("gpt-4o", "gpt-3.5-turbo"):
        tokens = litellm.token_counter(model=model, messages=sent)
        assert PRICE.usd(tokens, most) <= service().upper_bound_usd(request)


def test_a_prompt_that_may_be_above_the_context_is_reserved_by_its_bytes() -> None:
    long = Request(
        messages=(Message(role="user", content="x" * 10**6),), max_tokens=100, temperature=1.0
    )
    assert service(context=8000).upper_bound_usd(long) >= PRICE.usd(10**6, 100)
    assert service(context=8000).upper_bound_usd(ASKED) < PRICE.usd(8000, 100)
