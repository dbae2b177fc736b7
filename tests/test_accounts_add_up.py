"""Whatever order calls are claimed, sent, answered, lost and taken over in, no limit is passed."""

from contextlib import closing
from pathlib import Path
from random import Random

import pytest
from kept import Kept, answer, claim, ok

from llamaduo.database import sqlite
from llamaduo.ledger import Call, Claim, Ledger
from llamaduo.records import Message, Outcome, Reply, Request, Usage
from llamaduo.service import Heard, Limits

BUDGETS, CAP = {"one": 3.0, "two": 2.0}, 4.0
ASKED = Request(messages=(Message(role="user", content="?"),), max_tokens=1, temperature=0)


class Processes:
    """Some processes at one ledger, each a connection of its own; one may be taken for dead."""

    def __init__(self, file: Path, draw: Random, monkeypatch: pytest.MonkeyPatch) -> None:
        self.file, self.draw = file, draw
        self.dead: set[str] = set()
        self.count = 0
        monkeypatch.setattr(sqlite, "alive", lambda owner, since: owner not in self.dead)
        self.claimed: dict[Ledger, dict[str, bool]] = {}
        """Of each process its claims, and whether their request is out."""
        self.start()
        self.start()

    def start(self) -> None:
        ledger = Ledger(self.file)
        ledger._db.owner = f"host:{self.count}:0"
        self.count += 1
        self.claimed[ledger] = {}

    def step(self) -> None:
        one, chance = self.draw.choice(list(self.claimed)), self.draw.random()
        mine = self.claimed[one]
        if chance < 0.4 or not mine:
            self.claim(one, mine)
        elif chance < 0.8:
            self.go_on(one, mine, self.draw.choice(list(mine)))
        elif chance < 0.85:
            key = self.draw.choice(list(mine))
            del mine[key]
            one.release(key)
        elif chance < 0.93:
            self.die(one)
        else:
            one.reopen([f"k{self.draw.randrange(12)}"])

    def claim(self, one: Ledger, mine: dict[str, bool]) -> None:
        key, run = f"k{self.draw.randrange(12)}", self.draw.choice(list(BUDGETS))
        if key in mine:
            return
        call = Call(
            key=key,
            request=ASKED,
            service="s",
            limits=Limits(payee="p", usd_per_day=CAP),
            seed=1,
            stage="judgements/1",
            run=run,
            bound=self.draw.choice((0.3, 0.4, 0.5)),
            budget=BUDGETS[run],
        )
        if one.claim(call) is Claim.MINE:
            mine[key] = True

    def go_on(self, one: Ledger, mine: dict[str, bool], key: str) -> None:
        """Send again what waits, or have what is out end in one of five ways."""
        if not mine[key]:
            if one.send(key) is None:
                del mine[key]
            else:
                mine[key] = True
            return
        paid = Usage(usd=self.draw.uniform(0.01, 0.3))
        ok, failed = Reply(outcome=Outcome.OK, usage=paid), Reply(outcome=Outcome.FAILED)
        ends = (
            (Heard(ok), True),
            (Heard(failed, again=True), False),
            (Heard(failed.model_copy(update={"usage": paid}), again=True), False),
            (Heard(failed, again=True, unproven=True), False),
            (Heard(failed, again=True, unproven=True), True),
        )
        heard, last = self.draw.choice(ends)
        one.answer(key, heard, seconds=1, last=last)
        if last or heard.unproven or heard.reply.usage.usd:
            del mine[key]
        else:
            mine[key] = False

    def die(self, one: Ledger) -> None:
        """End, or only be taken for dead, as by one who cannot see it, and go on."""
        self.dead.add(one.owner)
        if self.draw.random() < 0.5:
            next(other for other in self.claimed if other is not one).free_the_dead()
            self.dead.discard(one.owner)
            return
        del self.claimed[one]
        one.close()
        self.start()


@pytest.mark.parametrize("seed", range(20))
def test_accounts_are_the_sums_of_what_is_on_record_and_stay_within_their_limits(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    processes = Processes(tmp_path / "ledger.sqlite", Random(seed), monkeypatch)
    for _ in range(70):
        processes.step()
        db = next(iter(processes.claimed))._db
        paid, unproven = db.execute("select sum(usd), sum(unproven) from replies").fetchone()
        (held,) = db.execute("select sum(reserved) from calls where state = 'claimed'").fetchone()
        for account in ("runs", "days"):
            sums = db.execute(f"select sum(spent), sum(unproven), sum(reserved) from {account}")
            told = [one or 0 for one in sums.fetchone()]
            assert told == pytest.approx([paid or 0, unproven or 0, held or 0])
        for run, counts in db.execute("select run, spent + reserved + unproven from runs"):
            assert counts <= BUDGETS[run] + 1e-6
        for (counts,) in db.execute("select spent + reserved + unproven from days"):
            assert counts <= CAP + 1e-6
    for one in processes.claimed:
        one.close()


def test_a_late_reply_takes_back_what_its_own_run_may_have_been_billed(kept: Kept) -> None:
    with closing(kept.open()) as first, closing(kept.open()) as second:
        claim(first, "k", run="one", bound=1.0)
        kept.give_to(kept.gone())
        claim(second, "k", run="two", bound=2.0)
        kept.give_to(kept.gone())
        assert first.free_the_dead() == 1
        answer(first, "k", ok(usd=0.25))
        runs = kept.look("select run, spent, unproven from runs order by run")
        assert runs == [("one", 0.25, 0.0), ("two", 0.0, 2.0)]
        tries = kept.look("select unproven from replies order by attempt")
        assert [unproven for (unproven,) in tries] == [0.0, 2.0, 0.0]
