"""Calls to a TGI server: what is sent, what each ending comes to."""

import asyncio
import json
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from tgi_server import (
    GENERATION,
    INCOMPLETE,
    OVERLOADED,
    TOO_LONG,
    UNHEALTHY,
    Canned,
    TgiServer,
    serving,
)

from llamaduo.component import digest
from llamaduo.errors import ServiceError
from llamaduo.records import Message, Outcome, Reply, Request
from llamaduo.service import Service
from llamaduo.service.heard import Heard
from llamaduo.service.price import Price, snapshot
from llamaduo.service.tgi import Info, TgiService

FREE = Price(input=0, output=0, as_of=date(2026, 1, 2), source="ours")
PAID = Price(input=1, output=10, as_of=date(2026, 1, 2), source="ours")
SECRET = "tgi-0123456789abcdef"
ASKED = Request(
    messages=(Message(role="user", content="<s>How?"),), max_tokens=9, temperature=0.4, sample=3
)


@pytest.fixture
def tgi() -> Iterator[TgiServer]:
    with serving(TgiServer()) as server:
        yield server


def service(url: str, /, **changes: Any) -> TgiService:
    fields = {"name": "tgi", "url": url, "adapter": "triage", "stop": "<|im_end|>", "price": FREE}
    return TgiService.model_validate({**fields, **changes})


def attempt(of: TgiService, seed: int = 7, **changes: Any) -> tuple[Reply, bool]:
    heard = asyncio.run(of.attempt(ASKED.model_copy(update=changes), seed, "once"))
    return heard.reply, heard.again


def test_it_is_a_service() -> None:
    assert isinstance(service("http://h"), Service)
    assert not service("http://h").simulated


def test_everything_that_makes_an_answer_is_sent(tgi: TgiServer) -> None:
    attempt(service(tgi.url))
    assert tgi.sent == [
        {
            "inputs": "<s>How?",
            "parameters": {
                "adapter_id": "triage",
                "details": True,
                "do_sample": True,
                "max_new_tokens": 9,
                "return_full_text": False,
                "seed": 7,
                "stop": ["<|im_end|>"],
                "temperature": pytest.approx(0.4),
            },
        }
    ]


def test_a_temperature_of_0_which_tgi_refuses_is_said_as_no_sampling(tgi: TgiServer) -> None:
    reply, _ = attempt(service(tgi.url), temperature=0)
    assert reply.outcome is Outcome.OK
    assert tgi.sent[0]["parameters"]["do_sample"] is False
    assert "temperature" not in tgi.sent[0]["parameters"]


def test_a_seed_of_0_which_tgi_refuses_is_sent_as_1(tgi: TgiServer) -> None:
    attempt(service(tgi.url), seed=0)
    assert tgi.sent[0]["parameters"]["seed"] == 1


def test_an_answer_comes_with_its_tokens_and_dollars(tgi: TgiServer) -> None:
    reply, again = attempt(service(tgi.url, price=PAID))
    assert (reply.outcome, reply.text[:7], again) == (Outcome.OK, "triage ", False)
    assert reply.usage.completion_tokens == 3
    assert reply.usage.usd == pytest.approx((8 * 1 + 3 * 10) / 1e6)


@pytest.mark.parametrize(
    ("finish", "last", "outcome"),
    [
        ("eos_token", "</s>", Outcome.OK),
        ("stop_sequence", "<|im_end|>", Outcome.OK),
        ("length", "word", Outcome.TRUNCATED),
        ("length", "<|im_end|>", Outcome.OK),
    ],
)
def test_how_an_answer_ended_is_told(
    finish: str, last: str, outcome: Outcome, tgi: TgiServer
) -> None:
    tgi.finish, tgi.last = finish, last
    reply, again = attempt(service(tgi.url))
    assert (reply.outcome, again) == (outcome, False)
    assert reply.text.startswith("triage ")


def test_an_end_of_turn_that_tgi_leaves_in_the_text_is_taken_off(tgi: TgiServer) -> None:
    tgi.shown = "<|im_end|>"
    assert "<|im_end|>" not in attempt(service(tgi.url))[0].text


@pytest.mark.parametrize("said", [OVERLOADED, GENERATION, INCOMPLETE, UNHEALTHY])
def test_what_may_pass_is_a_failed_try_to_be_made_again(said: Canned, tgi: TgiServer) -> None:
    tgi.canned.append(said)
    reply, again = attempt(service(tgi.url))
    assert (reply.outcome, again) == (Outcome.FAILED, True)
    assert str(said[0]) in reply.cause
    assert said[1] is not None
    assert said[1]["error"] in reply.cause


def test_a_prompt_that_is_too_long_is_not_asked_again(tgi: TgiServer) -> None:
    tgi.canned.append(TOO_LONG)
    reply, again = attempt(service(tgi.url))
    assert (reply.outcome, again) == (Outcome.FAILED, False)
    assert "must be <= 64. Given: 60 `inputs` tokens" in reply.cause


def tried(of: TgiService) -> Heard:
    return asyncio.run(of.attempt(ASKED, 7, "once"))


def test_what_the_hubs_client_read_is_kept_and_said_to_be_that(tgi: TgiServer) -> None:
    heard = tried(service(tgi.url, price=PAID))
    kept = json.loads(heard.raw)
    assert kept["as_read_by"] == "huggingface_hub"
    assert kept["said"]["generated_text"] == heard.reply.text
    assert kept["said"]["details"]["generated_tokens"] == 3
    assert (heard.status, heard.unproven, heard.price) == (200, False, snapshot(PAID))


def test_a_refusal_is_kept_as_it_came(tgi: TgiServer) -> None:
    tgi.canned.append(TOO_LONG)
    heard = tried(service(tgi.url))
    assert (heard.status, heard.unproven) == (TOO_LONG[0], False)
    assert json.loads(heard.raw) == TOO_LONG[1]


def test_an_answer_that_breaks_off_may_have_been_made_and_one_never_asked_was_not(
    tgi: TgiServer,
) -> None:
    tgi.cut = 40
    assert tried(service(tgi.url)).unproven
    assert not tried(service("http://127.0.0.1:1")).unproven


def test_a_server_that_is_not_there_may_come_back() -> None:
    reply, again = attempt(service("http://127.0.0.1:1"))
    assert (reply.outcome, again) == (Outcome.FAILED, True)
    with pytest.raises(ServiceError, match=r"no TGI answers at http://127.0.0.1:1: Connect"):
        asyncio.run(service("http://127.0.0.1:1").info())


def test_a_wrong_key_stops_all_and_is_not_shown(
    tgi: TgiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_TGI", SECRET)
    tgi.key = "another"
    with pytest.raises(ServiceError, match=r"tgi cannot be used: .*401") as error:
        attempt(service(tgi.url, key_env="MY_TGI"))
    assert SECRET not in str(error.value)


def test_the_right_key_is_sent_and_a_missing_one_is_said_before(
    tgi: TgiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    tgi.key = SECRET
    assert service(tgi.url, key_env="MY_TGI").faults() == [
        "tgi: no API key; set MY_TGI in the environment"
    ]
    monkeypatch.setenv("MY_TGI", SECRET)
    assert service(tgi.url, key_env="MY_TGI").faults() == []
    assert attempt(service(tgi.url, key_env="MY_TGI"))[0].outcome is Outcome.OK


def test_a_token_for_the_hub_is_not_sent_to_a_server_of_ones_own(
    tgi: TgiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", SECRET)
    attempt(service(tgi.url))
    assert SECRET not in str(tgi.headers)


def test_an_address_that_is_no_tgi_stops_all(tgi: TgiServer) -> None:
    with pytest.raises(ServiceError, match="cannot be used"):
        attempt(service(f"{tgi.url}/v1"))
    tgi.canned.append((200, {"choices": []}))
    with pytest.raises(ServiceError, match="not as TGI does"):
        attempt(service(tgi.url))
    assert "no GenerateResponse" in tgi.wrong.pop()


def test_a_server_says_what_it_serves(tgi: TgiServer) -> None:
    said = asyncio.run(service(tgi.url).info())
    assert said == Info(model_id="llamaduo/tiny-random", version="3.3.5")
    with pytest.raises(ServiceError, match="404"):
        asyncio.run(service(f"{tgi.url}/v1").info())


@pytest.mark.parametrize("change", [{"url": "http://other"}, {"adapter": "b"}, {"stop": "</s>"}])
def test_what_makes_an_answer_is_part_of_the_key(change: dict[str, str]) -> None:
    assert digest(service("http://h")) != digest(service("http://h", **change))


def test_price_key_and_patience_are_no_part_of_the_key() -> None:
    other = service("http://h", price=PAID, key_env="K", concurrency=1, attempts=1, timeout=1)
    assert digest(other) == digest(service("http://h"))


@pytest.mark.parametrize("url", ["127.0.0.1:8080", "http://h/", "ftp://h"])
def test_an_address_that_cannot_be_one_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="url"):
        service(url)


def test_no_more_is_reserved_than_the_server_can_take() -> None:
    asked = ASKED.model_copy(update={"messages": (Message(role="user", content="x" * 9999),)})
    assert service("http://h", price=PAID, context=100).upper_bound_usd(asked) == PAID.usd(100, 9)
