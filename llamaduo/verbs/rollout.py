"""`llamaduo rollout PHASE [MODEL]`: traffic from the service to the promoted model, and back.

PHASE is capture, shadow, canary, cutover or rollback; `check` says what the calls since have
shown, `import` makes coverage rows of them.
"""

import argparse
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from llamaduo.errors import UsageError
from llamaduo.options import nearest
from llamaduo.verbs import VERBS, arguments, versioned

if TYPE_CHECKING:
    from llamaduo.rollout.phase import Begun
    from llamaduo.rollout.rows import Imported

PRIVATE = ".llamaduo"
"""Folder under a home that nobody forgets rows in while something goes on there."""
PAIRS = 300
"""Pairs that `check` judges, at most, unless told otherwise."""
OF: dict[str, tuple[str, ...]] = {
    "capture": ("into", "force"),
    "shadow": ("into", "share", "force"),
    "canary": ("into", "share", "force"),
    "cutover": ("into", "force"),
    "rollback": ("into", "force"),
    "check": ("into", "logs", "pairs"),
    "import": ("into",),
}
"""What is asked for, and the flags it takes."""


def parser() -> argparse.ArgumentParser:
    """Return what reads the verb's arguments."""
    meaning = f"PHASE, or check or import; then {versioned.MEANING}; or files of captured calls. "
    meaning += "Also: service= and service.KEY= (who answers), workload=, and of check "
    meaning += "service@judge.service=, goal.KEY= and budget_usd="
    made = arguments.parser("rollout", VERBS["rollout"], word="WORD", meaning=meaning)
    made.usage = (
        "llamaduo rollout capture|shadow|canary|cutover|rollback [MODEL] [key=value ...]\n"
        '           [--into DIR] [--share 0.1] [--force "reason"]\n'
        "       llamaduo rollout check [MODEL] [key=value ...] [--into DIR] [--logs DIR] "
        "[--pairs N]\n"
        "       llamaduo rollout import FILE|DIR ... --into rows.jsonl"
    )
    made.add_argument(
        "--into",
        type=Path,
        help="folder of the rollout (home/.llamaduo/rollout/MODEL); of import, the file of rows",
    )
    made.add_argument(
        "--share",
        type=float,
        help="shadow, canary: of calls to mirror or to answer here, 0.001 to 1 (0.1)",
    )
    made.add_argument(
        "--force", metavar="REASON", help="a phase: begin it in spite of what is against it"
    )
    made.add_argument(
        "--logs", type=Path, help="check: folder of captured calls (logs in the folder)"
    )
    made.add_argument("--pairs", type=int, help=f"check: shadow pairs to judge at most ({PAIRS})")
    return made


def main(words: list[str]) -> int:
    """Do what the first word says; 0 for any verdict of a check."""
    given = arguments.read(parser(), words)
    if not given.words or given.words[0] not in OF:
        word = given.words[0] if given.words else "nothing"
        raise UsageError(
            f"rollout: {word} is none of {', '.join(OF)}{nearest(word, OF) if given.words else ''}"
        )
    asked, *rest = given.words
    for flag in ("into", "share", "force", "logs", "pairs"):
        if getattr(given, flag) is not None and flag not in OF[asked]:
            raise UsageError(f"rollout {asked} takes no --{flag}")
    if asked == "import":
        print("\n".join(_brought(_import(rest, given.into))))
    elif asked == "check":
        print(_check(rest, given))
    else:
        print("\n".join(_said(_begin(asked, rest, given), asked)))
    return 0


def _begin(asked: str, words: list[str], given: argparse.Namespace) -> "Begun":
    from llamaduo.config import from_overrides
    from llamaduo.parity.alike import alike
    from llamaduo.rollout import PHASES
    from llamaduo.rollout.phase import Local, asked_of, begin

    [phase] = [one for one in PHASES if one == asked]
    local = None
    if phase in ("shadow", "canary", "cutover"):
        found = versioned.find(words, f"rollout {phase}")
        exp, home, name = found.exp, found.home, found.held.version.name
        like = alike(found.held, exp.serving)
        endpoint = exp.serving.endpoint(name, like.form)
        local = Local(found.held, endpoint, like.form, like.dtype, found.tracker, home)
    else:
        exp = from_overrides([word for word in words if "=" in word])
        home = Path(exp.home)
        name = _name(words, home, exp.task.name, f"rollout {phase}")
    return begin(
        phase,
        name,
        _folder(given.into, home, name),
        service=asked_of(exp.service),
        local=local,
        share=given.share,
        force=given.force,
        typed=_typed(words, given.into),
    )


def _typed(words: Sequence[str], into: Path | None) -> list[str]:
    """Return what the commands that come next have to be given too."""
    keys = [word for word in words if "=" in word]
    return [*keys, *(["--into", str(into)] if into else [])]


def _folder(into: Path | None, home: Path, name: str) -> Path:
    """Return the folder of a rollout: the one that is given, or the model's own under home."""
    if name.startswith("."):
        raise UsageError(f"rollout: {name}: the name of a model begins with no dot")
    return into or home / ".llamaduo" / "rollout" / name


def _name(words: Sequence[str], home: Path, task: str, verb: str) -> str:
    """Return what clients call the model: as given, as in the only rollout there is, or the task.

    Going back has to work without a registry, and capturing before there is a model.
    """
    from llamaduo.tracker.registry import name_of

    names = [word for word in words if "=" not in word]
    if len(names) > 1:
        raise UsageError(f"{verb}: one model at a time, not {len(names)}: {', '.join(names)}")
    if names:
        bare = names[0].removeprefix("models:/").partition("@")[0].partition("/")[0]
        if name_of(bare) != bare or not bare:
            raise UsageError(f"{verb}: {names[0]}: letters, digits and _ - . make a name")
        return bare
    there = sorted(p.parent.name for p in (home / ".llamaduo/rollout").glob("*/state.json"))
    if len(there) > 1:
        raise UsageError(f"{verb}: which model? There are {', '.join(there)}")
    if any(word.startswith("task=") for word in words) or not there:
        return name_of(task)
    return there[0]


def _said(done: "Begun", phase: str) -> list[str]:
    step = done.step
    lines = [f"rollout {phase}, step {step.number}: {done.config}"]
    lines += [f"  forced against: {one}" for one in step.against]
    lines.append(
        f"start the gateway with it; {done.folder / 'README.md'} says how. It reads "
        f"{', '.join(done.variables)} from the environment"
    )
    return lines


def _import(words: Sequence[str], into: Path | None) -> "Imported":
    from llamaduo import running
    from llamaduo.rollout.rows import bring_in

    if not words or into is None:
        raise UsageError("rollout import: give files of captured calls, and --into rows.jsonl")
    places = [Path(word) for word in words]
    privates = {
        above for one in (*places, into) for above in one.resolve().parents if above.name == PRIVATE
    }
    with ExitStack() as going_on:
        for private in sorted(privates):
            going_on.enter_context(running.beside(private, "rollout import"))
        return bring_in(places, into)


def _brought(done: "Imported") -> list[str]:
    lines = [f"{done.kept} of {done.lines} calls are rows: {done.rows}"]
    lines += [f"  left out, {reason}: {n}" for reason, n in done.left_out.items()]
    if done.left_out:
        lines.append(f"each with its line and reason: {done.quarantine}")
    return [*lines, f"a task of them: task.rows.path={done.rows}"]


def _check(words: list[str], given: argparse.Namespace) -> str:
    from llamaduo import running
    from llamaduo.config import from_overrides
    from llamaduo.home import writable
    from llamaduo.promotion.candidate import now
    from llamaduo.rollout.check import report
    from llamaduo.rollout.payloads import files_of, lines
    from llamaduo.rollout.seen import look
    from llamaduo.rollout.shown import table
    from llamaduo.rollout.state import Checked, checked, put, read
    from llamaduo.verbs.pairs import as_promoted, judge_all, month_for

    exp = from_overrides([word for word in words if "=" in word])
    home = Path(exp.home)
    name = _name(words, home, exp.task.name, "rollout check")
    folder = _folder(given.into, home, name)
    state = read(folder)
    if state is None or not state.steps:
        raise UsageError(
            f"rollout check: nothing was begun in {folder}; `llamaduo rollout capture`"
        )
    with running.beside(writable(home / PRIVATE, "home"), f"rollout check {name}"):
        version = state.current.version
        logs = given.logs or folder / "logs"
        seen = look(lines(files_of([logs]) if given.logs or logs.is_dir() else []), state)
        of = as_promoted(words, name, version) if version else exp
        most = PAIRS if given.pairs is None else given.pairs
        if most < 1:
            raise UsageError(f"rollout check: --pairs is 1 or more; got {most}")
        found = report(
            seen,
            state,
            judged=judge_all(seen.pairs, of, name, most) if seen.pairs else None,
            margin=of.goal.margin,
            latency_p95_ms=of.goal.latency_p95_ms,
            month=month_for(words, of, version, state.service),
            allow_simulated=exp.allow_simulated,
        )
        put(folder / "check.json", found.model_dump_json(indent=2) + "\n")
        checked(folder, Checked(number=found.step, verdict=found.verdict, at=now()))
        return table(found)
