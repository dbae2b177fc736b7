"""The rows, where they are a file: whether they can be read, fit, and are enough to decide."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from llamaduo import forgotten
from llamaduo.decision import level_of_look, unreachable
from llamaduo.errors import DataError
from llamaduo.experiment import Experiment
from llamaduo.intervals import LEVEL
from llamaduo.local.load import Template
from llamaduo.memory import gib
from llamaduo.preflight.finding import Finding, look, missing, ok
from llamaduo.preflight.privacy import leaving
from llamaduo.records import Example
from llamaduo.task.coverage import CoverageTask
from llamaduo.task.rows import FileRows
from llamaduo.tuner.qlora import Qlora

LARGEST = 32 * 2**20
"""Bytes of a file that is read here; a larger one waits for the run."""


def rows(exp: Experiment, template: Template | None) -> Iterator[Finding]:
    """Read and share out a file's rows, and measure those to tune on.

    Args:
        template: what makes tokens of a row; None: it is not here yet.
    """
    if not (isinstance(exp.task, CoverageTask) and isinstance(exp.task.rows, FileRows)):
        return
    size = exp.task.rows.path.stat().st_size
    if size > LARGEST:
        yield ok(f"rows: {gib(size)} in {exp.task.rows.path}, read when the run starts")
        return
    try:
        placed = exp.task.place()
        forgotten.refuse(Path(exp.home) / ".llamaduo", exp.task, [one.example for one in placed])
    except DataError as error:
        yield missing(f"rows: {error}")
        return
    train = [row.example for row in placed if row.part == "train"]
    tests = sum(row.part == "test" for row in placed)
    dev = sum(row.part == "dev" for row in placed)
    yield ok(f"rows: {len(train)} to tune on, {dev} dev, {tests} test")
    cannot = unreachable(tests, exp.goal, level_of_look(1) if exp.judge.on == "test" else LEVEL)
    if cannot:
        yield look(f"goal: {cannot}")
    yield from leaving(exp, placed)
    if template is not None and isinstance(exp.tuner, Qlora):
        yield lengths(train, template, exp.tuner.max_length)


def lengths(train: Sequence[Example], template: Template, most: int) -> Finding:
    """Say how many rows tuning would leave out for their length."""
    long = [len(template.prompt(row.messages)) + len(template.answer(row.target)) for row in train]
    over = sum(length > most for length in long)
    longest = f"the longest has {max(long)} tokens"
    if not over:
        return ok(f"length: all rows fit in tuner.max_length={most}; {longest}")
    if over == len(long):
        return missing(
            f"length: none of {over} rows fits in tuner.max_length={most}; {longest}; raise it"
        )
    return look(
        f"length: {over} of {len(long)} rows have more than tuner.max_length={most} tokens and "
        f"would be left out of tuning; {longest}"
    )
