"""One look at all who are asked: the baselines where there are none, and then the change."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from llamaduo.ledger import Ledger
from llamaduo.progress import Progress
from llamaduo.promotion.candidate import now
from llamaduo.promotion.references import Reference
from llamaduo.sentinel.changed import Look, look, no_baseline
from llamaduo.sentinel.pinned import LOOKS, NEARLY, Baseline, Pinned, ask, keep, key_of
from llamaduo.service import Caller
from llamaduo.tables import aligned


@dataclass(frozen=True)
class Side:
    """One who is asked."""

    side: str
    """`service` or `served`."""
    who: str
    """Name of the service, or engine and address of the server."""
    caller: Caller
    max_tokens: int


def watch(
    sides: Sequence[Side],
    references: Sequence[Reference],
    what: Pinned,
    folder: Path,
    progress: Progress,
    *,
    ledger: Ledger,
) -> list[Look]:
    """Ask each side, and put each look at the end of `looks.jsonl`.

    A baseline is kept as soon as it is whole, by side and who: another service, or another
    server, has its own. One is kept only where nearly all prompts were answered both times.

    Raises:
        OverBudget: before the first call that could cost more than is left.
        ServiceError: if a side cannot be asked.
    """
    rows = [one for one in references if one.id in set(what.ids)]
    found = []
    for one in sides:
        before, ids = ledger.spent_now, [row.id for row in rows]
        key = key_of(one.side, one.who)
        known, kept = what.baselines.get(key), True
        if known is None:
            progress.say(f"sentinel: the baseline of {one.who}: {len(rows)} prompts, twice")
            first, second = (ask(rows, one.caller, one.max_tokens) for _ in range(2))
            known = Baseline(at=now(), who=one.who, first=first, second=second)
            kept = len(known.both) >= max(1, NEARLY * len(rows))
            if kept:
                what = what.model_copy(update={"baselines": what.baselines | {key: known}})
                keep(folder, what)
            said = second  # it is compared with itself: nothing can have changed yet
        else:
            said = ask(rows, one.caller, one.max_tokens)
        usd = round(ledger.spent_now - before, 6)
        seen = (
            look(one.side, known, said, asked=ids, at=now(), usd=usd)
            if kept
            else no_baseline(one.side, known, asked=len(rows), at=now(), usd=usd)
        )
        found.append(seen)
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / LOOKS).open("a", encoding="utf-8") as file:
            file.write(seen.model_dump_json() + "\n")
    return found


def table(looks: Sequence[Look]) -> list[str]:
    """Return the lines of a table, head first."""
    head = ["asked", "who", "n", "differ now", "differed at first", "p", "dollars", "says"]
    rows = [
        [
            one.side,
            one.who,
            str(one.n),
            str(one.differ),
            str(one.wavered),
            f"{one.p:.2g}",
            f"{one.usd:.4f}",
            one.words,
        ]
        for one in looks
    ]
    return aligned([head, *rows])
