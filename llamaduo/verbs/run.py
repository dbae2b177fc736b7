"""`llamaduo [run] overrides... [-m] [--until WHERE] [--retry OUTCOMES]`: run the loop.

Once, or once for each job of a sweep.
"""

import shlex
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from llamaduo.errors import ConfigError, LlamaDuoError, UsageError
from llamaduo.options import nearest
from llamaduo.progress import READER_GONE, Progress, nobody_reads, tell
from llamaduo.secrets import without_secrets
from llamaduo.verbs import retrying, sweeping

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from llamaduo.experiment import Until
    from llamaduo.records import Outcome


FLAGS = {
    **dict.fromkeys(("--multirun", "-m", "--resolve", "--hydra-help"), False),
    **dict.fromkeys(("--cfg", "-c", "--package", "-p", "--info", "-i"), True),
}
"""Hydra's flags that we pass on, and whether a value follows. Others would have it read
configs that we have not checked, or a pickle."""

UNTIL = "--until"
"""Our own flag: where a run is to stop."""


def main(arguments: list[str]) -> int:
    """Check everything, then run; returns the worst exit code of all jobs."""
    from llamaduo import config
    from llamaduo.config.overrides import check
    from llamaduo.home import writable

    until, arguments = until_where(arguments)
    wrong, arguments = retry_what(arguments)
    flags, overrides = split(arguments)
    sweep = "-m" in flags or "--multirun" in flags
    if wrong and sweep:
        raise UsageError(
            f"{retrying.FLAG} asks again the calls of one run, and -m makes several: give the "
            "command once for each"
        )
    checked = check(overrides, sweep=sweep)
    if {"--cfg", "-c", "--info", "-i", "--hydra-help"} & set(flags):
        if checked.faults:
            raise ConfigError("the config cannot be shown:", checked.faults)
        config.launch([*flags, *checked.good], job)
        return 0

    if sweep:
        return sweeping.sweep(overrides, checked, flags, until)

    def one(composed: "DictConfig") -> None:
        job(composed, until, wrong)

    # Before Hydra, which makes a folder there and shows a traceback where it cannot.
    writable(Path(config.check_one(checked).home) / ".llamaduo", "home")
    config.launch([*flags, *checked.good], one)
    return ENDED.pop() if ENDED else 0


ENDED: list[int] = []
"""How the run ended; Hydra does not hand it back."""


def until_where(arguments: list[str]) -> "tuple[Until | None, list[str]]":
    """Part `--until WHERE` from the rest.

    Raises:
        UsageError: for a place where no run stops.
    """
    from llamaduo.experiment import Until

    found: Until | None = None
    rest = []
    left = iter(arguments)
    for word in left:
        name, _, value = word.partition("=")
        if name != UNTIL:
            rest.append(word)
            continue
        value = value or next(left, "")
        places: dict[str, Until] = {place: place for place in get_args(Until)}
        if value not in places:
            there = ", ".join(places)
            raise UsageError(f"{UNTIL} {value}: a run stops at {there}{nearest(value, places)}")
        found = places[value]
    return found, rest


def retry_what(arguments: list[str]) -> "tuple[tuple[Outcome, ...], list[str]]":
    """Part `--retry OUTCOMES` from the rest; given several times, they add up.

    Raises:
        UsageError: for what is no outcome of a call that went wrong.
    """
    found: tuple[Outcome, ...] = ()
    rest = []
    left = iter(arguments)
    for word in left:
        name, _, value = word.partition("=")
        if name == retrying.FLAG:
            found += retrying.outcomes(value or next(left, ""))
        else:
            rest.append(word)
    return tuple(dict.fromkeys(found)), rest


def split(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Part Hydra's own flags (with their values) from overrides.

    Raises:
        UsageError: for a flag that is not one of `FLAGS`.
    """
    flags: list[str] = []
    overrides: list[str] = []
    left = list(arguments)
    known = [*FLAGS, UNTIL, retrying.FLAG, "--version", "--help"]
    while left:
        word = left.pop(0)
        if not word.startswith("-"):
            overrides.append(word)
            continue
        if word not in FLAGS:
            raise UsageError(f"{word}: no such flag{nearest(word, known)}")
        flags.append(word)
        if FLAGS[word] and left:
            flags.append(left.pop(0))
    return flags, overrides


def job(
    composed: "DictConfig", until: "Until | None" = None, wrong: "Sequence[Outcome]" = ()
) -> None:
    """Run one composed config, that is no sweep's, and note how it ended."""
    try:
        ENDED.append(run(composed, until, wrong))
    except LlamaDuoError as error:
        print(f"llamaduo: {error}", file=sys.stderr)
        ENDED.append(error.exit_code)
    except BrokenPipeError:  # who read what is said on the way has seen enough
        nobody_reads(sys.stderr)
        nobody_reads(sys.stdout)
        ENDED.append(READER_GONE)
    except Exception:
        print(without_secrets(traceback.format_exc()), file=sys.stderr)
        ENDED.append(1)


def run(
    composed: "DictConfig", until: "Until | None" = None, wrong: "Sequence[Outcome]" = ()
) -> int:
    """Build, check and run one experiment; returns its exit code.

    Args:
        wrong: calls that ended so are asked again.
    """
    from llamaduo import config, session
    from llamaduo.started import Started
    from llamaduo.until import Reached

    exp, progress = config.experiment(composed), Progress()
    typed = tuple(word.removeprefix("++") for word in config.task_overrides())
    try:
        first = retrying.before(exp, wrong, progress)
        result = session.run(exp, progress, until, Started(overrides=typed), first=first)
    except retrying.NothingToRetryError:
        ends = " or ".join(wrong)
        kept = "; trials of its search keep their figures" if exp.search is not None else ""
        tell(f"run {exp.fingerprint()}: none of its calls ended as {ends}; nothing was done{kept}")
        return 0
    except Reached as reached:
        words = shlex.join(typed)
        tell(
            f"run {exp.fingerprint()}: {reached.says}\n"
            f"to go on here: llamaduo run {words}\n"
            f"to go on elsewhere: llamaduo pack DIR {words}"
        )
        return 0
    return 3 if result.unfinished else 0
