"""A server on a socket of its own that speaks OpenAI's chat protocol, as it is told to."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from llamaduo.promotion.references import Reference


@dataclass
class Said:
    """One reply."""

    text: str
    finish: str = "stop"
    prompt_tokens: int | None = 10


@dataclass
class Chat:
    """What answers, and what it was asked."""

    says: Callable[[str, str], Said]
    """Given what requests name, and the last turn of the user."""
    lists: tuple[str, ...] = ("ticket_triage",)
    health: int = 200
    models: int = 200
    """Status of `/v1/models`."""
    body: Any = None
    """What `/v1/models` sends instead of a list."""
    turned_away: Callable[[int], int] = lambda number: 0
    """Given the number of a chat request from 1, the status it is refused with; 0: it is not."""
    info: dict[str, Any] | None = None
    """What `/info` sends, as TGI does."""
    key: str = ""
    """The one it wants; none if empty."""
    asked: list[dict[str, Any]] = field(default_factory=list)
    url: str = ""


@contextmanager
def serving(chat: Chat) -> Iterator[Chat]:
    """Serve until the block ends."""
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None: ...

        def _send(self, status: int, body: Any) -> None:
            said = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def _let_in(self) -> bool:
            if chat.key and self.headers.get("Authorization") != f"Bearer {chat.key}":
                self._send(401, {"error": {"message": "no such key"}})
                return False
            return True

        def do_GET(self) -> None:
            if not self._let_in():
                return
            if self.path == "/health":
                self._send(chat.health, {"status": "ok"})
            elif self.path == "/v1/models":
                listed = {"object": "list", "data": [{"id": name} for name in chat.lists]}
                self._send(chat.models, chat.body if chat.body is not None else listed)
            elif self.path == "/info" and chat.info is not None:
                self._send(200, chat.info)
            else:
                self._send(404, {"error": {"message": "not found"}})

        def do_POST(self) -> None:
            sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if not self._let_in():
                return
            with lock:
                chat.asked.append(sent)
                number = len(chat.asked)
            if status := chat.turned_away(number):
                self._send(status, {"error": {"message": "overloaded"}})
                return
            said = chat.says(sent["model"], sent["messages"][-1]["content"])
            message = {"role": "assistant", "content": said.text}
            choice = {"index": 0, "finish_reason": said.finish, "message": message}
            body: dict[str, Any] = {
                "id": "x",
                "object": "chat.completion",
                "created": 1,
                "model": sent["model"],
                "choices": [choice],
            }
            if said.prompt_tokens is not None:
                used = {"prompt_tokens": said.prompt_tokens, "completion_tokens": 1}
                body["usage"] = used | {"total_tokens": said.prompt_tokens + 1}
            self._send(200, body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    chat.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield chat
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def same(references: list[Reference]) -> Callable[[str, str], Said]:
    """Return what says every reference again."""
    known = {one.messages[-1].content: one for one in references}

    def says(model: str, asked: str) -> Said:
        one = known[asked]
        return Said(one.text, one.finish, one.prompt_tokens)

    return says
