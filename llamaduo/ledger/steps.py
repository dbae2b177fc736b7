"""What a process does with its calls, each step in one transaction, or several in one."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import TypeVar

from llamaduo.database import Database, Tables, whole
from llamaduo.ledger import acts, batches, tries
from llamaduo.ledger.acts import Act, Held
from llamaduo.ledger.claims import Call, Claim
from llamaduo.records import Outcome
from llamaduo.service import Heard

T = TypeVar("T")


class Steps:
    """The tables, the calls that this process has claimed, and what it can do with them."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self.spent_now = 0.0
        """Dollars this process has paid."""
        self.calls_now = 0
        """Tries this process has sent, those that failed too."""
        self._claims: dict[str, Held] = {}
        """What this process has claimed."""

    def transaction(self) -> AbstractContextManager[Tables]:
        """Hand out the tables to one process at a time; all is done with them, or nothing."""
        return self._db.transaction()

    def _lives(self, owner: str, since: float) -> bool:
        """Whether who made a claim at `since` may still answer it: a process, or a batch.

        To be asked within a transaction.
        """
        if owner.startswith(batches.OWNER):
            return batches.lives(self._db, owner)
        return self._db.alive(owner, since)

    def answered(self, key: str) -> bool:
        """Whether `key` has been answered: most are, when a run goes on."""
        sql = "select state from calls where key = ?"
        return bool(self._db.execute(sql, (key,)).fetchone() == ("answered",))

    def mine(self, key: str) -> Held | None:
        """Return the claim on `key` that this process has; None where it has none."""
        return self._claims.get(key)

    @property
    def unsettled(self) -> bool:
        """Whether something was done that `settle` is still to wait for."""
        return self._db.unsettled

    def settle(self) -> None:
        """Wait until all that was done before outlasts a power cut; for any thread."""
        self._db.settle()

    @whole
    def do(self, steps: Sequence[Act[T]], *, lasting: bool = True) -> list[T]:
        """Do several in one transaction; returns what came of each.

        Args:
            lasting: False where `settle` is called before anything is built on it.
        """
        with self._db.transaction(lasting) as db:
            found = [step.do(db) for step in steps]
        for step, one in zip(steps, found, strict=True):
            step.after(one)
        return found

    def claiming(self, call: Call) -> Act[tuple[Claim, Held | None]]:
        """Claim a call, reserve what it can cost, and book when it goes out; or say why not."""

        def after(found: tuple[Claim, Held | None]) -> None:
            if found[1] is not None:
                self._claims[call.key] = found[1]

        return Act(lambda db: acts.claim(db, self._db.owner, self._lives, call), after)

    def sending(self, key: str) -> Act[Held | None]:
        """Let a claimed call go out, if its moment has come; else say when that is.

        None where it has to be claimed anew, since another process took it over.
        """
        held = self._claims[key]

        def after(found: Held | None) -> None:
            if found is None:
                self._claims.pop(key, None)
            else:
                self._claims[key] = found

        return Act(lambda db: acts.send(db, self._db.owner, held), after)

    def answering(self, key: str, heard: Heard, *, seconds: float, last: bool) -> Act[None]:
        """Keep a try. With `last` the call is answered and its reservation settled.

        Where nobody saw how it ended, what was reserved is unproven from now on. After such a try,
        and after one that was paid, a further one has to be claimed anew: what was reserved is
        spent.

        A claim can be gone: the connection was lost for so long that another process took
        the call over. The reply was paid all the same, so it is kept and counted; where the
        other's claim or answer stands, before the replies that are there.
        """
        held = self._claims.get(key)

        def after(_: None) -> None:
            if last or acts.spent(heard):
                self._claims.pop(key, None)
            elif held is not None:
                self._claims[key] = Held(held.call, held.day)
            self.spent_now += heard.reply.usage.usd
            self.calls_now += 1

        return Act(
            lambda db: acts.answer(db, self._db.owner, held, key, heard, seconds, last), after
        )

    def claim(self, call: Call) -> Claim:
        """Claim a call, reserve what it can cost, and book when it goes out; or say why not."""
        return Claim.ANSWERED if self.answered(call.key) else self.do([self.claiming(call)])[0][0]

    def wait(self, key: str) -> None:
        """Note that nothing of a claimed call is in flight."""
        held = self._claims[key]
        after = partial(self._claims.__setitem__, key)
        self.do([Act(lambda db: acts.wait(db, self._db.owner, held), after)])

    def send(self, key: str) -> Held | None:
        """Let a claimed call go out, if its moment has come; else say when that is."""
        return self.do([self.sending(key)])[0]

    def answer(self, key: str, heard: Heard, *, seconds: float, last: bool) -> None:
        """Keep a try, as `answering` says."""
        self.do([self.answering(key, heard, seconds=seconds, last=last)])

    def marking(self, key: str, outcome: Outcome, cause: str) -> Act[None]:
        """Say of the last reply to `key` what reading it showed."""
        return Act(lambda db: tries.mark(db, key, outcome, cause))

    def mark(self, key: str, outcome: Outcome, cause: str) -> None:
        """Say of the last reply to `key` what reading it showed."""
        self.do([self.marking(key, outcome, cause)])
