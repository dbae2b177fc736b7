"""`llamaduo estimate`: calls, tokens and dollars of a run by stage, before it starts."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from llamaduo.errors import UsageError
from llamaduo.verbs import VERBS, arguments

if TYPE_CHECKING:
    from llamaduo.experiment import Experiment
    from llamaduo.forecast.figures import Forecast
    from llamaduo.records import Placed


def parser() -> argparse.ArgumentParser:
    """Return what reads the verb's arguments."""
    made = arguments.parser("estimate", VERBS["estimate"])
    made.usage = "llamaduo estimate [key=value ...] [--json FILE]"
    made.add_argument("--json", metavar="FILE", type=Path, help="write all figures there too")
    return made


def main(words: list[str]) -> int:
    """Print what the composed experiment would ask and pay; nobody is asked for it."""
    from llamaduo.config import from_overrides
    from llamaduo.forecast.text import table

    given = arguments.read(parser(), words)
    exp = from_overrides(given.words)
    found = estimated(exp)
    print(table(found))
    for fault in exp.faults():
        print(f"MISSING  {fault}")
    if given.json is not None:
        write(found, given.json)
        print(f"figures: {given.json}")
    return 0


def estimated(exp: "Experiment") -> "Forecast":
    """Return the forecast of `exp`, by what the ledger of its home knows, if there is one."""
    from llamaduo.forecast import forecast
    from llamaduo.forecast.seen import bought, seen
    from llamaduo.hosts import ledger_of

    placed = rows(exp)
    if not there(exp):
        return forecast(exp, placed, lambda service, stage: None)
    ledger = ledger_of(exp)
    try:
        run = exp.fingerprint()
        return forecast(
            exp,
            placed,
            lambda service, stage: seen(ledger, service, stage),
            spent=ledger.spent(run),
            unproven=ledger.unproven(run),
            bought=bought(ledger, run),
            ended=(Path(exp.home) / ".llamaduo" / "runs" / run / "result.json").is_file(),
        )
    finally:
        ledger.close()


def rows(exp: "Experiment") -> "Sequence[Placed]":
    """Read the coverage rows and share them out.

    Raises:
        UsageError: if they are on the hub, and it cannot be reached.
        DataError: with everything in them that cannot be read.
    """
    try:
        return exp.task.place()
    except ConnectionError as error:
        raise UsageError(
            f"the rows of {exp.task.name} are not here, and cannot be fetched: {error}. Estimate "
            "where the hub can be reached, or choose a task with a file of rows"
        ) from None


def there(exp: "Experiment") -> bool:
    """Whether there is a ledger to look into: a look makes none."""
    from llamaduo.database import unreachable

    if exp.ledger == "file":
        return (Path(exp.home) / ".llamaduo" / "ledger.sqlite").is_file()
    return not unreachable(exp.ledger)


def write(found: "Forecast", file: Path) -> None:
    """Write every figure, and the sums, as JSON.

    Raises:
        UsageError: if the file cannot be written.
    """
    import json

    said = found.model_dump(mode="json") | {"total": found.total().model_dump(mode="json")}
    try:
        file.write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"--json {file}: cannot be written ({error.strerror})") from None
