"""The stand-in for TGI: it does what TGI does, and no request or reply goes unchecked."""

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

import pytest
import tgi_contract
from tgi_replies import NO_SYSTEM, UNAUTHORIZED, Canned
from tgi_server import INCOMPLETE, OVERLOADED, UNHEALTHY, TgiServer, laid_out, serving

CHAT = "/v1/chat/completions"
TURNS = [{"role": "user", "content": "How are you?"}]
ASKED = {"messages": TURNS, "seed": 7}
GENERATE = {"inputs": "How are you?", "parameters": {"seed": 7, "max_new_tokens": 9}}


@pytest.fixture
def tgi() -> Iterator[TgiServer]:
    with serving(TgiServer()) as server:
        yield server


def ask(tgi: TgiServer, path: str, body: Any = None) -> tuple[int, str]:
    """Return the status and the text of a reply."""
    with closing(http.client.HTTPConnection(urlsplit(tgi.url).netloc, timeout=9)) as link:
        sent = None if body is None else json.dumps(body)
        link.request("GET" if body is None else "POST", path, sent)
        reply = link.getresponse()
        return reply.status, reply.read().decode()


def chat(tgi: TgiServer, **changes: Any) -> dict[str, Any]:
    status, said = ask(tgi, CHAT, {**ASKED, **changes})
    assert status == 200, said
    read: dict[str, Any] = json.loads(said)
    return read


def text(tgi: TgiServer, **changes: Any) -> str:
    said: str = chat(tgi, **changes)["choices"][0]["message"]["content"]
    return said


def events(tgi: TgiServer, path: str, body: Any) -> list[str]:
    """Return what stands behind each `data:`."""
    status, said = ask(tgi, path, body)
    assert status == 200, said
    return [one.removeprefix("data: ") for one in said.split("\n\n") if one]


def test_health_is_an_empty_200_or_a_503_with_a_reason(tgi: TgiServer) -> None:
    assert ask(tgi, "/health") == (200, "")
    tgi.healthy = False
    status, said = ask(tgi, "/health")
    assert (status, json.loads(said)) == UNHEALTHY


def test_only_the_base_is_listed_as_a_model(tgi: TgiServer) -> None:
    listed = json.loads(ask(tgi, "/v1/models")[1])
    assert [one["id"] for one in listed["data"]] == ["llamaduo/tiny-random"]


def test_a_chat_names_its_adapter_as_the_model_and_tgi_is_the_base(tgi: TgiServer) -> None:
    assert text(tgi, model="triage").startswith("triage ")
    assert text(tgi, model="tgi").startswith("base ")
    assert text(tgi).startswith("base ")


def test_an_unknown_name_is_answered_by_the_base_under_that_name(tgi: TgiServer) -> None:
    said = chat(tgi, model="traige", temperature=0)
    assert said["model"] == "traige"
    assert said["choices"][0]["message"]["content"] == text(tgi, model="tgi", temperature=0)


def test_a_chat_samples_unless_its_temperature_is_0(tgi: TgiServer) -> None:
    assert text(tgi, temperature=0, seed=1) == text(tgi, temperature=0, seed=2)
    assert text(tgi, seed=1) != text(tgi, seed=2)
    assert text(tgi, temperature=0.4, seed=1) == text(tgi, seed=1)
    assert len({text(tgi, seed=None) for _ in range(5)}) == 5, "without a seed it draws one"


def test_generate_refuses_a_temperature_of_0(tgi: TgiServer) -> None:
    status, said = ask(tgi, "/generate", {"inputs": "x", "parameters": {"temperature": 0}})
    assert (status, json.loads(said)["error_type"]) == (422, "validation")
    assert "temperature" in tgi.wrong.pop()


def test_generate_samples_where_a_parameter_of_sampling_is_set(tgi: TgiServer) -> None:
    for warm in ({"do_sample": True}, {"temperature": 0.4}, {"top_k": 3}):
        ask(tgi, "/generate", {"inputs": "x", "parameters": warm})
    assert len(tgi.sampled()) == 3
    ask(tgi, "/generate", GENERATE)
    assert len(tgi.sampled()) == 3


def test_a_chat_is_the_prompt_its_template_makes(tgi: TgiServer) -> None:
    chosen = {"do_sample": False, "adapter_id": "triage"}
    prompt = {"inputs": laid_out(TURNS), "parameters": chosen}
    said = json.loads(ask(tgi, "/generate", prompt)[1])
    assert said["generated_text"] == text(tgi, model="triage", temperature=0)


def test_what_a_chat_took_is_counted(tgi: TgiServer) -> None:
    # <|im_start|>user, How, are, you?<|im_end|>, <|im_start|>assistant, newline; then the answer.
    assert chat(tgi)["usage"] == {"prompt_tokens": 6, "completion_tokens": 3, "total_tokens": 9}
    cut = chat(tgi, max_tokens=1)
    assert (cut["choices"][0]["finish_reason"], cut["usage"]["completion_tokens"]) == ("length", 1)


def test_a_stream_says_token_by_token_what_a_reply_says_at_once(tgi: TgiServer) -> None:
    *chunks, usage, done = events(
        tgi, CHAT, {**ASKED, "stream": True, "stream_options": {"include_usage": True}}
    )
    read = [json.loads(one)["choices"][0] for one in chunks]
    assert "".join(one["delta"]["content"] for one in read) == text(tgi)
    assert [one["finish_reason"] for one in read] == [None, None, "stop"]
    assert (json.loads(usage)["choices"], json.loads(usage)["usage"]) == ([], chat(tgi)["usage"])
    assert done == "[DONE]"
    assert len(events(tgi, CHAT, {**ASKED, "stream": True})) == 4, "without usage if not asked"


def test_generate_stream_ends_with_the_whole_text_and_how_it_ended(tgi: TgiServer) -> None:
    read = [json.loads(one) for one in events(tgi, "/generate_stream", GENERATE)]
    whole = json.loads(ask(tgi, "/generate", GENERATE)[1])
    assert [one["generated_text"] for one in read] == [None, None, whole["generated_text"]]
    assert read[-1]["details"]["finish_reason"] == "eos_token"


def test_an_error_of_a_stream_is_an_event_and_a_chats_says_422(tgi: TgiServer) -> None:
    tgi.canned += [OVERLOADED, OVERLOADED]
    [said, done] = events(tgi, CHAT, {**ASKED, "stream": True})
    assert json.loads(said) == {
        "error": {"message": "Model is overloaded", "http_status_code": 422}
    }
    assert done == "[DONE]"
    [said] = events(tgi, "/generate_stream", GENERATE)
    assert json.loads(said) == OVERLOADED[1]


def test_generation_may_fail_within_a_stream(tgi: TgiServer) -> None:
    tgi.fails = 1
    [_, said, _] = events(tgi, CHAT, {**ASKED, "stream": True})
    assert json.loads(said)["error"]["message"] == "Incomplete generation"
    [_, said] = events(tgi, "/generate_stream", GENERATE)
    assert json.loads(said) == INCOMPLETE[1]


@pytest.mark.parametrize("said", [UNAUTHORIZED, NO_SYSTEM, UNHEALTHY])
def test_what_comes_before_a_stream_is_an_http_status(tgi: TgiServer, said: Canned) -> None:
    tgi.canned.append(said)
    assert ask(tgi, CHAT, {**ASKED, "stream": True})[0] == said[0]


def test_a_stream_that_is_cut_does_not_end_as_one(tgi: TgiServer) -> None:
    tgi.cut = 1
    with pytest.raises(http.client.IncompleteRead):
        ask(tgi, CHAT, {**ASKED, "stream": True})


def test_a_template_may_know_no_system_turn(tgi: TgiServer) -> None:
    tgi.takes_system = False
    turns = [{"role": "system", "content": "Be brief."}, *TURNS]
    status, said = ask(tgi, CHAT, {"messages": turns})
    assert (status, json.loads(said)) == NO_SYSTEM


def test_a_prompt_and_its_answer_have_to_fit(tgi: TgiServer) -> None:
    tgi.most = 20
    status, said = ask(tgi, CHAT, {**ASKED, "max_tokens": 18})
    assert status == 422
    assert "must be <= 20. Given: " in json.loads(said)["error"]


def test_more_requests_than_are_admitted_are_told_that_it_is_overloaded(tgi: TgiServer) -> None:
    tgi.admits, tgi.seconds = 2, 0.2
    told: list[int] = []
    many = [threading.Thread(target=lambda: told.append(ask(tgi, CHAT, ASKED)[0])) for _ in "12345"]
    for one in many:
        one.start()
    for one in many:
        one.join()
    assert sorted(told) == [200, 200, 429, 429, 429]
    assert (tgi.refused, len(tgi.answered)) == (3, 2)


def test_a_key_guards_what_answers_and_nothing_else(tgi: TgiServer) -> None:
    tgi.key = "secret"
    assert ask(tgi, CHAT, ASKED) == (401, "")
    assert ask(tgi, "/generate_stream", GENERATE) == (401, "")
    assert [ask(tgi, path)[0] for path in ("/health", "/info", "/v1/models")] == [200] * 3


@pytest.mark.parametrize("unknown", ["n", "presence_penalty", "adapter_id"])
def test_a_key_that_tgi_ignores_or_takes_for_another_fails_the_test(unknown: str) -> None:
    with (
        pytest.raises(AssertionError, match=f"'{unknown}' was unexpected"),
        serving(TgiServer()) as server,
    ):
        ask(server, CHAT, {**ASKED, unknown: 1})
    with serving(TgiServer(strict=False)) as server:
        assert ask(server, CHAT, {**ASKED, unknown: 1})[0] == 200


@pytest.mark.parametrize("path", [CHAT, "/generate", "/generate_stream"])
def test_a_reply_that_is_not_tgis_fails_the_test(path: str) -> None:
    asked = {**ASKED, "stream": False} if path == CHAT else GENERATE
    with pytest.raises(AssertionError, match="odd"), serving(TgiServer()) as server:
        server.finish = "odd"
        ask(server, path, asked)
    with pytest.raises(AssertionError, match="which it never does"), serving(TgiServer()) as server:
        server.canned.append((418, {}))
        ask(server, "/generate", GENERATE)


def test_what_falls_over_in_the_servers_thread_fails_the_test() -> None:
    def says(prompt: str, by: str, draw: int) -> str:
        raise KeyError(by)

    with (
        pytest.raises(AssertionError, match=r"fell over a request: KeyError\('base'\)"),
        serving(TgiServer(says=says)) as server,
        pytest.raises(http.client.RemoteDisconnected),
    ):
        ask(server, CHAT, ASKED)


def parts(schema: Any) -> Iterator[str]:
    """Yield the names of the schemas that a schema refers to."""
    if isinstance(schema, list):
        schema = dict(enumerate(schema))
    if isinstance(schema, dict):
        if "$ref" in schema:
            yield schema["$ref"].rpartition("/")[2]
        for one in schema.values():
            yield from parts(one)


@pytest.fixture
def theirs() -> dict[str, Any]:
    found = tgi_contract.document()
    if found is None:
        pytest.skip(
            f"TGI's OpenAPI document is not at hand: name the file in {tgi_contract.DOCUMENT}"
        )
    return found


@pytest.mark.parametrize("route", tgi_contract.ROUTES)
def test_our_schema_has_a_route_as_tgis_document_does(route: str, theirs: dict[str, Any]) -> None:
    method, path = route.lower().split()
    ours, its = tgi_contract.ROUTES[route], theirs["paths"][path][method]
    assert list(parts(its.get("requestBody", {}))) == [
        ours[key] for key in ours if key == "request"
    ]
    for status, name in ours["replies"].items():
        if status in its["responses"]:
            listed = ["ModelInfo"] if name == "ModelsInfo" else [name] if name else []
            assert list(parts(its["responses"][status])) == listed
        else:
            assert status in ("401", "503"), "what no answer of the route's own is"
    assert not {"422", "424", "429", "500"} & set(its["responses"]) - set(ours["replies"])
    if "events" in ours:
        assert "text/event-stream" in its["responses"]["200"]["content"]


@pytest.mark.parametrize("name", tgi_contract.SCHEMA["$defs"])
def test_our_schema_requires_what_tgis_document_does(name: str, theirs: dict[str, Any]) -> None:
    if name in ("ModelsInfo", "ChatError"):
        assert name not in theirs["components"]["schemas"], "it is said in the schema's comment"
        return
    ours, its = tgi_contract.SCHEMA["$defs"][name], theirs["components"]["schemas"][name]
    assert set(ours.get("required", ())) == set(its.get("required", ()))
    tagged = {"object"} if name.startswith("ChatCompletion") else set()
    assert set(ours.get("properties", ())) - tagged <= set(its.get("properties", ()))
