"""`llamaduo promote [RUN]`: the model a verdict is about becomes champion, and goes back.

RUN is the beginning of a fingerprint, an MLflow run id, or the overrides that made it; with
none, the run under `home` that was finished last.
"""

import argparse
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from llamaduo.errors import UsageError
from llamaduo.verbs import VERBS, arguments, named

if TYPE_CHECKING:
    from llamaduo.experiment import Experiment
    from llamaduo.promotion.promote import Promoted
    from llamaduo.tracker.mlflow import MlflowTracker
    from llamaduo.tracker.registry import Registry

_WORD = re.compile(r"[\w./@+~-]+=\S*|(?=.*\d)[0-9a-f]{4,32}")
"""What names a run or sets a key, and is no reason; it may stand behind `--rollback`."""


def main(words: list[str]) -> int:
    """Promote, roll back or list, and say what was done."""
    given = arguments.read(parser(), words)
    if given.rollback is not None and _WORD.fullmatch(given.rollback):
        given.words, given.rollback = [*given.words, given.rollback], ""
    if given.list or given.rollback is not None:
        _on_the_registry(given)
        return 0
    from llamaduo import running
    from llamaduo.progress import Progress
    from llamaduo.promotion.candidate import forced
    from llamaduo.promotion.promote import promote

    if given.challenger and given.force is not None:
        raise UsageError("promote: --challenger makes no champion, so there is nothing to --force")
    force = None if given.force is None else forced(given.force)
    run = named.run(given.words, "promote")
    _address_given(run.exp, given.words)
    with running.beside(run.place.parent.parent, f"promote {run.place.name}"):
        _as_the_store_has_it(run)
        done = promote(
            run.exp,
            run.place,
            Progress(),
            wanted=given.weights,
            challenger=given.challenger,
            force=force,
        )
    print("\n".join(_said(done)))
    return 0


def parser() -> argparse.ArgumentParser:
    """Return what reads the verb's arguments."""
    made = arguments.parser("promote", VERBS["promote"], word="RUN", meaning=named.MEANING)
    made.usage = (
        'llamaduo promote [RUN] [--challenger | --force "reason"] [--weights adapter|merged]\n'
        '       llamaduo promote --rollback ["reason"] [RUN | task=NAME]\n'
        "       llamaduo promote --list [RUN | task=NAME]"
    )
    made.add_argument(
        "--challenger", action="store_true", help="register it, and leave the champion as it is"
    )
    made.add_argument(
        "--force", metavar="REASON", help="make it champion though the verdict is not `switch`"
    )
    made.add_argument(
        "--weights",
        choices=("adapter", "merged"),
        help="what the version holds; the adapter where another machine can get the base",
    )
    either = made.add_mutually_exclusive_group()
    either.add_argument(
        "--rollback", nargs="?", const="", metavar="REASON", help="put the former champion back"
    )
    either.add_argument("--list", action="store_true", help="list versions and their aliases")
    return made


def _on_the_registry(given: argparse.Namespace) -> None:
    """Do what needs no run: list versions, or go back to the former champion."""
    from llamaduo.promotion.listed import table
    from llamaduo.promotion.rollback import rollback
    from llamaduo.tracker.registry import opened

    if given.challenger or given.force is not None or given.weights:
        what = "--list" if given.list else "--rollback"
        raise UsageError(f"promote: {what} takes no --challenger, --force or --weights")
    home, tracker, task = _place(given.words)
    with opened(tracker, home, alone=not given.list) as registry:
        names = _models(registry, task)
        if given.list:
            for name in names:
                print("\n".join([name, *table(registry.versions(name))]))
            return
        if len(names) > 1:
            raise UsageError(
                f"promote: --rollback of which? There are {', '.join(names)}; give a run of it, "
                "or task=NAME"
            )
        former, back = rollback(registry, names[0], given.rollback)
    was = former.number if former is not None else "one that was deleted"
    print(f"{names[0]}: version {back.number} is champion again, in the place of {was}")


def _place(words: list[str]) -> tuple[Path, "MlflowTracker", str | None]:
    """Return home, tracker, and the task that the words name, if any does."""
    from llamaduo.config import from_overrides
    from llamaduo.tracker.mlflow import MlflowTracker

    task = None
    if any("=" not in word for word in words):
        run = named.run(words, "promote")
        _address_given(run.exp, words)
        exp, home, task = run.exp, run.home, run.exp.task.name
    else:
        exp = from_overrides(words)
        home = Path(exp.home)
        task = None if all(map(named.is_of_place, words)) else exp.task.name
    if not isinstance(exp.tracker, MlflowTracker):
        raise UsageError("promote: tracker=none registers nothing; give tracker=mlflow")
    return home, exp.tracker, task


def _address_given(exp: "Experiment", words: Sequence[str]) -> None:
    """Refuse an address that only a run's own file names: whoever wrote it would choose.

    Raises:
        UsageError: with what to add to the command.
    """
    from llamaduo.config import from_overrides
    from llamaduo.tracker.mlflow import MlflowTracker

    uri = exp.tracker.uri if isinstance(exp.tracker, MlflowTracker) else None
    if uri is None or any(word.startswith("tracker.uri=") for word in words):
        return
    mine = from_overrides([word for word in words if "=" in word]).tracker
    if not isinstance(mine, MlflowTracker) or mine.uri != uri:
        raise UsageError(
            f"promote: the run's own config.yaml says that it is shown at {uri}, and a file sends "
            f"nothing anywhere; if that is the place, add tracker.uri={shlex.quote(uri)}"
        )


def _as_the_store_has_it(run: "named.Named") -> None:
    """Compare what the run wrote with what its store gives today.

    Raises:
        LlamaDuoError: if verdict or scores differ.
    """
    from llamaduo import runs
    from llamaduo.dossier.evidence import differing, walk
    from llamaduo.errors import LlamaDuoError

    found, _ = runs.read([run.place])
    if not found or run.exp.engine.asked is not None:
        return  # refused, each with its reason
    again = walk(run.exp, run.place, found[0].result)
    differs = {"decision", "test"} & set(differing(found[0].result, again.result))
    if differs:
        raise LlamaDuoError(
            f"{run.place.name}: result.json has another {' and another '.join(sorted(differs))} "
            "than its store gives; the command that made the run writes it anew"
        )


def _models(registry: "Registry", task: str | None) -> list[str]:
    from llamaduo.tracker.registry import name_of

    known = registry.models()
    if task is None and known:
        return known
    if task is not None and name_of(task) in known:
        return [name_of(task)]
    there = f" (there are: {', '.join(known)})" if known else ""
    what = f"of {task} " if task is not None else ""
    raise UsageError(f"promote: nothing {what}has been promoted there yet{there}")


def _said(done: "Promoted") -> list[str]:
    """Say what is registered, who is champion, and how to load it."""
    from llamaduo.promotion.card import clean

    made = done.version
    lines = [
        f"{made.name} version {made.number} {'registered' if done.made else 'was there'}: "
        f"{made.uri}"
    ]
    if not done.champion:
        lines.append("it is challenger; the champion, if there is one, stays")
    elif done.former is not None:
        lines.append(
            f"it is champion; before it was version {done.former}, and "
            '`llamaduo promote --rollback "reason"` puts that back'
        )
    else:
        lines.append("it is champion")
    alias = "champion" if done.champion else "challenger"
    lines.append(
        f"load: MLFLOW_TRACKING_URI={clean(done.where)}, then "
        f'mlflow.pyfunc.load_model("models:/{made.name}@{alias}")'
    )
    return lines
