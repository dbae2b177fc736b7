"""`llamaduo store ls | gc | forget ROW...`: what takes disk, what can go, what has to.

Nothing is removed without `--yes`.
"""

import argparse
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from llamaduo.errors import UsageError
from llamaduo.options import nearest
from llamaduo.verbs import VERBS, arguments, named

if TYPE_CHECKING:
    from llamaduo.experiment import Experiment

DO = ("ls", "gc", "forget")


@dataclass(frozen=True)
class _Where:
    """What is looked at."""

    home: Path
    build: "Callable[[Path], Experiment]"
    """Makes the experiment of a run again from its folder."""


def main(words: list[str]) -> int:
    """List, free or forget; returns 1 where something that was to be forgotten is left."""
    given = arguments.read(parser(), words)
    overrides = [word for word in given.words if named.is_of_place(word)]
    what, *rows = [word for word in given.words if word not in overrides] or [""]
    if what not in DO:
        raise UsageError(f"store: {what or 'say what'}: ls, gc or forget{nearest(what, DO)}")
    if rows and what != "forget":
        raise UsageError(f"store {what}: {rows[0]}: it takes no rows; only home= and trusted=")
    _refuse_flags(what, given)
    where = _where(overrides)
    if what == "ls":
        from llamaduo.keeping import sizes

        print(sizes.text(where.home, where.build))
        return 0
    from llamaduo import running

    private = where.home / ".llamaduo"
    with running.alone(private, f"store {what}") if given.yes else nullcontext():
        return _gc(where, given) if what == "gc" else _forget(where, rows, given)


def parser() -> argparse.ArgumentParser:
    """Return what reads the verb's arguments."""
    made = arguments.parser(
        "store",
        VERBS["store"],
        word="ls|gc|forget ROW",
        meaning="ls: what takes disk; gc: what no run needs; forget: rows by their ids, or @FILE "
        "with one id a line. home=DIR says where, trusted=[...] whose packages runs need",
    )
    made.usage = (
        "llamaduo store ls [home=DIR]\n"
        "       llamaduo store gc [--yes] [--damaged] [--forget-run RUN] [home=DIR]\n"
        "       llamaduo store forget ROW|@FILE ... [--rest FILE] [--yes] [home=DIR]"
    )
    made.add_argument(
        "--rest", metavar="FILE", help="forget: write the rows that are left, with their parts"
    )
    made.add_argument("--yes", action="store_true", help="do it; without, it is only listed")
    made.add_argument(
        "--damaged", action="store_true", help="gc: results set aside as damaged go too"
    )
    made.add_argument(
        "--forget-run",
        metavar="RUN",
        action="append",
        default=[],
        help="gc: give a run up, by the beginning of its fingerprint; its folder goes too",
    )
    return made


def _refuse_flags(what: str, given: argparse.Namespace) -> None:
    if what != "forget" and given.rest:
        raise UsageError(f"store {what}: --rest is for `store forget`")
    if what == "ls" and given.yes:
        raise UsageError("store ls: it removes nothing, so there is nothing to say --yes to")
    if what != "gc" and (given.damaged or given.forget_run):
        raise UsageError(f"store {what}: --damaged and --forget-run are for `store gc`")


def _where(overrides: Sequence[str]) -> _Where:
    from llamaduo.config import from_overrides
    from llamaduo.config.stored import of_run

    made = from_overrides(list(overrides))
    trusted = list(made.trusted)
    if not (Path(made.home) / ".llamaduo").is_dir():
        raise UsageError(
            f"store: there is nothing of llamaduo under {made.home}; home=DIR says where"
        )
    return _Where(Path(made.home), lambda place: of_run(place, {"trusted": trusted}))


def _gc(where: _Where, given: argparse.Namespace) -> int:
    from llamaduo import runs
    from llamaduo.keeping import garbage, words
    from llamaduo.keeping.units import in_words

    given_up = []
    for name in given.forget_run:
        place = runs.place_of(where.home, name)
        if place is None:
            raise UsageError(f"store gc: --forget-run {name}: no run under {where.home} is it")
        given_up.append(place)
    found = garbage.garbage(where.home, where.build, damaged=given.damaged, given_up=given_up)
    for line in words.of_garbage(found):
        print(line)
    if not given.yes:
        print("nothing was removed; --yes removes it")
        return 0
    print(f"removed: {in_words(garbage.remove(found))}")
    return 0


def _forget(where: _Where, rows: Sequence[str], given: argparse.Namespace) -> int:
    from llamaduo.keeping import forget, persons, rest, words
    from llamaduo.keeping.plan import plan
    from llamaduo.keeping.units import GOING, clear, units
    from llamaduo.tracker.forgetting import on_server

    names = [name for word in rows for name in _names(word)]
    if not names:
        raise UsageError("store forget: name rows by their ids, or @FILE with one id a line")
    private = where.home / ".llamaduo"
    if given.yes:  # what a killed one had put away holds rows, and no other trace may be left
        clear(private)
    elif (private / GOING).exists():
        print(f"{private / GOING} holds what a killed command had put away; --yes removes it")
    all_ = units(private / "store")
    chosen = persons.chosen(where.home, names, all_)
    for line in chosen.before:
        print(line)
    if not chosen.rows:
        return 0
    found = plan(where.home, chosen, all_)
    for line in words.of_plan(found):
        print(line)
    for uri in persons.servers(where.home):
        for line in on_server(uri, found.runs, found.contents, yes=given.yes):
            print(line)
    if given.rest:
        into = Path(given.rest).expanduser()
        count = rest.write(into, found.rows, all_)
        print(f"written: {into}, the {count} rows that are left, with their parts")
    if not given.yes:
        print("nothing was removed; --yes removes it, and no later word brings it back")
        return 0
    forget.forget(found)
    proof = forget.proof(found)
    for line in words.of_proof(proof):
        print(line)
    return 1 if proof.left else 0


def _names(word: str) -> list[str]:
    """Return the ids that a word stands for.

    Raises:
        UsageError: for a file that cannot be read.
    """
    if not word.startswith("@"):
        return [word]
    try:
        lines = Path(word[1:]).expanduser().read_text(encoding="utf-8").split("\n")
    except OSError as error:
        raise UsageError(f"store forget: {word[1:]}: cannot be read ({error.strerror})") from None
    return [line.strip() for line in lines if line.strip()]
