"""A rollout's surroundings: two chat servers on real sockets, and lines as litellm gives them."""

import hashlib
import io
import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from llamaduo import session
from llamaduo.config import from_overrides
from llamaduo.progress import Progress
from llamaduo.started import Started
from llamaduo.verbs import promote

BRIEF = (
    "experiments=demo_tiny",
    "rounds=1",
    "samples=1",
    "judge.repeats=2",
    "judge.audit=0",
    "baselines=[]",
    "tuner.steps=2",
)
"""A loop of seconds. What it makes is promoted by force."""
TGI_SAYS = {
    422: "Input validation error: `inputs` must have less than 1024 tokens. Given: 3000",
    424: "Request failed during generation: Server error: CUDA out of memory",
    429: "Model is overloaded",
}
KINDS = {422: "validation", 424: "generation", 429: "overloaded"}
LABELS = ("billing", "returns", "delivery", "account")


def label(text: str) -> str:
    """The right answer to a prompt: drawn by it, the same everywhere."""
    draw = hashlib.sha256(text.encode()).digest()[0]
    return json.dumps({"category": LABELS[draw % len(LABELS)]})


@dataclass
class Chat:
    """A server that speaks OpenAI's chat protocol, with TGI's errors where a prompt asks for one.

    A prompt that says `make422` (or 424, 429) gets that error, if it has some; one that says
    `slowly` has its stream take a second.
    """

    says: str = ""
    """Its answer to everything; "" gives the right one."""
    breaks: bool = False
    sent: list[dict[str, Any]] = field(default_factory=list)
    """Bodies it was asked with."""
    keys: set[str] = field(default_factory=set)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def answer(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        self.sent.append(body)
        last = str(body["messages"][-1]["content"])
        for code, said in TGI_SAYS.items():
            if self.breaks and f"make{code}" in last:
                return code, {"error": said, "error_type": KINDS[code]}
        text = self.says or label(last)
        message = {"role": "assistant", "content": text}
        return 200, {
            "id": "",
            "object": "chat.completion",
            "created": 1,
            "model": body["model"],
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110},
        }


def chunks(full: dict[str, Any]) -> Iterator[bytes]:
    """A reply as the events of a stream, in three pieces."""
    text = full["choices"][0]["message"]["content"]
    cut = len(text) // 2
    pieces: list[tuple[dict[str, Any], str | None]] = [
        ({"role": "assistant", "content": text[:cut]}, None),
        ({"content": text[cut:]}, None),
        ({}, "stop"),
    ]
    for delta, finish in pieces:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        event = {**full, "object": "chat.completion.chunk", "choices": [choice]}
        if finish is None:
            event.pop("usage")
        yield f"data: {json.dumps(event)}\n\n".encode()
    yield b"data: [DONE]\n\n"


@contextmanager
def chat(server: Chat, port: int = 0) -> Iterator[Chat]:
    """Put a server on a socket of its own."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.say(200, {"object": "list", "data": []})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            server.keys.add(str(self.headers["Authorization"]))
            code, said = server.answer(body)
            if code != 200 or not body.get("stream"):
                self.say(code, said)
                return
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            slowly = "slowly" in str(body["messages"][-1]["content"])
            for piece in chunks(said):
                self.wfile.write(piece)
                time.sleep(0.3 * slowly)

        def say(self, code: int, said: dict[str, Any]) -> None:
            text = json.dumps(said).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *args: Any) -> None:
            pass

    listening = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.port = listening.server_address[1]
    thread = threading.Thread(target=listening.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        listening.shutdown()
        listening.server_close()
        thread.join()


def promoted(home: Path) -> None:
    """Run a brief loop at `home`, and make its model champion."""
    words = (*BRIEF, f"home={home}")
    session.run(
        from_overrides(list(words)), Progress(io.StringIO()), started=Started(overrides=words)
    )
    promote.main([*words, "--force", "to try a rollout"])


def payload(number: int = 1, arm: str = "1-capture-service", **given: Any) -> dict[str, Any]:
    """A captured call as litellm 1.106.2 gave it, answered with the right label."""
    text = f"Ticket {number}: where is my parcel?"
    message: dict[str, Any] = {"content": label(text), "role": "assistant", "tool_calls": None}
    message |= {"function_call": None, "provider_specific_fields": {"refusal": None}}
    choice = {"finish_reason": "stop", "index": 0, "message": message}
    group = "triage-local" if arm.endswith("-local") and "shadow" in arm else "triage"
    return {
        "id": f"chatcmpl-{arm}-{number}",
        "litellm_call_id": f"call-{arm}-{number}",
        "trace_id": f"trace-{number}",
        "call_type": "acompletion",
        "stream": None,
        "status": "success",
        "model": "openai/gpt",
        "model_group": group,
        "model_id": arm,
        "custom_llm_provider": "openai",
        "startTime": 2e9,
        "endTime": 2e9 + 0.05,
        "response_time": 0.05,
        "prompt_tokens": 100,
        "completion_tokens": 10,
        "response_cost": 0.0002,
        "request_tags": ["User-Agent: python"],
        "model_parameters": {"temperature": 0},
        "messages": [{"role": "system", "content": "Sort."}, {"role": "user", "content": text}],
        "response": {"id": "", "choices": [choice], "usage": {}},
        "is_silent_experiment": False,
        **given,
    }


def failure(number: int, arm: str, code: str, kind: str, **given: Any) -> dict[str, Any]:
    """A captured call that failed."""
    error = {"error_code": code, "error_class": kind, "llm_provider": "openai"}
    error["error_message"] = f"litellm.{kind}: stub {code}"
    return payload(number, arm, status="failure", response=None, error=error, **given)


def jsonl(rows: Sequence[Any]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)
