"""`llamaduo [run] overrides... [-m]`: run the loop, once or once for each job of a sweep."""

import json
import os
import sys
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from llamaduo.errors import ConfigError, LlamaDuoError, UsageError
from llamaduo.options import nearest
from llamaduo.secrets import without_secrets

if TYPE_CHECKING:
    from omegaconf import DictConfig


FLAGS = {
    **dict.fromkeys(("--multirun", "-m", "--resolve", "--hydra-help"), False),
    **dict.fromkeys(("--cfg", "-c", "--package", "-p", "--info", "-i"), True),
}
"""Hydra's flags that we pass on, and whether a value follows. Others would have it read
configs that we have not checked, or a pickle."""


def main(arguments: list[str]) -> int:
    """Check everything, then run; returns the worst exit code of all jobs."""
    from llamaduo import config
    from llamaduo.config.overrides import check
    from llamaduo.home import writable

    flags, overrides = split(arguments)
    sweep = "-m" in flags or "--multirun" in flags
    checked = check(overrides, sweep=sweep)
    if {"--cfg", "-c", "--info", "-i", "--hydra-help"} & set(flags):
        if checked.faults:
            raise ConfigError("the config cannot be shown:", checked.faults)
        config.launch([*flags, *checked.good], job)
        return 0
    if not sweep:
        # Before Hydra, which makes a folder there and shows a traceback where it cannot.
        writable(Path(config.check_one(checked).home) / ".llamaduo", "home")
        config.launch([*flags, *checked.good], job)
        return ENDED.pop() if ENDED else 0
    private = writable(config.check_sweep(checked) / ".llamaduo", "home")
    place = private / "sweeps" / f"{time.time_ns():x}-{os.getpid()}"
    place.mkdir(parents=True)
    config.launch([*flags, *checked.good, f"hydra.sweep.dir={place}"], job)
    ends = [json.loads(path.read_text(encoding="utf-8")) for path in place.glob("*/end.json")]
    ends.sort(key=lambda end: end["job"])
    for end in ends:
        print(f"llamaduo: job {end['job']} ({end['overrides']}): {end['said']}", file=sys.stderr)
    return max((end["code"] for end in ends), default=1)


ENDED: list[int] = []
"""How the job that is no sweep's ended; Hydra does not hand it back."""


def split(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Part Hydra's own flags (with their values) from overrides.

    Raises:
        UsageError: for a flag that is not one of `FLAGS`.
    """
    flags: list[str] = []
    overrides: list[str] = []
    left = list(arguments)
    while left:
        word = left.pop(0)
        if not word.startswith("-"):
            overrides.append(word)
            continue
        if word not in FLAGS:
            raise UsageError(f"{word}: no such flag{nearest(word, FLAGS)}")
        flags.append(word)
        if FLAGS[word] and left:
            flags.append(left.pop(0))
    return flags, overrides


def job(composed: "DictConfig") -> None:
    """Run one composed config. A job never ends the process: a sweep goes on."""
    from llamaduo.config import job_number, sweep_dir

    number = job_number()
    said = "done"
    try:
        code = run(composed)
    except LlamaDuoError as error:
        code, said = error.exit_code, f"{error}"
        print(f"llamaduo: {error}", file=sys.stderr)
    except Exception as error:
        code, said = 1, without_secrets(f"{type(error).__name__}: {error}")
        print(without_secrets(traceback.format_exc()), file=sys.stderr)
    if number is None:
        ENDED.append(code)
        return
    from hydra.core.hydra_config import HydraConfig

    place = sweep_dir() / str(number)
    place.mkdir(parents=True, exist_ok=True)
    overrides = " ".join(HydraConfig.get().overrides.task)
    end = {"job": number, "code": code, "said": said, "overrides": overrides}
    (place / "end.json").write_text(json.dumps(end) + "\n", encoding="utf-8")


def run(composed: "DictConfig") -> int:
    """Build, check and run one experiment; returns its exit code."""
    from llamaduo import config, session
    from llamaduo.progress import Progress

    result = session.run(config.experiment(composed), Progress())
    return 3 if result.unfinished else 0
