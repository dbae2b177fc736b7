"""A caller that sends nothing in which something is found that nobody has said may be sent.

For calls whose texts are not known before: captured ones, which users wrote yesterday.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from llamaduo.errors import ConfigError
from llamaduo.privacy import Privacy
from llamaduo.privacy.finder import Finder
from llamaduo.privacy.kinds import counted
from llamaduo.privacy.redacting import guarded
from llamaduo.records import Reply, Request
from llamaduo.service import Caller, Service


def careful(caller: Caller, service: Service, privacy: Privacy) -> Caller:
    """Return the caller that asks `service` only what may be sent, hidden where that is wanted."""
    kinds = privacy.kinds("ask")
    if kinds and privacy.leaves(service):
        caller = Asking(caller, Finder(kinds, privacy.phones))
    return guarded(caller, service, privacy)


@dataclass(frozen=True)
class Asking:
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
        """Return one reply for each request.

        Raises:
            ConfigError: before any is sent, with how many hold what; what was asked for in
                earlier batches is kept.
        """
        texts = {m.content for request in requests for m in request.messages}
        found = {text: {(one.kind, one.value) for one in self.finder.find(text)} for text in texts}
        counts = Counter(kind for values in found.values() for kind, _ in values)
        if counts:
            some = sum(map(bool, found.values()))
            raise ConfigError(
                f"{some} of {len(found)} prompts for {self.name} hold {counted(counts)}: set "
                "privacy.personal_data and privacy.secrets to send to send them as they are, to "
                "redact to send placeholders"
            )
        return self.caller.ask(requests, reads)
