"""`llamaduo sentinel [MODEL] [URL]`: whether the service or what is served has changed.

A pinned set of the version's prompts is asked of both, greedily. The first time is the baseline,
and asks twice. Nothing else is asked; what the service takes for it is said.
"""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from llamaduo.errors import ServiceError, UsageError
from llamaduo.verbs import VERBS, arguments, asking, versioned

if TYPE_CHECKING:
    from llamaduo.ledger import Ledger
    from llamaduo.sentinel.watch import Side
    from llamaduo.verbs.versioned import Versioned

N = 40
"""Prompts of a set, unless told otherwise."""


def main(words: list[str]) -> int:
    """Look once, print a table, and add it to the looks; 1: somebody changed, or kept silent."""
    given = arguments.read(parser(), words)
    if given.n is not None and given.n < 1:
        raise UsageError(f"sentinel: --n {given.n}: at least one prompt has to be asked")
    url, rest = asking.address(given.words, "sentinel")
    found = versioned.find(rest, "sentinel")
    from llamaduo import running

    with running.beside(found.home / ".llamaduo", "sentinel"):
        return _look(found, url, rest, given.n)


def _look(found: "Versioned", url: str | None, rest: Sequence[str], n: int | None) -> int:
    from llamaduo.hosts import ledger_of
    from llamaduo.progress import Progress
    from llamaduo.sentinel.changed import ALPHA, needed
    from llamaduo.sentinel.pinned import LOOKS, folder_of, pinned
    from llamaduo.sentinel.watch import table, watch

    references = found.held.references
    folder = folder_of(found.home, found.held.version)
    what = pinned(folder, references, n, N)
    ledger = ledger_of(found.exp)
    try:
        sides = _sides(found, url, rest, ledger)
        looks = watch(sides, references, what, folder, Progress(), ledger=ledger)
        spent = ledger.spent_now
    finally:
        ledger.close()
    print("\n".join([f"{found.held.version.uri}, {len(what.ids)} pinned prompts", *table(looks)]))
    for one in looks:
        if not one.baseline:
            print(f"{one.side}: {one.words}; none is kept, and the next look is the first again")
            continue
        most = needed(one.n, one.wavered)
        bar = "no number that differ would show one" if most is None else f"{most} would be"
        print(f"{one.side}: {one.words}; a change at alpha {ALPHA:g}: {bar}")
    print(f"spent now: ${spent:.4f}; looks: {folder / LOOKS}")
    return int(any(one.changed or not one.baseline for one in looks))


def parser() -> argparse.ArgumentParser:
    """Return what reads the verb's arguments."""
    about = VERBS["sentinel"]
    made = arguments.parser("sentinel", about, word="MODEL URL", meaning=versioned.MEANING)
    made.usage = "llamaduo sentinel [MODEL] [URL] [key=value ...] [--n 40]"
    made.add_argument(
        "--n", type=int, metavar="N", help=f"prompts that are pinned, the first time; else {N}"
    )
    return made


def _sides(
    found: "Versioned", url: str | None, words: Sequence[str], ledger: "Ledger"
) -> list["Side"]:
    """Return who is asked: the served model, which costs nothing, and then the service."""
    from llamaduo.deploy.given import given
    from llamaduo.parity.alive import look
    from llamaduo.privacy.redacting import guarded
    from llamaduo.sentinel.watch import Side

    held, serving = found.held, found.exp.serving
    form, _ = serving.delivered(given(held))
    endpoint = serving.endpoint(held.version.name, form, url)
    look(endpoint)
    exp = asking.experiment_of(found, words)
    service = exp.service
    if faults := service.faults():
        raise ServiceError(f"sentinel: {'; '.join(faults)}")
    free = asking.desk_of(found, ledger, endpoint.service(), "sentinel")
    desk = asking.paying(asking.desk_of(found, ledger, service, "sentinel"), exp, "sentinel")
    paid = guarded(desk, service, exp.privacy)
    return [
        Side("served", f"{endpoint.engine} at {endpoint.url}", free, held.served.max_new_tokens),
        Side("service", service.name, paid, exp.ceiling.max_tokens),
    ]
