"""The stand-in of a provider fails as it says, and counts what it saw."""

import http.client
import json
import socket
import time
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
from fault_server import FaultServer, always, fault_server, in_turn, storm
from faults import BIG, FAULTS, FREE

PATHS = {
    "openai": "/v1/chat/completions",
    "anthropic": "/v1/messages",
    "gemini": "/v1beta/models/m:generateContent",
}
ASKED: dict[str, Any] = {
    "model": "m",
    "messages": [{"role": "user", "content": "How?"}],
    "max_tokens": 9,
}
BROKEN = (
    http.client.HTTPException,
    ConnectionError,
    TimeoutError,
)
"""What a client meets where no whole answer comes."""


def ask(
    server: FaultServer, wire: str = "openai", body: dict[str, Any] | None = None, once: str = ""
) -> tuple[int, dict[str, str], bytes]:
    """Post a question; status, headers in lower case, body."""
    at = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=0.2)
    try:
        at.request("POST", PATHS[wire], json.dumps(body or ASKED), {"Idempotency-Key": once})
        late = time.monotonic() + 0.2
        got = at.getresponse()
        said = b""
        while piece := got.read1(1 << 20):
            said += piece
            if time.monotonic() > late:
                raise TimeoutError
        if got.length:
            raise http.client.IncompleteRead(said)
        return got.status, {name.lower(): value for name, value in got.getheaders()}, said
    finally:
        at.close()


@pytest.mark.parametrize("wire", PATHS)
def test_what_can_be_met_is_met_and_billed_on_every_wire(wire: str) -> None:
    broken = {"hang", "stall", "drip", "reset", "reset before a byte", "short body", "cut chunks"}
    with fault_server(drip=0.02) as server:
        for fault in FAULTS:
            server.script = always(fault)
            if fault in broken:
                with pytest.raises(BROKEN):
                    ask(server, wire)
            else:
                status, headers, body = ask(server, wire)
                late = fault == "504"  # a gateway gave up on what is billed behind it
                assert (status == 200) != (fault in FREE or late)
                assert ("retry-after" in headers) == (fault in ("429 in seconds", "429 by date"))
                assert (len(body) >= BIG) == (fault == "10 MB")
            last = server.seen[-1]
            assert (last.fault, last.wire, last.model) == (fault, wire, "m")
            assert (last.usd > 0) != (fault in FREE)
            assert last.answered == (fault not in broken)
        assert len(server.seen) == len(FAULTS)
        server.script = always("")
        assert ask(server, wire)[0] == 200


def test_a_reset_is_no_end_of_the_connection_but_a_break() -> None:
    with fault_server(script=always("reset before a byte")) as server:
        _, _, port = server.url.rpartition(":")
        with socket.create_connection(("127.0.0.1", int(port)), timeout=2) as raw:
            body = json.dumps(ASKED)
            head = f"POST {PATHS['openai']} HTTP/1.1\r\nContent-Length: {len(body)}\r\n\r\n"
            raw.sendall((head + body).encode())
            with pytest.raises(ConnectionResetError):
                raw.recv(1)


def test_faults_come_in_turn_and_a_date_is_in_the_future() -> None:
    with fault_server(script=in_turn("429 by date", "500"), retry_after=0.5) as server:
        first, second, third = (ask(server) for _ in range(3))
    assert (first[0], second[0], third[0]) == (429, 500, 200)
    assert 0 < parsedate_to_datetime(first[1]["retry-after"]).timestamp() - time.time() + 0.5 < 2.1
    assert [seen.tries for seen in server.seen] == [0, 1, 2]
    assert server.billed == server.seen[2].usd > 0


def test_a_storm_is_the_same_for_the_same_seed_and_in_any_order() -> None:
    asked = [{**ASKED, "seed": number} for number in range(40)]
    met = []
    for bodies in (asked, asked[::-1]):
        with fault_server(script=storm(1, 0.5, "500", "429", "no usage")) as server:
            for body in bodies:
                ask(server, body=body)
            met.append({seen.asks: seen.fault for seen in server.seen})
    assert met[0] == met[1]
    assert set(met[0].values()) == {"", "500", "429", "no usage"}


def test_a_provider_that_knows_idempotency_keys_bills_once() -> None:
    with fault_server(remembers=True) as server:
        first, again, other = ask(server, once="a"), ask(server, once="a"), ask(server)
        assert first[2] == again[2] == other[2]
        assert [seen.once for seen in server.seen] == ["a", "a", ""]
        assert [seen.usd > 0 for seen in server.seen] == [True, False, True]


def test_what_is_nobodys_protocol_is_not_found_and_not_counted() -> None:
    with fault_server() as server:
        at = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=2)
        at.request("GET", "/v1/models")
        assert at.getresponse().status == 404
        at.close()
        assert server.seen == []
