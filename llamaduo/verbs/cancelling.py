"""`llamaduo ledger --cancel-batch TOKEN|all`: no more is bought in a batch that a provider has."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from llamaduo.errors import LlamaDuoError
from llamaduo.verbs import named

if TYPE_CHECKING:
    from llamaduo.experiment import Experiment
    from llamaduo.ledger import Ledger
    from llamaduo.service import Service


def lines(exp: "Experiment", ledger: "Ledger", words: Sequence[str], which: str) -> list[str]:
    """Cancel, and return what came of it.

    Args:
        exp: what the words compose to.
        words: of the command, all `key=value`.
        which: the beginning of a batch's token, or `all`.
    """
    from llamaduo.batch import cancel

    return cancel(ledger, _services(exp, ledger, words), which) or ["no batch is open"]


def _services(exp: "Experiment", ledger: "Ledger", words: Sequence[str]) -> "Iterator[Service]":
    """Return the services of the runs with open batches, by their own configs, and of `exp`."""
    from llamaduo.ledger.batches import all_open

    places = [word for word in words if named.is_of_place(word)]
    yield from _of(exp)
    for run in {batch.run for batch in all_open(ledger.tables)}:
        try:
            yield from _of(named.run([run, *places], "ledger").exp)
        except LlamaDuoError:  # another home's, or a config that cannot be read any more
            continue


def _of(exp: "Experiment") -> "Iterator[Service]":
    yield exp.service
    yield from exp.judges
    if exp.engine.asked is not None:
        yield exp.engine.asked.service
