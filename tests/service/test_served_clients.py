"""The two ways to ask a TGI server: each error has an outcome, no answer is lost or asked twice."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import date
from pathlib import Path

import pytest
from tgi_replies import NO_SYSTEM
from tgi_server import (
    GENERATION,
    INCOMPLETE,
    OVERLOADED,
    TOO_LONG,
    UNAUTHORIZED,
    UNHEALTHY,
    Canned,
    TgiServer,
    seeds,
    serving,
)

from llamaduo.desk import Desk
from llamaduo.errors import ServiceError
from llamaduo.ledger import Ledger
from llamaduo.records import Message, Outcome, Request
from llamaduo.service import Service
from llamaduo.service.chat import ChatService, Price
from llamaduo.service.tgi import TgiService
from llamaduo.serving.endpoint import Endpoint

Client = Callable[..., Service]

MAY_PASS = [OVERLOADED, GENERATION, INCOMPLETE, UNHEALTHY]
AT_FAULT = [TOO_LONG, NO_SYSTEM]
PATIENCE = {"attempts": 3, "backoff": 0.001, "timeout": 20}


def by_generate(url: str, **changes: float) -> Service:
    price = Price(input=0, output=0, as_of=date(2026, 1, 2), source="ours")
    fields = {"name": "tgi", "url": url, "adapter": "triage", "stop": "<|im_end|>", "price": price}
    return TgiService.model_validate({**fields, **PATIENCE, **changes})


def by_chat(url: str, **changes: float) -> Service:
    fields = {"engine": "tgi", "url": url, "model": "triage", "base": "tgi"}
    return Endpoint.model_validate({**fields, **PATIENCE, **changes}).service()


@pytest.fixture(params=[by_generate, by_chat])
def client(request: pytest.FixtureRequest) -> Client:
    made: Client = request.param
    return made


@pytest.fixture
def tgi() -> Iterator[TgiServer]:
    with serving(TgiServer()) as server:
        yield server


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with closing(Ledger(tmp_path / "ledger.sqlite")) as made:
        yield made


def requests(count: int, temperature: float = 0.4) -> list[Request]:
    return [
        Request(
            messages=(Message(role="user", content=f"How, {row}?"),),
            max_tokens=9,
            temperature=temperature,
        )
        for row in range(count)
    ]


def desk(ledger: Ledger, service: Service) -> Desk:
    return Desk(ledger=ledger, service=service, recipe="asked/1", run="run", seed=42, budget=None)


def asked(tgi: TgiServer) -> list[int]:
    """Return the seeds of what was answered; each request of a desk has its own."""
    return seeds(tgi.answered)


@pytest.mark.parametrize("said", MAY_PASS)
def test_what_may_pass_is_asked_again_and_then_answered(
    said: Canned, client: Client, tgi: TgiServer, ledger: Ledger
) -> None:
    tgi.canned += [said, said]
    [reply] = desk(ledger, client(tgi.url)).ask(requests(1))
    assert (reply.outcome, reply.text[:7]) == (Outcome.OK, "triage ")
    assert len([*tgi.sent, *tgi.chats]) == 3
    assert len(asked(tgi)) == 1


@pytest.mark.parametrize("said", MAY_PASS)
def test_what_does_not_pass_is_given_up_with_the_servers_words(
    said: Canned, client: Client, tgi: TgiServer, ledger: Ledger
) -> None:
    answered = desk(ledger, client(tgi.url)).ask(requests(7))
    assert {reply.outcome for reply in answered} == {Outcome.OK}
    tgi.canned += [said] * 3
    [reply] = desk(ledger, client(tgi.url)).ask(requests(8)[7:])
    assert said[1] is not None
    assert reply.outcome is Outcome.FAILED
    assert reply.cause.startswith("given up after 3 tries: ")
    assert said[1]["error"] in reply.cause
    assert len(asked(tgi)) == 7


@pytest.mark.parametrize("said", AT_FAULT)
def test_a_request_that_is_at_fault_is_asked_once(
    said: Canned, client: Client, tgi: TgiServer, ledger: Ledger
) -> None:
    tgi.canned.append(said)
    [reply] = desk(ledger, client(tgi.url)).ask(requests(1))
    assert said[1] is not None
    assert reply.outcome is Outcome.FAILED
    assert said[1]["error"][:60] in reply.cause
    assert len([*tgi.sent, *tgi.chats]) == 1
    assert desk(ledger, client(tgi.url)).ask(requests(1)) == [reply]
    assert len([*tgi.sent, *tgi.chats]) == 1, "what it came to is remembered"


def test_a_wrong_key_stops_all_and_what_was_answered_stays(
    client: Client, tgi: TgiServer, ledger: Ledger
) -> None:
    desk(ledger, client(tgi.url)).ask(requests(3))
    tgi.canned.append(UNAUTHORIZED)
    with pytest.raises(ServiceError, match="cannot be used"):
        desk(ledger, client(tgi.url, concurrency=1)).ask(requests(5))
    replies = desk(ledger, client(tgi.url)).ask(requests(5))
    assert {reply.outcome for reply in replies} == {Outcome.OK}
    assert len(set(asked(tgi))) == len(asked(tgi)) == 5


def test_a_reply_that_breaks_off_is_no_answer(client: Client, tgi: TgiServer) -> None:
    tgi.cut = 40
    heard = asyncio.run(client(tgi.url).attempt(requests(1)[0], 7, "once"))
    reply, again = heard.reply, heard.again
    assert (reply.outcome, again) == (Outcome.FAILED, True)
    assert reply.text == ""


def test_a_storm_of_429_loses_no_answer_and_asks_none_twice(
    client: Client, tgi: TgiServer, ledger: Ledger
) -> None:
    tgi.canned += [OVERLOADED] * 150
    tgi.admits, tgi.seconds = 8, 0.01
    service = client(tgi.url, concurrency=32, attempts=60, backoff=0.01)
    replies = desk(ledger, service).ask(requests(200))
    assert {reply.outcome for reply in replies} == {Outcome.OK}
    assert len({reply.text for reply in replies}) == 200
    assert len([*tgi.sent, *tgi.chats]) == 200 + 150 + tgi.refused
    assert len(set(asked(tgi))) == len(asked(tgi)) == 200
    tally = ledger.tally("asked/1")
    assert (tally.calls, tally.outcomes) == (200, {"ok": 200})
    assert desk(ledger, service).ask(requests(200)) == replies
    assert len(asked(tgi)) == 200


def test_after_an_outage_only_what_was_not_answered_is_asked(
    client: Client, tgi: TgiServer, ledger: Ledger
) -> None:
    tgi.canned += [OVERLOADED] * 60
    with pytest.raises(ServiceError, match=r"20 of 30 calls .* the same command goes on"):
        desk(ledger, client(tgi.url, concurrency=1)).ask(requests(30))
    assert len(asked(tgi)) == 10
    replies = desk(ledger, client(tgi.url)).ask(requests(30))
    assert {reply.outcome for reply in replies} == {Outcome.OK}
    assert len(set(asked(tgi))) == len(asked(tgi)) == 30


@pytest.mark.parametrize("temperature", [0, 0.4])
def test_a_chat_says_its_temperature_always_so_that_0_is_greedy(
    temperature: float, tgi: TgiServer
) -> None:
    service = by_chat(tgi.url)
    [asked] = requests(1, temperature)
    said = {asyncio.run(service.attempt(asked, seed, "once")).reply.text for seed in (1, 2)}
    assert [body["temperature"] for body in tgi.chats] == [temperature] * 2
    assert len(said) == (1 if temperature == 0 else 2)


def test_a_chat_comes_with_the_tokens_the_server_counted(tgi: TgiServer) -> None:
    reply = asyncio.run(by_chat(tgi.url).attempt(requests(1)[0], 7, "once")).reply
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens) == (5, 3)
    assert reply.usage.usd == 0


def test_a_chat_may_be_asked_without_the_adapter(tgi: TgiServer) -> None:
    bare = Endpoint(engine="tgi", url=tgi.url, model="triage", base="tgi").service(bare=True)
    assert isinstance(bare, ChatService)
    assert asyncio.run(bare.attempt(requests(1)[0], 7, "once")).reply.text.startswith("base ")


BROKEN = [(1, None, "incomplete chunked read"), (None, 1, "Incomplete generation")]
"""Where a stream breaks, or fails, and what that is called."""


@pytest.mark.parametrize(("cut", "fails", "words"), BROKEN)
def test_a_chats_stream_that_breaks_is_an_error_and_no_answer(
    cut: int | None, fails: int | None, words: str, tgi: TgiServer
) -> None:
    import litellm
    import openai

    litellm.suppress_debug_info = True

    def streamed() -> str:
        parts = litellm.completion(
            model="openai/triage",
            messages=[{"role": "user", "content": "How?"}],
            api_base=f"{tgi.url}/v1",
            api_key="none",
            stream=True,
            num_retries=0,
        )
        return "".join(part.choices[0].delta.content or "" for part in parts)

    assert streamed().startswith("triage ")
    tgi.cut, tgi.fails = cut, fails
    with pytest.raises(openai.OpenAIError, match=words):
        streamed()


@pytest.mark.parametrize(("cut", "fails", "words"), BROKEN)
def test_a_stream_of_generate_that_breaks_is_an_error_and_no_answer(
    cut: int | None, fails: int | None, words: str, tgi: TgiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import InferenceClient, constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    tgi.strict = False  # the hub's client says `stream` to a route that needs no telling

    def streamed() -> str:
        client = InferenceClient(model=f"{tgi.url}/generate_stream", token="none")
        return "".join(client.text_generation("How?", stream=True))

    assert streamed().startswith("base ")
    tgi.cut, tgi.fails = cut, fails
    with pytest.raises(Exception, match=words):
        streamed()
