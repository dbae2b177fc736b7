"""`llamaduo ledger [RUN] [--by stage,...] [--prices] [--export FILE]`: what was paid, and for what.

Without a RUN it is all that the ledger has. `--cancel-batch` (see cancelling.py) is the only thing
it does.
"""

import argparse
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from llamaduo.errors import UsageError
from llamaduo.options import nearest
from llamaduo.verbs import VERBS, arguments, cancelling, named

if TYPE_CHECKING:
    from llamaduo.experiment import Experiment
    from llamaduo.ledger import Ledger
    from llamaduo.spending.sums import Scope

MEANING = (
    "the beginning of a fingerprint, an id in MLflow, or the key=value that made the run: what it "
    "rests on and what it bought; with none, all that the ledger has"
)
SHORT = (("stage",), ("model",), ("day",))
"""The tables that are shown if none are asked for."""
OF_A_RUN = (("stage", "round"), ("model",), ("day",))


def main(words: list[str]) -> int:
    """Print the tables, or write every try to a file; asks nobody, but where it cancels."""
    from llamaduo.config import from_overrides

    given = arguments.read(parser(), words)
    of_run = any(not named.is_of_place(word) for word in given.words)
    tables = by(given.by, of_run=of_run)
    into = Path(given.export).expanduser() if given.export else None
    if into is not None:
        if given.by is not None or given.prices:
            raise UsageError(
                "--export writes every try, with its price, and no table: leave out --by and "
                "--prices"
            )
        _writable(into)
    _refuse_beside(given.words)
    exp = _of_words(given.words) if of_run else from_overrides(given.words)
    ledger = opened(exp)
    try:
        if given.cancel_batch is not None:
            for line in cancelling.lines(exp, ledger, given.words, given.cancel_batch):
                print(line)
            return 0
        names = _names(exp, ledger) if of_run else None
        if into is not None:
            return _export(exp, ledger, names, into)
        for line in lines(exp, ledger, names, tables, prices=given.prices):
            print(line)
    finally:
        ledger.close()
    return 0


def _refuse_beside(words: Sequence[str]) -> None:
    """Refuse values beside a RUN, which has its own.

    Raises:
        UsageError: with what to leave out.
    """
    runs = [word for word in words if "=" not in word]
    more = [word for word in words if "=" in word and not named.is_of_place(word)]
    if runs and more:
        raise UsageError(
            f"ledger {runs[0]}: {more[0]} says nothing of a run that has its own values; leave it "
            "out, or name the run by all the key=value that made it"
        )


def _of_words(words: Sequence[str]) -> "Experiment":
    """Return the run that is named, with the budget it last had where words give none."""
    found = named.run(words, "ledger")
    typed = any(word.lstrip("+").startswith("budget_usd=") for word in words)
    if found.exp.budget_usd is not None or typed:
        return found.exp
    places = [word for word in words if named.is_of_place(word)]
    with suppress(UsageError):  # its config can be read no more: then what is typed counts
        last = named.run([found.place.name, *places], "ledger").exp.budget_usd
        return found.exp.model_copy(update={"budget_usd": last})
    return found.exp


def parser() -> argparse.ArgumentParser:
    """Return what reads the verb's arguments."""
    made = arguments.parser("ledger", VERBS["ledger"], word="RUN", meaning=MEANING)
    made.usage = (
        "llamaduo ledger [RUN] [--by stage,...] [--prices] [--export FILE.parquet] "
        "[--cancel-batch TOKEN] [key=value ...]"
    )
    made.add_argument(
        "--by",
        metavar="WHAT",
        help="one table, by stage, model, day, service, outcome, run, row, or by several of them "
        "(stage,day); of a run by round too; without, three tables: by stage, by model, by day",
    )
    made.add_argument(
        "--prices", action="store_true", help="list the prices too that calls were counted at"
    )
    made.add_argument(
        "--export",
        metavar="FILE",
        help="write every try with its texts to a new Parquet file, and print nothing else",
    )
    made.add_argument(
        "--cancel-batch",
        metavar="TOKEN",
        help="cancel an open batch by the beginning of its name, or `all`, and do nothing else; "
        "what had been answered is kept",
    )
    return made


def by(said: str | None, *, of_run: bool) -> tuple[tuple[str, ...], ...]:
    """Return by what tables are summed.

    Raises:
        UsageError: for what nothing is summed by.
    """
    from llamaduo.spending.sums import BY

    if said is None:
        return OF_A_RUN if of_run else SHORT
    chosen = tuple(dict.fromkeys(said.split(",")))
    for word in chosen:
        if word not in BY:
            raise UsageError(f"--by {word}: there is {', '.join(BY)}{nearest(word, BY)}")
    if "round" in chosen and not of_run:
        raise UsageError("--by round: rounds are those of one run; name it")
    return (chosen,)


def opened(exp: "Experiment") -> "Ledger":
    """Open the ledger of a config; none is made.

    Raises:
        UsageError: where there is none.
    """
    from llamaduo.hosts import ledger_of

    file = Path(exp.home) / ".llamaduo" / "ledger.sqlite"
    if exp.ledger == "file" and not file.exists():
        raise UsageError(
            f"ledger: there is none under {exp.home}: no run has asked a service there; home=DIR "
            "names another place, ledger=postgresql the server"
        )
    return ledger_of(exp)


def lines(
    exp: "Experiment",
    ledger: "Ledger",
    names: "Mapping[str, str] | None",
    tables: Sequence[Sequence[str]],
    *,
    prices: bool,
) -> list[str]:
    """Return what is printed.

    Args:
        names: what the results of the run are of, by recipe, where it is about one.
    """
    from llamaduo.spending import state, sums, text

    scope = _scope(exp, names)
    of = "the ledger" if scope is None else f"run {scope.run}"
    found = [sums.sums(ledger, by_, scope) for by_ in tables]
    said = [f"{of}: {text.total(found[0])}"]
    if scope is not None:
        said.append(text.of_run(state.run(ledger, scope.run), exp.budget_usd))
    for by_, all_ in zip(tables, found, strict=True):
        said += ["", *text.table(by_, all_, names)] if all_ else []
    today = time.strftime("%Y-%m-%d", time.gmtime())
    asked = exp.engine.asked
    services = (exp.service, *exp.judges, *((asked.service,) if asked is not None else ()))
    caps = {one.limits.payee: one.limits.usd_per_day for one in services}
    more = [
        *text.of_day(state.day(ledger, today), caps, today),
        *text.of_others(state.others(ledger, scope)),
        *text.of_batches(state.batches(ledger)),
        *(text.of_prices(state.prices(ledger, scope)) if prices else []),
    ]
    if state.simulated(ledger):
        more.append("what a simulated service was paid is play money")
    return [*said, *([""] if more else []), *more]


def _names(exp: "Experiment", ledger: "Ledger") -> dict[str, str]:
    from llamaduo.spending.rounds import walked

    return walked(exp, Path(exp.home) / ".llamaduo", ledger)


def _scope(exp: "Experiment", names: "Mapping[str, str] | None") -> "Scope | None":
    from llamaduo.spending.sums import Scope

    return None if names is None else Scope(exp.fingerprint(), tuple(names))


def _writable(into: Path) -> None:
    from llamaduo.spending.export import refuse_to_overwrite
    from llamaduo.verbs.report import writable_file

    if into.suffix != ".parquet":
        raise UsageError(
            f"--export {into}: what is written is a Parquet file; name one that ends in .parquet"
        )
    refuse_to_overwrite(into)
    writable_file(into, "--export")


def _export(
    exp: "Experiment", ledger: "Ledger", names: "Mapping[str, str] | None", into: Path
) -> int:
    from llamaduo.spending import export

    count = export.write(ledger, into, _scope(exp, names))
    print(f"written: {into}, {count:,} tries")
    return 0
