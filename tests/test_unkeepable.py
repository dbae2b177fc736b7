"""Replies that no database takes as they are, and a step that fails: the others lose nothing."""

import os
from collections.abc import Iterator
from contextlib import closing

import pytest
from kept import Kept, answer, claim, ok
from test_desk import Scripted, ask_for, bought, desk, within

from llamaduo.database import Tables
from llamaduo.errors import LlamaDuoError
from llamaduo.ledger import Ledger, tries
from llamaduo.records import Outcome, Reply, Request, Usage
from llamaduo.service import Heard

HALF = "so \ud83d"


@pytest.fixture
def ledger(kept: Kept) -> Iterator[Ledger]:
    with closing(kept.open()) as made:
        yield made


BAD = [
    Heard(Reply(outcome=Outcome.REFUSED).model_copy(update={"cause": HALF})),
    Heard(Reply(outcome=Outcome.OK).model_copy(update={"text": HALF, "model": HALF})),
    Heard(Reply(outcome=Outcome.OK), raw=HALF, headers={"request-id": HALF}),
    Heard(Reply(outcome=Outcome.OK, usage=Usage(prompt_tokens=10**30, thinking_tokens=10**20))),
]


@pytest.mark.parametrize("bad", BAD)
def test_whatever_a_reply_holds_it_and_those_beside_it_are_kept(ledger: Ledger, bad: Heard) -> None:
    def says(request: Request, tries: int) -> Heard:
        return bad if request.sample == 2 else Heard(bought(request))

    with within(20):
        replies = desk(ledger, Scripted(says)).ask(ask_for(*range(6)))
    assert replies[2].outcome is bad.reply.outcome
    rows = ledger.tables.execute("select state from calls").fetchall()
    assert rows == [("answered",)] * 6
    tally = ledger.tally("judge/1")
    assert sum(tally.outcomes.values()) == 6, "and all can be read and added up"


def test_what_reading_showed_is_kept_whatever_it_quotes(ledger: Ledger) -> None:
    desk(ledger, Scripted()).ask(ask_for(1), lambda request, text: HALF)
    assert ledger.tally("judge/1").outcomes == {"unreadable": 1}


def test_text_of_a_reply_is_such_as_a_result_can_hold() -> None:
    reply = Reply(outcome=Outcome.OK, cause=HALF, text=HALF, model=HALF)
    assert (reply.cause, reply.text, reply.model) == ("so ?", "so ?", "so ?")


def test_a_step_that_fails_takes_no_other_with_it_and_holds_up_nobody(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep = tries.keep
    odd: list[str] = []

    def kept(db: Tables, key: str, attempt: int, heard: Heard, **given: float) -> None:
        if heard.raw == "odd":
            odd.append(key)
            raise ValueError("it cannot be kept")
        keep(db, key, attempt, heard, seconds=given["seconds"], unproven=given["unproven"])

    def says(request: Request, tries: int) -> Heard:
        return Heard(bought(request), raw="odd" if request.sample == 2 else "")

    monkeypatch.setattr(tries, "keep", kept)
    service = Scripted(says)
    with within(20), pytest.raises(ValueError, match="it cannot be kept"):
        desk(ledger, service).ask(ask_for(*range(6)))
    rows = ledger.tables.execute("select key, state from calls").fetchall()
    assert odd[0] not in dict(rows), "it is free: this process lives on, and nobody else can"
    assert len(rows) == len(service.asked) - 1, "what came with it is kept"
    assert {state for _, state in rows} == {"answered"}
    assert ledger.unproven("run") == 1.0, "it was paid for, as far as anybody can tell"
    monkeypatch.undo()
    with within(20):
        assert len(desk(ledger, service).ask(ask_for(*range(6)))) == 6


def test_tables_that_an_older_version_has_calls_in_flight_in_keep_their_shape(
    ledger: Ledger, kept: Kept
) -> None:
    older = "update about set version = 1" if kept.on_server else "pragma user_version = 1"
    version = "select version from about" if kept.on_server else "pragma user_version"
    claim(ledger, "k")
    kept.look(older)
    with pytest.raises(
        LlamaDuoError, match=rf"process {os.getpid()} on .*, has calls in flight there \(1\)"
    ):
        kept.open()
    assert kept.look(version) == [(1,)]
    answer(ledger, "k", ok())
    assert kept.account() == (0.25, 0.0), "what came is kept"
