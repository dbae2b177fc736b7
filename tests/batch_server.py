"""A server on a socket of its own that speaks OpenAI's files and batches, and chat beside them.

A batch goes one state on with every look at it, so no test waits for a clock. What it says to a
request in a batch and to the same one live is the same; it bills half for the first.
"""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

INPUT, OUTPUT = 2.5, 10.0
"""Dollars per million tokens, live."""
MOST = 50_000
"""Requests of one batch."""
DONE = ("validating", "in_progress", "finalizing", "completed")
FINAL = ("completed", "failed", "expired", "cancelled")

Says = Callable[[dict[str, Any]], str | int]
"""Given the body of a chat request: the text of a reply, or the status it is refused with."""


def echo(body: dict[str, Any]) -> str:
    """Say what was asked."""
    return f"{body['messages'][-1]['content']} {body.get('seed', '')}"


@dataclass
class Made:
    """A batch."""

    id: str
    lines: list[dict[str, Any]]
    about: dict[str, Any]
    """What it was made with."""
    errors: list[dict[str, Any]]
    looks: int = 0
    cancelled_at: int | None = None
    """Number of the look before which it was cancelled."""
    billed: bool = False


@dataclass
class Batches:
    """What answers, what it was asked and what it billed."""

    says: Says = echo
    in_batch: Says | None = None
    """What it says in a batch where that is something else than live."""
    states: tuple[str, ...] = DONE
    """Where a batch stands at each look; the last stays."""
    done: Callable[[int], bool] = lambda place: True
    """Whether the line at a place is reached before the batch expires or is cancelled."""
    refuses: Callable[[str, str], int] = lambda method, path: 0
    """The status with which a request is turned away before anything comes of it; 0: it is not."""
    loses: Callable[[str, str], bool] = lambda method, path: False
    """Whether the line goes dead after what was asked is done, before a word of it is said."""
    onward: str = ""
    """Address that a redirect names."""
    instead: Callable[[str, str], str | None] = lambda method, path: None
    """What is said with a 200 in place of what was asked for, before it is done; None: nothing."""
    unlisted: int = 0
    """Lists of batches in which none is shown yet."""
    key: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    made: dict[str, Made] = field(default_factory=dict)
    live: list[dict[str, Any]] = field(default_factory=list)
    """Bodies of chat requests."""
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Method and path of every request."""
    usd: float = 0.0
    """What it has billed."""
    url: str = ""

    @property
    def batched(self) -> list[dict[str, Any]]:
        """Bodies of the requests of all batches."""
        return [line["body"] for batch in self.made.values() for line in batch.lines]

    def reply(self, body: dict[str, Any], says: Says, share: float) -> tuple[int, dict[str, Any]]:
        """Return status and body of one chat request."""
        said = says(body)
        if isinstance(said, int):
            return said, {"error": {"message": "no such thing", "type": "invalid_request_error"}}
        prompt = sum(len(turn["content"]) for turn in body["messages"]) // 4 + 1
        completion = len(said) // 4 + 1
        self.usd += share * (prompt * INPUT + completion * OUTPUT) / 1e6
        message = {"role": "assistant", "content": said, "refusal": None}
        used = {"prompt_tokens": prompt, "completion_tokens": completion}
        return 200, {
            "id": "chatcmpl-x",
            "object": "chat.completion",
            "created": 1,
            "model": body["model"],
            "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
            "usage": used | {"total_tokens": prompt + completion},
        }

    def make(self, about: dict[str, Any]) -> dict[str, Any]:
        """Make a batch of a file."""
        text = self.files[about["input_file_id"]].decode("utf-8")
        lines = [json.loads(line) for line in text.split("\n") if line]
        faults = [
            {"code": code, "message": said, "line": 1, "param": None}
            for code, said, wrong in (
                ("empty_file", "the file has no lines", not lines),
                ("too_many", f"more than {MOST} lines", len(lines) > MOST),
                ("duplicate_custom_id", "twice", len({x["custom_id"] for x in lines}) < len(lines)),
                ("mismatched_model", "models", len({x["body"]["model"] for x in lines}) > 1),
                (
                    "invalid_url",
                    "the url is not the batch's endpoint",
                    any((x["method"], x["url"]) != ("POST", about["endpoint"]) for x in lines),
                ),
            )
            if wrong
        ]
        batch = Made(f"batch_{len(self.made)}", lines, about, faults)
        self.made[batch.id] = batch
        return self.shown(batch)

    def state(self, batch: Made) -> str:
        """Where it stands now."""
        if batch.errors:
            return "failed" if batch.looks else "validating"
        if batch.cancelled_at is not None:
            return "cancelled" if batch.looks > batch.cancelled_at else "cancelling"
        return self.states[min(batch.looks, len(self.states) - 1)]

    def shown(self, batch: Made) -> dict[str, Any]:
        """Return a batch as it is shown; at its end its files are written, and it is billed."""
        state = self.state(batch)
        reached = [x for i, x in enumerate(batch.lines) if state == "completed" or self.done(i)]
        counts = {"total": len(batch.lines), "completed": 0, "failed": 0}
        if state in ("validating", "failed"):
            counts["total"] = 0
        elif state != "in_progress":
            counts["completed"] = len(reached)
        if state in FINAL and state != "failed" and not batch.billed:
            batch.billed = True
            self._finish(batch, reached, state)
        files = {
            name: (f"{batch.id}-{name}" if f"{batch.id}-{name}" in self.files else None)
            for name in ("output", "error")
        }
        if files["error"] and state == "completed":
            counts["failed"] = self.files[files["error"]].count(b"\n")
            counts["completed"] -= counts["failed"]
        return {
            "id": batch.id,
            "object": "batch",
            "endpoint": batch.about["endpoint"],
            "errors": {"object": "list", "data": batch.errors} if batch.errors else None,
            "input_file_id": batch.about["input_file_id"],
            "completion_window": batch.about["completion_window"],
            "status": state,
            "output_file_id": files["output"],
            "error_file_id": files["error"],
            "created_at": 1,
            "request_counts": counts,
            "metadata": batch.about.get("metadata"),
        }

    def _finish(self, batch: Made, reached: list[dict[str, Any]], state: str) -> None:
        """Write the files: what came in another order than it was asked, what failed apart."""
        good: list[dict[str, Any]] = []
        bad: list[dict[str, Any]] = []
        for line in reversed(batch.lines):
            said: dict[str, Any] = {"id": f"r-{line['custom_id']}", "custom_id": line["custom_id"]}
            if line not in reached:
                if state == "expired":
                    why = {"code": "batch_expired", "message": "the window closed before its turn"}
                    bad.append(said | {"response": None, "error": why})
                continue
            status, body = self.reply(line["body"], self.in_batch or self.says, 0.5)
            answer = {"status_code": status, "request_id": "req_x", "body": body}
            (good if status == 200 else bad).append(said | {"response": answer, "error": None})
        for name, rows in (("output", good), ("error", bad)):
            if rows:
                text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
                # Half a surrogate pair has no letter of its own, and is written as JSON escapes it.
                self.files[f"{batch.id}-{name}"] = text.encode("utf-8", "backslashreplace")


def _file_of(content_type: str, body: bytes) -> tuple[str, bytes]:
    """Return the purpose and the bytes of a form with a file."""
    parts = message_from_bytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body)
    found = {}
    for part in parts.walk():
        name = part.get_param("name", header="content-disposition")
        if isinstance(name, str):
            found[name] = part.get_payload(decode=True)
    purpose, file = found["purpose"], found["file"]
    assert isinstance(purpose, bytes)
    assert isinstance(file, bytes)
    return purpose.decode(), file


@contextmanager
def serving(batches: Batches) -> Iterator[Batches]:
    """Serve until the block ends."""
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None: ...

        def _send(self, status: int, body: bytes | dict[str, Any]) -> None:
            said = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", f"{batches.onward}{self.path}")
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def _answer(self, method: str) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            sent = self.rfile.read(length)
            url = urlsplit(self.path)
            path = url.path.removeprefix("/openai").removeprefix("/v1")
            with lock:
                batches.asked.append((method, path))
                given = self.headers.get("api-key") or self.headers.get("Authorization")
                if batches.key and given not in (batches.key, f"Bearer {batches.key}"):
                    self._send(401, {"error": {"message": f"Incorrect API key: {given}"}})
                elif status := batches.refuses(method, path):
                    self._send(status, {"error": {"message": f"refused with {status}"}})
                elif (other := batches.instead(method, path)) is not None:
                    self._send(200, other.encode())
                else:
                    said = self._do(method, path, parse_qs(url.query), sent)
                    if batches.loses(method, path):
                        self.close_connection = True
                    else:
                        self._send(*said)

        def _do(
            self, method: str, path: str, query: dict[str, list[str]], sent: bytes
        ) -> tuple[int, bytes | dict[str, Any]]:
            nothing = 404, {"error": {"message": f"there is no {path}"}}
            match (method, path.strip("/").split("/")):
                case ("POST", ["files"]):
                    purpose, text = _file_of(self.headers["Content-Type"], sent)
                    assert purpose == "batch"
                    name = f"file-{len(batches.files)}"
                    batches.files[name] = text
                    return 200, {
                        "id": name,
                        "object": "file",
                        "bytes": len(text),
                        "created_at": 1,
                        "filename": "batch.jsonl",
                        "purpose": purpose,
                        "status": "processed",
                    }
                case ("GET", ["files", name, "content"]):
                    return (200, batches.files[name]) if name in batches.files else nothing
                case ("POST", ["batches"]):
                    return 200, batches.make(json.loads(sent))
                case ("GET", ["batches"]):
                    if batches.unlisted:
                        batches.unlisted -= 1
                        return 200, {"object": "list", "data": [], "has_more": False}
                    return 200, _listed(query)
                case ("GET", ["batches", name]) if name in batches.made:
                    batch = batches.made[name]
                    batch.looks += 1
                    return 200, batches.shown(batch)
                case ("POST", ["batches", name, "cancel"]) if name in batches.made:
                    batch = batches.made[name]
                    if batches.state(batch) not in FINAL:
                        batch.cancelled_at = batch.looks
                    return 200, batches.shown(batch)
                case ("POST", [*_, "chat", "completions"]):
                    body = json.loads(sent)
                    batches.live.append(body)
                    return batches.reply(body, batches.says, 1.0)
            return nothing

        def do_GET(self) -> None:
            self._answer("GET")

        def do_POST(self) -> None:
            self._answer("POST")

    def _listed(query: dict[str, list[str]]) -> dict[str, Any]:
        """Return a page of batches, the newest first."""
        names = [*reversed(batches.made)]
        if after := query.get("after"):
            names = names[names.index(after[0]) + 1 :]
        most = int(query.get("limit", ["20"])[0])
        page = [batches.shown(batches.made[name]) for name in names[:most]]
        return {
            "object": "list",
            "data": page,
            "first_id": page[0]["id"] if page else None,
            "last_id": page[-1]["id"] if page else None,
            "has_more": len(names) > most,
        }

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    batches.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    try:
        yield batches
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
