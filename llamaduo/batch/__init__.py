"""Half price: calls handed in many at once, to be answered within a day.

Providers that take batches bill half for them. A batch is the ledger's from before it is sent to
when its last line is collected, so that a process may end at any moment and the next goes on.
"""

import sys
from collections.abc import Callable, Iterable, Mapping

from llamaduo.batch.book import Book
from llamaduo.batch.following import Following
from llamaduo.batch.handing_in import HandingIn
from llamaduo.batch.through_openai import ThroughOpenai
from llamaduo.errors import UsageError
from llamaduo.ledger import Ledger
from llamaduo.ledger.batches import Batch
from llamaduo.records import Request
from llamaduo.service import Service
from llamaduo.service.chat import ChatService

LIVE = 256
"""Calls handed over at once that are asked live: a kill loses no reply, only the order of work."""


def at_once(service: Service) -> int:
    """Return how many calls are worth handing over at once."""
    if isinstance(service, ChatService) and service.mode == "batch":
        return service.batch_most
    return LIVE


def buy(
    asked: Mapping[str, Request],
    *,
    ledger: Ledger,
    service: Service,
    recipe: str,
    run: str,
    budget: float | None,
    seed_of: Callable[[str], int],
) -> None:
    """Have what is asked answered in batches, as far as it can be; what is left is for live calls.

    Batches that others handed in for the same calls or the same run are waited for first, in live
    mode too: their calls are claimed, and may be paid already.

    Args:
        asked: by the calls' keys.
        seed_of: seed of the call with a key.

    Raises:
        ServiceError: if the provider takes no batch, or cannot be asked about one.
        Cancelled: if one was cancelled meanwhile; what had come is kept.
    """
    if not isinstance(service, ChatService):
        return
    following = Following(Book(ledger), service, ThroughOpenai(service))
    handing_in = HandingIn(following, recipe, run, budget, seed_of)
    tried: set[str] = set()
    try:
        while True:
            _wait_for_ours(following, asked, run)
            if service.mode != "batch":
                return
            known = following.book.answered(list(asked))
            left = [one for one in asked.items() if one[0] not in known and one[0] not in tried]
            if len(left) < service.batch_least:
                return
            handed_in = handing_in.hand_in(left)
            if not handed_in and not _ours(following, dict(left), run):
                return
            tried |= set(handed_in)
    except KeyboardInterrupt:
        for batch in _ours(following, asked, run):
            print(
                f"llamaduo: batch {batch.token} stays with {batch.service} and goes on there. The "
                "same command collects it; `llamaduo ledger --cancel-batch "
                f"{batch.token}` cancels it",
                file=sys.stderr,
            )
        raise


def cancel(ledger: Ledger, services: Iterable[Service], which: str) -> list[str]:
    """Cancel open batches, keep what had been answered, and give up the claims on the rest.

    Args:
        services: by which the providers are reached: all that the runs with open batches ask
            (`experiment.service` and `experiment.judge.services.values()`); others do not matter.
            A batch is its service's whose `limits.payee` it has.
        which: the token of a batch, or the beginning of one's alone; `all`: every open one.

    Returns:
        A line for people for each batch.

    Raises:
        UsageError: if no open batch is called so, or several are, or none of the services is its.
        ServiceError: if a provider cannot be asked. What it has goes on there.
    """
    open_ = _called(Book(ledger).all_open(), which)
    by_payee = {one.limits.payee: one for one in services if isinstance(one, ChatService)}
    if strangers := [one for one in open_ if one.payee not in by_payee]:
        raise UsageError(
            f"batch {strangers[0].token} is at {strangers[0].payee}, which none of the services "
            f"here is: give the overrides of the run that made it ({strangers[0].run})"
        )
    return [_cancel(ledger, by_payee[one.payee], one) for one in open_]


def _called(open_: list[Batch], which: str) -> list[Batch]:
    """Return the batches to cancel: all that are open, or the one that is called so."""
    if which == "all":
        return open_
    if not which:
        raise UsageError("--cancel-batch: give the beginning of a batch's name, or `all`")
    found = [one for one in open_ if one.token.startswith(which)]
    if not found:
        raise UsageError(f"no open batch is called {which}; `llamaduo ledger` lists them")
    if len(found) > 1:
        names = ", ".join(one.token for one in found)
        raise UsageError(
            f"{which} begins the name of {len(found)} open batches ({names}): say more"
        )
    return found


def _cancel(ledger: Ledger, service: ChatService, batch: Batch) -> str:
    following = Following(Book(ledger), service, ThroughOpenai(service))
    return following.cancel(batch.token)


def _wait_for_ours(following: Following, asked: Mapping[str, Request], run: str) -> None:
    for batch in _ours(following, asked, run):
        following.follow(batch.token)


def _ours(following: Following, asked: Mapping[str, Request], run: str) -> list[Batch]:
    """Return the open batches of this service that hold a call of ours, or reserve our budget."""
    book, payee = following.book, following.service.limits.payee
    open_ = [one for one in book.all_open() if one.payee == payee]
    if not open_:
        return []
    holds = {token for key, token in book.holders().items() if key in asked}
    return [one for one in open_ if one.run == run or one.token in holds]
