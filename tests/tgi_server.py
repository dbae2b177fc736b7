"""A TGI server on a real socket, made from TGI's own description of its protocol.

It holds every request body against the schema, and its own replies too. To an adapter it does
not know it answers with the base, as TGI does.
"""

import hashlib
import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jsonschema

SCHEMA = json.loads((Path(__file__).parent / "tgi_schema.json").read_text(encoding="utf-8"))

VALID = {
    name: jsonschema.Draft202012Validator({**SCHEMA, "$ref": f"#/$defs/{name}"})
    for name in SCHEMA["$defs"]
}

OVERLOADED = (429, {"error": "Model is overloaded", "error_type": "overloaded"})
GENERATION = (424, {"error": "CUDA out of memory", "error_type": "generation"})
INCOMPLETE = (500, {"error": "Incomplete generation", "error_type": "incomplete_generation"})
UNHEALTHY = (503, {"error": "unhealthy", "error_type": "healthcheck"})
TOO_LONG = (
    422,
    {
        "error": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 64. "
        "Given: 60 `inputs` tokens and 8 `max_new_tokens`",
        "error_type": "validation",
    },
)
UNAUTHORIZED = (401, None)
"""TGI's reply to a wrong key has no body."""

Canned = tuple[int, dict[str, Any] | None]


@dataclass
class TgiServer:
    """What it serves, what it was asked, and what it shall say wrong."""

    adapters: set[str] = field(default_factory=lambda: {"triage"})
    model_id: str = "llamaduo/tiny-random"
    key: str | None = None
    canned: list[Canned] = field(default_factory=list)
    """Said in the place of the next answers."""
    too_long: str = "\0"
    """What makes a prompt too long."""
    after: int | None = None
    """Answers given until it only turns keys away."""
    wavers: int = 0
    """Of greedy answers of the base, one in so many comes out otherwise."""
    last: str = "<|im_end|>"
    """Text of the last token."""
    finish: str = "eos_token"
    shown: str = ""
    """What of the last token stands in the text: nothing, if the tokenizer calls it special."""
    sent: list[dict[str, Any]] = field(default_factory=list)
    """Bodies of the requests to /generate."""
    headers: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    """What the schema has against a request."""
    url: str = ""
    bare: int = 0

    def sampled(self) -> list[dict[str, Any]]:
        """Return what was asked for answers, and not to prove anything."""
        return [body for body in self.sent if body["parameters"]["do_sample"]]

    def info(self) -> Canned:
        said = {
            "model_id": self.model_id,
            "model_sha": None,
            "max_concurrent_requests": 128,
            "max_best_of": 2,
            "max_stop_sequences": 4,
            "max_input_tokens": 1024,
            "max_total_tokens": 2048,
            "validation_workers": 2,
            "max_client_batch_size": 4,
            "router": "text-generation-router",
            "version": "3.3.5",
        }
        return 200, self.valid("Info", said)

    def generate(self, body: dict[str, Any]) -> Canned:
        self.sent.append(body)
        try:
            self.valid("GenerateRequest", body)
        except jsonschema.ValidationError as error:
            self.wrong.append(error.message)
            return 422, {"error": error.message, "error_type": "validation"}
        if self.after is not None and len(self.sampled()) > self.after:
            return UNAUTHORIZED
        if self.canned:
            return self.canned.pop(0)
        if self.too_long in body["inputs"]:
            return TOO_LONG
        return 200, self.valid("GenerateResponse", self.answer(body))

    def answer(self, body: dict[str, Any]) -> dict[str, Any]:
        asked = body["parameters"]
        known = asked.get("adapter_id") in self.adapters
        by = asked["adapter_id"] if known else "base"
        if not known and not asked["do_sample"]:
            self.bare += 1
            by += str(self.bare) if self.wavers and self.bare % self.wavers == 0 else ""
        draw = asked["seed"] if asked["do_sample"] else 0
        name = hashlib.sha256(f"{body['inputs']}{by}{draw}".encode()).hexdigest()[:6]
        token = {"id": 2, "text": self.last, "logprob": -0.1, "special": True}
        details = {
            "finish_reason": self.finish,
            "generated_tokens": 3,
            "seed": asked["seed"],
            "prefill": [],
            "tokens": [{**token, "text": f"{by} {name}"}, token],
        }
        return {"generated_text": f"{by} {name}{self.shown}", "details": details}

    def valid(self, name: str, value: dict[str, Any]) -> dict[str, Any]:
        """Return `value`, which is as the schema has it."""
        VALID[name].validate(value)
        return value


@contextmanager
def serving(server: TgiServer) -> Iterator[TgiServer]:
    """Put `server` on a socket of its own."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.say(*(server.info() if self.path == "/info" else (404, None)))

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            server.headers.append(str(self.headers))
            right = server.key is None or self.headers["Authorization"] == f"Bearer {server.key}"
            if self.path != "/generate":
                self.say(404, None)
            elif not right:
                self.say(*UNAUTHORIZED)
            else:
                self.say(*server.generate(body))

        def say(self, status: int, value: dict[str, Any] | None) -> None:
            body = b"" if value is None else json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 64

    with Server(("127.0.0.1", 0), Handler) as http:
        server.url = f"http://127.0.0.1:{http.server_port}"
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            http.shutdown()
            thread.join()


def seeds(bodies: Sequence[dict[str, Any]]) -> list[int]:
    return [body["parameters"]["seed"] for body in bodies]
