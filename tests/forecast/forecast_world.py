"""The small world with a service that bills by length, and what a run of it really asked."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, ClassVar

from small_world import Diary, Played, Scripted, altered, experiment, play

from llamaduo.experiment import Experiment
from llamaduo.forecast import forecast
from llamaduo.forecast.figures import Forecast, Line, summed
from llamaduo.forecast.seen import Seen
from llamaduo.ledger import Ledger
from llamaduo.records import Request, Usage
from llamaduo.service import Heard, Limits
from llamaduo.service.chat import Price

PRICE = Price(input=2.0, output=8.0, as_of=date(2026, 11, 23), source="a test")


class Billed(Scripted):
    """A scripted service with a price; four bytes are a token."""

    operational: ClassVar[frozenset[str]] = frozenset(
        {"diary", "concurrency", "price", "cap", "per_minute", "tokens"}
    )

    name: str = "billed"
    price: Price = PRICE
    cap: float | None = None
    per_minute: int | None = None
    tokens: int | None = None

    @property
    def limits(self) -> Limits:
        return Limits(
            payee=self.name,
            usd_per_day=self.cap,
            requests_per_minute=self.per_minute,
            tokens_per_minute=self.tokens,
        )

    def upper_bound_usd(self, request: Request) -> float:
        sent = sum(len(m.content.encode()) + 16 for m in request.messages)
        return self.price.usd(sent, request.max_tokens)

    async def attempt(self, request: Request, seed: int, once: str) -> Heard:
        heard = await super().attempt(request, seed, once)
        sent = sum(len(m.content.encode()) for m in request.messages) // 4
        said = -(-len(heard.reply.text.encode()) // 4)
        usage = Usage(prompt_tokens=sent, completion_tokens=said, usd=self.price.usd(sent, said))
        reply = heard.reply.model_copy(update={"usage": usage})
        return Heard(reply)


def billed(home: Path, diary: Diary | None = None, **changed: Any) -> Experiment:
    """Return a small experiment whose services bill; `judge` holds fields of the judge."""
    diary = diary or Diary()
    marks = changed.pop("judge", {})
    service = changed.pop("service", Billed(diary=diary))
    exp = experiment(home, diary, service=service, **changed)
    judge = altered(exp.judge, **{"service": service, **marks})
    return exp.model_copy(update={"judge": judge})


def expected(exp: Experiment, look: Any = None, **known: Any) -> Forecast:
    """Return the forecast of `exp`, by what `look` has measured: nothing, if it is not given."""

    def nothing(service: str, stage: str) -> Seen | None:
        return None

    return forecast(exp, exp.task.place(), look or nothing, **known)


@dataclass(frozen=True)
class Paid:
    """What one group of calls came to."""

    calls: int
    usd: float


def paid(exp: Experiment, played: Played) -> dict[str, Paid]:
    """Return the calls of a run by stage, those of judging by the part of the split."""
    ledger = Ledger(Path(exp.home) / "ledger.sqlite")
    part_of = {row.example.id: row.part for row in played.split}
    with ledger.transaction() as db:
        rows = db.execute(
            "select c.stage, c.row, c.key, sum(r.usd) from calls c join replies r on r.key = c.key"
            " group by c.stage, c.row, c.key"
        ).fetchall()
    ledger.close()
    found: dict[str, Paid] = {}
    for stage, row, _, usd in rows:
        name = stage.partition("/")[0]
        name = f"{name} {part_of[row]}" if name == "judgements" else name
        before = found.get(name, Paid(0, 0.0))
        found[name] = Paid(before.calls + 1, before.usd + usd)
    return found


def by_group(lines: Sequence[Line]) -> dict[str, Line]:
    """Return the sums of a forecast by the names that `paid` has."""
    groups: dict[str, list[Line]] = {}
    for line in lines:
        name = line.stage
        if name == "judgements":
            name = "judgements dev" if "dev judged" in line.name else "judgements test"
        groups.setdefault(name, []).append(line.counted())
    return {name: summed(of, name) for name, of in groups.items()}


def run(exp: Experiment) -> dict[str, Paid]:
    """Run `exp`; returns what it really asked and paid."""
    return paid(exp, play(exp))
