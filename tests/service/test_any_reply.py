"""A reply of any shape at all: it is paid for, so it is kept, and no run stops for it."""

import json
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llamaduo.records import Outcome, Reply
from llamaduo.service import Heard, Unusable
from llamaduo.service.chat import ChatService, Price
from llamaduo.service.wire import Exchange, Patience

PRICE = Price(input=2.5, output=10, as_of=date(2026, 1, 1), source="x")
ASKED = ChatService(name="paid", model="openai/m", price=PRICE).asked(PRICE, 0.5)

OPENAI = {
    "model": "m",
    "choices": [{"message": {"content": "So.", "refusal": None}, "finish_reason": "stop"}],
    "usage": {
        "prompt_tokens": 5,
        "completion_tokens": 3,
        "prompt_tokens_details": {"cached_tokens": 1},
        "completion_tokens_details": {"reasoning_tokens": 1},
    },
}
ANTHROPIC = {
    "model": "m",
    "content": [{"text": "So."}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 5, "output_tokens": 3},
}
GEMINI = {
    "candidates": [{"content": {"parts": [{"text": "So."}]}, "finishReason": "STOP"}],
    "promptFeedback": {"blockReason": None},
    "usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 3},
}
ERROR = {"error": {"message": "no", "type": "t", "code": "c", "details": [{"reason": "r"}]}}

leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3)
leaves |= st.sampled_from([10**30, "so \ud83d", float("inf"), "\0"])
anything = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)


@st.composite
def bodies(draw: st.DrawFn) -> Any:
    """A body as a provider means it, with one part of it of any other shape."""
    body = json.loads(json.dumps(draw(st.sampled_from([OPENAI, ANTHROPIC, GEMINI, ERROR]))))
    at = body
    while True:
        name = draw(st.sampled_from(sorted(at) if isinstance(at, dict) else range(len(at))))
        if not isinstance(at[name], dict | list) or not at[name] or draw(st.booleans()):
            at[name] = draw(anything)
            return body
        at = at[name]


def hear(status: int, body: Any, *, read: bool) -> Heard:
    said = body if read and isinstance(body, dict) else None
    text = json.dumps(body) if status else ""  # 0: a provider's client, that shows no body
    exchange = Exchange(Patience(1, 1, 1), sent=True, status=status, body=text.encode())
    try:
        heard = ASKED.hear(exchange, said)
    except Unusable as error:
        heard = error.heard
    if status or said is None:
        assert heard.raw == exchange.text
    else:
        assert heard.raw, "what the client made of it stands for the body"
    return heard


@settings(deadline=None, max_examples=300)
@given(st.sampled_from([0, 200, 200, 200, 302, 400, 429, 500]), bodies() | anything, st.booleans())
def test_a_reply_of_any_shape_is_read_or_kept_as_it_came(
    status: int, body: Any, read: bool
) -> None:
    heard = hear(status, body, read=read)
    assert Reply.model_validate_json(heard.reply.model_dump_json()) == heard.reply
    if heard.unproven:
        assert heard.reply.outcome is Outcome.FAILED
        assert heard.reply.cause
        assert heard.reply.usage.usd == 0, "it counts once"


@pytest.mark.parametrize(
    "body",
    [
        {**OPENAI, "choices": [{"message": "So."}]},
        {**OPENAI, "choices": [{"message": ["So."]}]},
        {**OPENAI, "choices": [{"message": {"content": "So."}, "finish_reason": ["stop"]}]},
        {**OPENAI, "choices": [{"message": {"provider_specific_fields": "x"}}]},
        {**GEMINI, "candidates": [None]},
        {**GEMINI, "candidates": [], "promptFeedback": "x"},
        {**ANTHROPIC, "usage": [5, 3]},
    ],
)
def test_a_form_that_nobody_expects_is_a_failed_try_that_may_have_been_billed(body: Any) -> None:
    heard = hear(200, body, read=False)
    assert (heard.reply.outcome, heard.unproven, heard.again) == (Outcome.FAILED, True, False)
    assert heard.reply.cause.startswith("a reply of no form that can be read (")


@pytest.mark.parametrize("details", [[], "x", 3])
def test_a_good_reply_whose_details_are_odd_is_good(details: Any) -> None:
    names = ("prompt_tokens_details", "completion_tokens_details")
    usage: dict[str, Any] = {"prompt_tokens": 5, "completion_tokens": 3}
    heard = hear(200, {**OPENAI, "usage": {**usage, **dict.fromkeys(names, details)}}, read=False)
    assert (heard.reply.outcome, heard.reply.usage.completion_tokens) == (Outcome.OK, 3)


@pytest.mark.parametrize("count", [10**30, float("inf")])
def test_more_tokens_than_any_reply_has_count_as_the_most_it_can_cost(count: float) -> None:
    usage = {"prompt_tokens": 5, "completion_tokens": count}
    heard = hear(200, {**OPENAI, "usage": usage}, read=False)
    assert (heard.reply.outcome, heard.reply.usage.usd) == (Outcome.OK, 0.5)
