"""`llamaduo unpack FOLDER [home=DIR]`: take in what another machine has made of a run."""

import argparse
import shlex
from pathlib import Path

from llamaduo.errors import UsageError
from llamaduo.verbs import VERBS, arguments

OWN = ("home=", "ledger=", "trusted=")
"""All that is left to say; the rest is in the parcel."""


HERE = "home=."


def main(words: list[str]) -> int:
    """Check a parcel, put it in place, and say what is new and how to go on."""
    from llamaduo.config import from_overrides
    from llamaduo.parcel.opened import opened
    from llamaduo.parcel.unpack import unpack

    given = arguments.read(parser(), words).words
    own = [word for word in given if word.startswith(OWN)]
    others = [word for word in given if word not in own]
    if len(others) != 1:
        raise UsageError(
            "unpack: name one folder or .tar.gz file; beside it, home=, ledger= and trusted="
        )
    if not any(word.startswith("home=") for word in own):
        own.append(HERE)  # a file of the parcel may name another, and is not asked
    with opened(Path(others[0]).expanduser()) as (folder, manifest):
        out = unpack(folder, manifest, own, from_overrides)
    calls = out.calls
    print(f"run {manifest.fingerprint} in {out.home}:")
    print(f"  results: {out.results} new, {out.there} there already")
    for recipe in out.other:
        print(f"  {recipe}: another one is here already, and stays")
    print(f"  paid calls: {calls.new} new, {calls.known} there already")
    if calls.twice:
        print(f"  {calls.twice} of them were paid for on both machines; the replies here stay")
    print(f"  settings and data: {out.settings} new; looks at the test: {out.looks} new")
    until = " --until answers" if manifest.due.startswith(("adapter/", "answers/")) else ""
    if manifest.due and not until:
        until = " --until data"  # judged, it may be tuned again, and that is done elsewhere
    words = [word for word in out.words if word != HERE]
    if from_overrides(words).home.resolve() != out.home.resolve():
        words.append(HERE)
    print(f"to go on: llamaduo run{until} {shlex.join(words)}".rstrip())
    return 0


def parser() -> argparse.ArgumentParser:
    """Return what reads the verb's arguments."""
    made = arguments.parser(
        "unpack",
        VERBS["unpack"],
        word="FOLDER",
        meaning="what was packed; home=DIR puts the results elsewhere than in the working "
        "folder, ledger= says where its calls are kept here, 'trusted=[package]' lets the run "
        "import a package of yours",
    )
    made.usage = "llamaduo unpack FOLDER [home=DIR] [ledger=WHERE] ['trusted=[package]']"
    return made
