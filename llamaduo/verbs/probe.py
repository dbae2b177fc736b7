"""`llamaduo probe URL [MODEL]`: whether what is served is what was judged.

URL is that of the server, with or without /v1; with none, `serving.url`. All reference answers
of the version are asked for again, and compared.
"""

import argparse
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from llamaduo.verbs import VERBS, arguments, asking, versioned

if TYPE_CHECKING:
    from llamaduo.parity.probe import Probed
    from llamaduo.promotion.candidate import Forced
    from llamaduo.verbs.versioned import Versioned


def main(words: list[str]) -> int:
    """Probe, print what was seen, and write it down; 0: passed."""
    given = arguments.read(parser(), words)
    url, rest = asking.address(given.words, "probe")
    from llamaduo.promotion.candidate import forced

    force = None if given.force is None else forced(given.force, "probe")
    found = versioned.find(rest, "probe")
    from llamaduo import running

    with running.beside(found.home / ".llamaduo", "probe"):
        return _main(found, url, rest, force)


def _main(found: "Versioned", url: str | None, rest: Sequence[str], force: "Forced | None") -> int:
    from llamaduo.parity.text import table, verdict
    from llamaduo.parity.written import files, tags

    probed = _probed(found, url, rest)
    if force is not None and probed.verdict.passed:
        print("--force is not needed, it passed; not recorded")
        force = None
    said = tags(probed, force)
    path = files(probed, found.held, said, found.home)
    _tag(found, said)
    print("\n".join(["", *table(probed), ""]))
    print("\n".join(verdict(probed, said["llamaduo.parity_forced"] or "")))
    print(f"written: {path}, and tags of {found.held.version.uri}")
    return 0 if probed.verdict.passed or force is not None else 1


def parser() -> argparse.ArgumentParser:
    """Return what reads the verb's arguments."""
    made = arguments.parser("probe", VERBS["probe"], word="URL MODEL", meaning=versioned.MEANING)
    made.usage = 'llamaduo probe [URL] [MODEL] [key=value ...] [--force "reason"]'
    made.add_argument("--force", metavar="REASON", help="let a copy that fails pass, on your word")
    return made


def _probed(found: "Versioned", url: str | None, words: Sequence[str]) -> "Probed":
    from llamaduo.deploy.given import given
    from llamaduo.hosts import ledger_of
    from llamaduo.parity.probe import Questioning, probe
    from llamaduo.parity.text import step
    from llamaduo.progress import Progress

    held, serving = found.held, found.exp.serving
    form, _ = serving.delivered(given(held))
    endpoint = serving.endpoint(held.version.name, form, url)
    print(f"{held.version.uri} at {endpoint.url}, asked for as {endpoint.model}")
    ledger = ledger_of(found.exp)
    try:
        desk = asking.desk_of(found, ledger, endpoint.service(), "probe")

        def questioning() -> "Questioning":
            exp = asking.experiment_of(found, words)
            return Questioning(exp, asking.paying(desk, exp, "probe_judge"))

        return probe(
            held,
            serving,
            endpoint,
            desk,
            questioning,
            say=lambda name, seen: print(step(name, seen), flush=True),
            progress=Progress(),
        )
    finally:
        ledger.close()


def _tag(found: "Versioned", said: Mapping[str, str | None]) -> None:
    """Write on the version what was seen, and on its model that its champion answers."""
    from llamaduo.promotion.probed import PARITY, is_served
    from llamaduo.tracker.registry import CHAMPION, opened

    version = found.held.version
    with opened(found.tracker, found.home) as registry:
        registry.tag(version, said)
        if said[PARITY] == "passed" and registry.called(version.name, CHAMPION) == version.number:
            is_served(registry, version.name, said[f"{PARITY}_url"] or "")
