"""A stand-in for a server of one's own: streams answers at a fixed speed, so many at once."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKENS = 4
"""Of every answer."""


@dataclass
class Streaming:
    """What it is told, and what it was asked."""

    url: str = ""
    slots: int = 1
    """Answers that it writes at once; the others wait, as they do at a real server."""
    seconds: float = 0.02
    """Until each token."""
    key: str = ""
    """That a request has to carry; "" for none."""
    usage: bool = True
    """Whether it says how many tokens there were."""
    fails: int = 0
    """Every so manieth request is answered with 503; 0 for none."""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    refused: int = 0


@contextmanager
def streaming(**told: Any) -> Iterator[Streaming]:
    """Serve on a port of this machine until the block ends."""
    state = Streaming(**told)
    slots, count = threading.Semaphore(state.slots), threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if state.key and self.headers.get("Authorization") != f"Bearer {state.key}":
                state.refused += 1
                return self.short(401, {"error": {"message": "no such key"}})
            with count:
                state.bodies.append(body)
                number = len(state.bodies)
            if state.fails and number % state.fails == 0:
                return self.short(503, {"error": {"message": "too much to do"}})
            with slots:
                if body.get("stream"):
                    return self.stream(body)
                time.sleep(TOKENS * state.seconds)
            text = "word " * TOKENS
            choice = {"index": 0, "message": {"role": "assistant", "content": text}}
            choice["finish_reason"] = "stop"
            return self.short(200, {"id": "1", "choices": [choice], "usage": self.counted(body)})

        def stream(self, body: dict[str, Any]) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for _ in range(TOKENS):
                time.sleep(state.seconds)
                self.event({"choices": [{"index": 0, "delta": {"content": "word "}}]})
            last: dict[str, Any] = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
            self.event(last | ({"usage": self.counted(body)} if state.usage else {}))
            self.chunk(b"data: [DONE]\n\n")
            self.chunk(b"")

        def counted(self, body: dict[str, Any]) -> dict[str, int]:
            words = sum(len(message["content"].split()) for message in body["messages"])
            return {
                "prompt_tokens": words,
                "completion_tokens": TOKENS,
                "total_tokens": words + TOKENS,
            }

        def event(self, what: dict[str, Any]) -> None:
            self.chunk(f"data: {json.dumps({'id': '1', **what})}\n\n".encode())

        def chunk(self, data: bytes) -> None:
            self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
            self.wfile.flush()

        def short(self, status: int, what: dict[str, Any]) -> None:
            data = json.dumps(what).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    class Server(ThreadingHTTPServer):
        request_queue_size = 128

        def handle_error(self, request: object, client_address: object) -> None:
            """Say nothing of a client that hung up."""

    server = Server(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
