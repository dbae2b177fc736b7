"""What every engine has to keep, asked of real servers: transformers' and llama.cpp's."""

import io
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from llama_server import llama_server, small_model
from mlflow_server import free_port
from shelved import taught

from llamaduo.config import from_overrides
from llamaduo.deploy import callers
from llamaduo.deploy.process import serving
from llamaduo.desk import Desk
from llamaduo.ledger import Ledger
from llamaduo.progress import Progress
from llamaduo.promotion.held import Held
from llamaduo.records import Message, Outcome, Reply, Request
from llamaduo.serving.endpoint import Endpoint
from llamaduo.verbs.versioned import find

SAYS = {
    "Where is it?": "On its way.",
    "Refund me": "Your money is on the way back, and will be there on Monday.",
}
LONGEST = 60
"""Tokens; no answer below is as long."""
PATIENCE = 60.0
"""Seconds; a server that says nothing for so long hangs."""


@dataclass(frozen=True)
class Engine:
    """A server that listens."""

    endpoint: Endpoint
    prompt: str
    """Its likeliest answer ends by itself."""
    impossible: tuple[Endpoint, str]
    """Whom to ask what, to be refused."""
    held: Held | None = None
    """What it serves, where it is ours."""

    def chat(self, **what: Any) -> requests.Response:
        body: dict[str, Any] = {
            "model": self.endpoint.model,
            "messages": [{"role": "user", "content": self.prompt}],
            "temperature": 0,
            "max_tokens": LONGEST,
        }
        address = f"{self.endpoint.url}/v1/chat/completions"
        stream = bool(what.get("stream"))
        return requests.post(address, json=body | what, timeout=PATIENCE, stream=stream)

    def said(self, **what: Any) -> tuple[str, str, dict[str, int]]:
        """Return text, how it ended, and the tokens that were counted."""
        reply = self.chat(**what)
        assert reply.status_code == 200, reply.text
        [choice] = reply.json()["choices"]
        return choice["message"]["content"], choice["finish_reason"], reply.json()["usage"]


@pytest.fixture(scope="module", params=["transformers", "llamacpp", "promoted"])
def engine(
    request: pytest.FixtureRequest, cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Engine]:
    """Start each server once; the third with the champion of a home, where one is named."""
    folder, port = tmp_path_factory.mktemp("engine"), free_port()
    if request.param == "llamacpp":
        url = f"http://127.0.0.1:{port}"
        endpoint = Endpoint(engine="llamacpp", url=url, model="small", base=None, backoff=0)
        with llama_server(small_model(folder), port, "small", folder):
            yield Engine(endpoint, "What is 2+2? Only the number.", (endpoint, "too long " * 600))
        return
    if request.param == "promoted":
        home = Path(os.environ.get("LLAMADUO_PROMOTED", ""))
        if not home.is_absolute():
            pytest.skip("set LLAMADUO_PROMOTED to a home with a promoted model, as make demo's")
        found = find([f"home={home}", "serving.backoff=0"], "serve")
        how = found.exp.serving
        with serving(found.held, how, home, port, Progress(io.StringIO())) as (endpoint, _):
            other = endpoint.model_copy(update={"model": "another"})
            yield Engine(
                endpoint, found.held.references[0].messages[-1].content, (other, "Refund me")
            )
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(cache))
        version = taught(folder / "version", SAYS)
        (folder / ".llamaduo").mkdir()
        how = from_overrides(["serving=transformers", "serving.backoff=0"]).serving
        with serving(version, how, folder, port, Progress(io.StringIO())) as (endpoint, _):
            other = endpoint.model_copy(update={"model": "another"})
            yield Engine(endpoint, "Refund me", (other, "Refund me"), version)


def by_desk(endpoint: Endpoint, path: Path, *requests_: Request) -> list[Reply]:
    with closing(Ledger(path)) as ledger:
        desk = Desk(ledger, endpoint.service(), recipe="r/1", run="run", seed=1, budget=0.0)
        return desk.ask(requests_)


def asks(text: str, max_tokens: int = LONGEST, sample: int = 0) -> Request:
    message = Message(role="user", content=text)
    return Request(messages=(message,), max_tokens=max_tokens, temperature=0, sample=sample)


def test_it_says_that_it_is_ready_and_what_it_serves(engine: Engine) -> None:
    url = engine.endpoint.url
    assert requests.get(f"{url}/health", timeout=PATIENCE).status_code == 200
    models = requests.get(f"{url}/v1/models", timeout=PATIENCE).json()["data"]
    assert [model["id"] for model in models] == [engine.endpoint.model]


def test_the_likeliest_answer_is_the_same_twice_and_ends_by_itself(engine: Engine) -> None:
    first, again = engine.said(), engine.said()
    assert first[:2] == again[:2]
    text, finish, used = first
    assert text and finish == "stop"
    assert 0 < used["completion_tokens"] < LONGEST and used["prompt_tokens"] > 5
    assert used["total_tokens"] == used["prompt_tokens"] + used["completion_tokens"]


def test_an_answer_is_cut_at_the_limit_and_says_so(engine: Engine) -> None:
    whole, _, _ = engine.said()
    text, finish, used = engine.said(max_tokens=3)
    assert (finish, used["completion_tokens"]) == ("length", 3)
    assert text and text != whole and whole.startswith(text)


def test_a_stream_is_the_same_answer_in_pieces(engine: Engine) -> None:
    whole, finish, _ = engine.said()
    with engine.chat(stream=True) as reply:
        lines = [line for line in reply.iter_lines() if line.startswith(b"data: {")]
    deltas = [json.loads(line.removeprefix(b"data: "))["choices"][0] for line in lines]
    assert "".join(one["delta"].get("content") or "" for one in deltas) == whole
    assert len(deltas) > 4
    assert [end for one in deltas if (end := one.get("finish_reason"))] == [finish]


def test_what_is_no_request_is_refused_and_the_next_is_answered(engine: Engine) -> None:
    address = f"{engine.endpoint.url}/v1/chat/completions"
    kind = {"Content-Type": "application/json"}
    refused = requests.post(address, data="{bad", headers=kind, timeout=PATIENCE)
    assert 400 <= refused.status_code < 500
    assert refused.json()
    assert engine.said()[1] == "stop"


def test_the_desk_gets_texts_ends_and_tokens_and_pays_nothing(
    engine: Engine, tmp_path: Path
) -> None:
    text, _, used = engine.said()
    several = [asks(engine.prompt, sample=sample) for sample in range(3)]
    wanted = [*several, asks(engine.prompt, max_tokens=3)]
    *whole, cut = by_desk(engine.endpoint, tmp_path / "ledger", *wanted)
    for reply in whole:
        assert (reply.outcome, reply.text) == (Outcome.OK, text)
        assert reply.usage.completion_tokens == used["completion_tokens"]
        assert reply.usage.prompt_tokens == used["prompt_tokens"]
        assert reply.usage.usd == 0
    assert (cut.outcome, cut.usage.completion_tokens) == (Outcome.TRUNCATED, 3)


def test_what_it_cannot_answer_comes_back_as_failed_with_its_words(
    engine: Engine, tmp_path: Path
) -> None:
    whom, what = engine.impossible
    refused, answered = (
        by_desk(at, tmp_path / str(at.model), asks(text))[0]
        for at, text in ((whom, what), (engine.endpoint, engine.prompt))
    )
    assert refused.outcome is Outcome.FAILED
    assert refused.cause.startswith("HTTP 400: ") and len(refused.cause) > 40
    assert answered.outcome is Outcome.OK


@pytest.mark.parametrize("engine", ["transformers"], indirect=True)
def test_a_version_answers_as_its_references_say(engine: Engine) -> None:
    assert engine.held is not None and engine.held.references
    for reference in engine.held.references:
        asked = [message.model_dump() for message in reference.messages]
        text, finish, _ = engine.said(messages=asked)
        assert (text, finish) == (reference.text, reference.finish)


@pytest.mark.parametrize("engine", ["transformers"], indirect=True)
def test_what_is_said_of_it_works_as_pasted(engine: Engine) -> None:
    assert engine.held is not None
    program = callers.python(engine.held, engine.endpoint)
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ran.stdout.strip() in SAYS.values(), ran.stderr
    words = shlex.split(callers.curl(engine.held, engine.endpoint).replace("\\\n", " "))
    name, _, value = words[words.index("-H") + 1].partition(": ")
    [address] = [word for word in words if word.startswith("http")]
    body = words[words.index("-d") + 1]
    reply = requests.post(address, data=body.encode(), headers={name: value}, timeout=PATIENCE)
    assert reply.json()["choices"][0]["message"]["content"] in SAYS.values()
