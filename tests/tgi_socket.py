"""HTTP round a TGI server: keys, bodies, streams, and connections that break."""

import json
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from typing import TYPE_CHECKING, Any

import tgi_contract
from tgi_replies import INCOMPLETE, UNAUTHORIZED, Canned, Json, Said, as_event, by_http

if TYPE_CHECKING:
    from tgi_server import TgiServer

GENERATE = "POST /generate"
STREAM = "POST /generate_stream"


class Http(ThreadingHTTPServer):
    """The socket of one server."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, server: "TgiServer") -> None:
        self.tgi = server
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep what went wrong in a thread, for the test to see; a client that left is none."""
        error = sys.exception()
        if not isinstance(error, ConnectionError):
            self.tgi.wrong.append(f"the server fell over a request: {error!r}")


class _Handler(BaseHTTPRequestHandler):
    """One request. Keys guard the routes that answer, and no others, as in TGI."""

    protocol_version = "HTTP/1.1"
    server: Http

    def do_GET(self) -> None:
        said = self.server.tgi.get(self.path)
        if said is None:
            self._say(404, None)
        else:
            self._reply(f"GET {self.path}", said)

    def do_POST(self) -> None:
        tgi, route = self.server.tgi, f"POST {self.path}"
        sent = self.rfile.read(int(self.headers["Content-Length"]))
        tgi.headers.append(str(self.headers))
        if route not in tgi_contract.ROUTES:
            self._say(404, None)
            return
        if tgi.key is not None and self.headers["Authorization"] != f"Bearer {tgi.key}":
            self._reply(route, UNAUTHORIZED)
            return
        body = json.loads(sent)
        said = tgi.answer(route, body)
        if route == STREAM or (route not in (GENERATE, STREAM) and body.get("stream")):
            self._stream(route, body, said)
        elif not isinstance(said, Said):
            self._reply(route, said)
        elif route == GENERATE:
            details = body.get("parameters", {}).get("details", True)
            self._reply(route, (200, said.generated(details=details)))
        else:
            self._reply(route, (200, said.completed()))

    def _stream(self, route: str, body: Json, said: Canned | Said) -> None:
        if not isinstance(said, Said) and by_http(said):
            self._reply(route, said)
            return
        self._head(200, "text/event-stream", ("Transfer-Encoding", "chunked"))
        cut = self.server.tgi.cut
        for event in islice(self._events(route, body, said), cut):
            self._chunk(f"data: {event}\n\n".encode())
        if cut is None:
            self._chunk(b"")

    def _events(self, route: str, body: Json, said: Canned | Said) -> Iterator[str]:
        """Yield what stands behind `data:`; a chat ends by `[DONE]`, also after an error."""
        tgi = self.server.tgi
        made: Iterator[Json]
        if not isinstance(said, Said):
            made = iter([as_event(route, said)])
        elif route == STREAM:
            made = said.generated_events()
        else:
            made = said.chunks(
                usage=bool((body.get("stream_options") or {}).get("include_usage")),
            )
        if tgi.fails is not None:
            made = iter([*islice(made, tgi.fails), as_event(route, INCOMPLETE)])
        for event in made:
            tgi.wrong += tgi_contract.of_event(route, event)
            yield json.dumps(event)
        if route != STREAM:
            yield "[DONE]"

    def _reply(self, route: str, said: Canned) -> None:
        self.server.tgi.wrong += tgi_contract.of_reply(route, *said)
        self._say(*said)

    def _say(self, status: int, value: dict[str, Any] | None) -> None:
        body = b"" if value is None else json.dumps(value).encode()
        self._head(status, "application/json", ("Content-Length", str(len(body))))
        self.wfile.write(body[: self.server.tgi.cut] if self.command == "POST" else body)

    def _head(self, status: int, kind: str, *headers: tuple[str, str]) -> None:
        self.close_connection = True
        self.send_response(status)
        for name, value in [("Content-Type", kind), ("Connection", "close"), *headers]:
            self.send_header(name, value)
        self.end_headers()

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:
        pass
