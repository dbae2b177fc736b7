"""What a provider may do to a batch that is no plain answer: the rest is kept, nothing is lost."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from batch_server import Batches, Says, serving
from batch_world import desk, requests, service
from kept import Kept

from llamaduo import batch
from llamaduo.batch.lines import bound_usd
from llamaduo.errors import ServiceError
from llamaduo.ledger import Ledger
from llamaduo.records import Outcome

LIST = ("GET", "/batches")
FAILED = "select raw, usd, unproven from replies where outcome = 'failed'"


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


def altered(server: Batches, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the body of the reply to the third request, in batches and live."""
    plain = server.reply

    def reply(body: dict[str, Any], says: Says, share: float) -> tuple[int, dict[str, Any]]:
        status, said = plain(body, says, share)
        if "0003?" in body["messages"][0]["content"]:
            change(said)
        return status, said

    server.reply = reply  # type: ignore[method-assign]


def test_half_a_surrogate_pair_keeps_no_batch_from_being_collected(
    server: Batches, here: Kept, ledger: Ledger
) -> None:
    server.says = lambda body: "half \ud83d" if "3?" in body["messages"][0]["content"] else "whole"
    replies = desk(ledger, service(server)).ask(requests(*range(5)))
    assert [reply.text for reply in replies] == ["whole", "whole", "whole", "half ?", "whole"]
    assert here.account() == pytest.approx((server.usd, 0.0), abs=1e-12)


def test_a_reply_that_cannot_be_read_is_kept_may_have_cost_all_and_is_not_bought_again(
    server: Batches, here: Kept, ledger: Ledger
) -> None:
    altered(server, lambda said: said["choices"][0].update(message="no mapping"))
    for _ in range(2):
        replies = desk(ledger, service(server)).ask(requests(*range(5)))
        ends = [reply.outcome for reply in replies]
        assert ends == [Outcome.OK] * 3 + [Outcome.FAILED, Outcome.OK]
    [(raw, usd, unproven)] = here.look(FAILED)
    assert '"no mapping"' in raw
    assert usd == 0
    bound = bound_usd(service(server), requests(3)[0])
    assert unproven == pytest.approx(bound) == pytest.approx(ledger.unproven("run"))
    assert (len(server.made), server.live) == (1, [])
    assert here.account()[1] == pytest.approx(0.0, abs=1e-12)


def test_what_another_model_answered_is_paid_once(
    server: Batches, here: Kept, ledger: Ledger
) -> None:
    by = service(server, answers_as="gpt-5")
    for _ in range(2):
        replies = desk(ledger, by).ask(requests(*range(4)))
        assert {reply.outcome for reply in replies} == {Outcome.FAILED}
        assert "answered, not gpt-5" in replies[0].cause
    assert (len(server.batched), server.live) == (4, [])
    assert here.account() == pytest.approx((server.usd, 0.0), abs=1e-12)


@pytest.mark.parametrize("status", [404, 405])
def test_a_provider_without_a_list_of_batches_is_handed_none(
    status: int, server: Batches, here: Kept, ledger: Ledger
) -> None:
    server.refuses = lambda *asked: status if asked == LIST else 0
    with pytest.raises(ServiceError, match=r"its list of batches.*service\.mode=live"):
        desk(ledger, service(server)).ask(requests(*range(4)))
    assert server.files == {}
    assert here.account() == pytest.approx((0.0, 0.0), abs=1e-12)
    assert here.look("select * from batches") == []


def test_a_batch_that_was_lost_and_cannot_be_looked_for_can_be_cancelled(
    server: Batches, here: Kept, ledger: Ledger
) -> None:
    """The provider may have it and bill it."""
    server.loses = lambda *asked: asked == ("POST", "/batches")
    server.refuses = lambda *asked: 404 if server.made and asked == LIST else 0
    for _ in range(2):
        with pytest.raises(ServiceError, match=r"does not know batch (\w+): .*cancel-batch \1`"):
            desk(ledger, service(server)).ask(requests(*range(4)))
    [line] = batch.cancel(ledger, [service(server)], "all")
    assert "it is not known there; what 4 calls may have cost is unproven" in line
    bounds = 4 * bound_usd(service(server), requests(0)[0])
    assert ledger.unproven("run") == pytest.approx(bounds)
    assert here.account() == pytest.approx((0.0, 0.0), abs=1e-12)
    assert len(desk(ledger, service(server, mode="live")).ask(requests(*range(4)))) == 4
