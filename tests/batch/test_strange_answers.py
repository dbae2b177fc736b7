"""A provider that sends on, shows a login page or garbles a line: nothing is sent elsewhere, lost
or paid twice unsaid."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from batch_server import Batches, serving
from batch_world import SECRET, desk, requests, service
from kept import Kept

from llamaduo.batch import following
from llamaduo.batch.lines import bound_usd
from llamaduo.batch.provider import Line, NotTaken
from llamaduo.batch.through_openai import ThroughOpenai
from llamaduo.errors import ServiceError
from llamaduo.ledger import Ledger
from llamaduo.privacy import Privacy
from llamaduo.privacy.redacting import guarded
from llamaduo.records import Message, Outcome, Request
from llamaduo.service.chat import ChatService

ACTS: list[Callable[[ThroughOpenai], Any]] = [
    lambda at: at.upload([Line(id="k", body={"messages": "PROMPT"})]),
    lambda at: at.submit("file-0", "token"),
    lambda at: at.find("token"),
    lambda at: at.look("batch_0"),
    lambda at: list(at.collect("batch_0")),
    lambda at: at.cancel("batch_0"),
]


@pytest.fixture
def server() -> Iterator[Batches]:
    with serving(Batches()) as one:
        yield one


@pytest.fixture
def here(tmp_path: Path) -> Kept:
    return Kept(tmp_path / "private", on_server=False)


@pytest.fixture
def ledger(here: Kept) -> Iterator[Ledger]:
    with closing(here.open()) as one:
        yield one


def azure(server: Batches, **changes: Any) -> ChatService:
    there = {"api_base": server.url.removesuffix("/v1"), "api_version": "2024-10-21"}
    return service(server, **{"model": "azure/ours", **there, **changes})


@pytest.mark.parametrize("status", [302, 307])
@pytest.mark.parametrize("made", [service, azure])
def test_no_redirect_is_followed(
    made: Callable[..., ChatService], status: int, server: Batches, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_KEY", SECRET)
    at = ThroughOpenai(made(server, key_env="A_KEY"))
    server.refuses = lambda method, path: status
    with serving(Batches()) as other:
        server.onward = other.url.removesuffix("/v1")
        for act in ACTS:
            with pytest.raises(NotTaken, match=f"HTTP {status}: it sends on") as error:
                act(at)
            assert not error.value.again
        assert len(server.asked) == len(ACTS)
        assert other.asked == []


def test_no_variable_moves_openais_batches_elsewhere(
    server: Batches, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    by = service(server, api_base=None, key_env="OPENAI_API_KEY", transport="direct")
    with ThroughOpenai(by)._client() as client:
        assert client.base_url.host == "api.openai.com"


def test_a_file_behind_a_redirect_is_not_fetched_and_the_batch_stays(
    server: Batches, here: Kept, ledger: Ledger
) -> None:
    server.refuses = lambda method, path: 302 if path.endswith("/content") else 0
    with serving(Batches()) as other:
        server.onward = other.url.removesuffix("/v1")
        with pytest.raises(ServiceError, match="HTTP 302"):
            desk(ledger, service(server)).ask(requests(0, 1))
        assert other.asked == []
    server.refuses = lambda method, path: 0
    desk(ledger, service(server)).ask(requests(0, 1))
    assert (len(server.made), server.live) == (1, [])


@pytest.mark.parametrize("said", ["<html>Log in</html>", '{"ok": true}', "[]", ""])
def test_what_is_no_answer_of_a_batch_server_is_asked_for_again(
    said: str, server: Batches, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.instead = lambda method, path: said
    for act in ACTS:
        with pytest.raises(NotTaken, match="no server of OpenAI's batches") as error:
            act(ThroughOpenai(service(server)))
        assert (error.value.again, error.value.unsure) == (True, True)


@pytest.mark.parametrize(
    "where", [("POST", r"/files"), ("POST", "/batches"), ("GET", "/batches/"), ("GET", ".*content")]
)
def test_a_login_page_for_a_moment_loses_nothing(
    where: tuple[str, str],
    server: Batches,
    here: Kept,
    ledger: Ledger,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(following, "UNLISTED", 0.0)
    left = ["<html>Log in</html>"]

    def instead(method: str, path: str) -> str | None:
        return left.pop() if left and method == where[0] and re.match(where[1], path) else None

    server.instead = instead
    replies = desk(ledger, service(server)).ask(requests(*range(4)))
    assert not left
    assert {reply.outcome for reply in replies} == {Outcome.OK}
    assert (len(server.made), server.live) == (1, [])
    assert here.account() == pytest.approx((server.usd, 0.0), abs=1e-12)


def garbling(server: Batches, garbled: Callable[[str], str]) -> None:
    """Garble the first line of the file of replies, once it is written."""

    def instead(method: str, path: str) -> str | None:
        if not path.endswith("/content"):
            return None
        first, *rest = server.files[path.split("/")[2]].decode().split("\n")
        return "\n".join([garbled(first), *rest])

    server.instead = instead


@pytest.mark.parametrize(
    ("garbled", "nameless"),
    [
        (lambda line: json.dumps({"custom_id": json.loads(line)["custom_id"], "response": 7}), 0),
        (lambda line: line[:20], 1),
    ],
)
def test_a_line_that_cannot_be_read_is_unproven_and_asked_live(
    garbled: Callable[[str], str],
    nameless: int,
    server: Batches,
    here: Kept,
    ledger: Ledger,
    capsys: pytest.CaptureFixture[str],
) -> None:
    garbling(server, garbled)
    at = desk(ledger, service(server))
    replies = at.ask(requests(*range(4)))
    assert {reply.outcome for reply in replies} == {Outcome.OK}
    assert (len(server.batched), len(server.live)) == (4, 1)
    bound = bound_usd(service(server), requests(0)[0])
    assert ledger.unproven("run") == pytest.approx(bound)
    assert here.look("select count(*) from replies where outcome = 'failed'") == [(1,)]
    told = "1 of its lines cannot be read, whose calls are unknown"
    assert capsys.readouterr().err.count(told) == nameless


class Clock:
    """A clock on which only sleeping takes time."""

    def __init__(self) -> None:
        self.now = 1e9

    def time(self) -> float:
        return self.now

    monotonic = time

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_a_batch_that_is_on_no_list_counts_as_never_made_after_a_quarter_of_an_hour(
    server: Batches, here: Kept, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr(following, "time", clock)
    monkeypatch.setattr("llamaduo.batch.handing_in.time", clock)
    tried = []

    def refuses(method: str, path: str) -> int:
        if (method, path) == ("POST", "/batches"):
            tried.append(clock.now)
            return 503 if len(tried) == 1 else 0
        return 0

    server.refuses = refuses
    desk(ledger, service(server, batch_poll_seconds=60)).ask(requests(0, 1))
    assert tried == [1e9, 1e9 + following.UNLISTED]
    assert (len(server.made), server.live) == (1, [])


def test_a_batch_of_which_its_provider_was_not_told_is_not_looked_for(
    server: Batches, here: Kept, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(self: ThroughOpenai, lines: Any) -> str:
        monkeypatch.undo()
        monkeypatch.setattr("llamaduo.batch.book.Book.take_back", lambda self, token: None)
        raise KeyboardInterrupt

    monkeypatch.setattr(ThroughOpenai, "upload", dies)
    with pytest.raises(KeyboardInterrupt):
        desk(ledger, service(server)).ask(requests(0, 1))
    monkeypatch.undo()
    desk(ledger, service(server)).ask(requests(0, 1))
    assert server.asked.count(("GET", "/batches")) == 2  # once before each is handed in
    assert (len(server.made), server.live) == (1, [])


@pytest.mark.parametrize("series", ["gpt5_series", "o_series"])
def test_at_azure_lines_name_the_deployment_and_send_what_its_series_takes(
    series: str, server: Batches, ledger: Ledger
) -> None:
    by = azure(server, model=f"azure/{series}/ours")
    desk(ledger, by).ask(requests(0, 1))
    assert {body["model"] for body in server.batched} == {"ours"}
    assert all("max_tokens" not in body for body in server.batched)
    assert all(body["max_completion_tokens"] == 20 for body in server.batched)


def test_batches_may_be_sent_to_a_deployment_of_their_own(server: Batches, ledger: Ledger) -> None:
    by = azure(server, batch_model="ours-batch")
    assert by.key() == azure(server).key()
    server.in_batch = lambda body: 500
    replies = desk(ledger, by).ask(requests(0, 1))
    assert {body["model"] for body in server.batched} == {"ours-batch"}
    assert {body["model"] for body in server.live} == {"ours"}
    assert {reply.outcome for reply in replies} == {Outcome.OK}


def test_what_is_handed_in_is_hidden_and_what_comes_back_has_the_values(
    server: Batches, here: Kept, ledger: Ledger
) -> None:
    by = service(server)
    hides = Privacy(personal_data="redact", ignore=("secret",), inside=())
    people = [f"p{place}@acme-people.org" for place in range(12)]
    asked = [
        Request(
            messages=(Message(role="user", content=f"Write to {who}, {place}"),),
            max_tokens=20,
            temperature=1.0,
        )
        for place, who in enumerate(people)
    ]
    caller = guarded(desk(ledger, by), by, hides)
    assert caller.at_once == by.batch_most
    replies = caller.ask(asked)
    assert [who in reply.text for who, reply in zip(people, replies, strict=True)] == [True] * 12
    assert (len(server.batched), server.live) == (12, [])
    assert all("Write to [EMAIL_1], " in body["messages"][0]["content"] for body in server.batched)
    assert not any(b"acme-people" in file for file in server.files.values())
    assert not any(b"acme-people" in file.read_bytes() for file in here.private.rglob("*.sqlite*"))
