"""A caller that sends placeholders for what is found, and gives back replies with the values.

What it hands on is all that the ledger keeps of a call: what was sent and what came. The
values are nowhere but in the rows, and in what is made of the replies.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from llamaduo.privacy import Privacy
from llamaduo.privacy.finder import Finder
from llamaduo.privacy.hidden import Hidden
from llamaduo.records import Reply, Request
from llamaduo.service import Caller, Service


def guarded(caller: Caller, service: Service, privacy: Privacy) -> Caller:
    """Return the caller that asks `service`, with what has to be hidden from it hidden."""
    if not privacy.hides(service):
        return caller
    return Redacting(caller, Finder(privacy.kinds("redact"), privacy.phones))


def hidden_from(privacy: Privacy, services: Iterable[Service]) -> list[object]:
    """Return what tells results of these services from those of requests as they are.

    It is a part of a fingerprint or a recipe; nothing, where nothing is hidden from any of them.
    """
    keys = [service.key() for service in services if privacy.hides(service)]
    return [privacy.key(), keys] if keys else []


@dataclass(frozen=True)
class Redacting:
    """Stands before another caller."""

    caller: Caller
    finder: Finder

    @property
    def name(self) -> str:
        """What the rows it writes say they are by."""
        return self.caller.name

    @property
    def at_once(self) -> int:
        """Calls worth handing over at once."""
        return self.caller.at_once

    @property
    def spend(self) -> str:
        """The run's spend so far, for people."""
        return self.caller.spend

    def ask(
        self,
        requests: Sequence[Request],
        reads: Callable[[Request, str], str] = lambda request, text: "",
    ) -> list[Reply]:
        """Return one reply for each request, as if it had been asked with the values.

        Two requests that differ in hidden values alone are one call, and one reply to both.
        """
        hidden = [Hidden(request, self.finder) for request in requests]
        of = {h.request.model_dump_json(): (h, r) for h, r in zip(hidden, requests, strict=True)}

        def reads_restored(sent: Request, text: str) -> str:
            known, asked = of[sent.model_dump_json()]
            return reads(asked, known.restored(text))

        replies = self.caller.ask([one.request for one in hidden], reads_restored)
        return [
            reply.model_copy(update={"text": one.restored(reply.text)})
            for one, reply in zip(hidden, replies, strict=True)
        ]
