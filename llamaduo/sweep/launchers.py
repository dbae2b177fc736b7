"""Hydra's launchers: which there are, what each is told beside what was typed."""

import re
from collections.abc import Sequence

from llamaduo.errors import UsageError
from llamaduo.options import nearest

EXTRAS = {"joblib": "sweep", "submitit_local": "slurm", "submitit_slurm": "slurm", "ray": "ray"}
"""Launchers that an extra of ours brings."""
CHOICE = "hydra/launcher"
RAY = "hydra.launcher.ray."
OWN_MACHINES = "ray_aws"

_WEEK = 7 * 24 * 60
DEFAULTS = {
    "submitit_local": {"hydra.launcher.timeout_min": str(_WEEK)},  # its own is an hour
    "submitit_slurm": {"hydra.launcher.max_num_timeout": "20"},  # a job goes on where it was
    "ray": {
        f"{RAY}init.include_dashboard": "false",
        f"{RAY}init.log_to_driver": "false",
        f"{RAY}init.logging_level": "40",
        f"{RAY}init.configure_logging": "true",
    },
}
"""What a launcher is told where the command says nothing of it."""


def chosen(words: Sequence[str], there: Sequence[str]) -> str:
    """Return the launcher that a command chooses; `basic` where it chooses none.

    Args:
        there: the launchers that are installed.

    Raises:
        UsageError: for one that is not, with what to install, or the nearest name.
    """
    for word in words:
        if word.lstrip("+").startswith(("hydra/sweeper", "hydra.sweeper.params")):
            raise UsageError(
                f"{word}: a sweep is every combination of the values given; settings are searched "
                "with search=qlora"
            )
    names = [w.partition("=")[2] for w in words if w.lstrip("+").partition("=")[0] == CHOICE]
    name = names[-1] if names else "basic"
    if name == OWN_MACHINES:
        raise UsageError(
            f"{CHOICE}={name}: it copies nothing of home to the machines it starts; start a Ray "
            f"cluster, and name it: {CHOICE}=ray {RAY}init.address=HOST:PORT"
        )
    if name in there:
        return name
    if name in EXTRAS:
        raise UsageError(
            f'{CHOICE}={name} is not installed: pip install "llamaduo[{EXTRAS[name]}]"'
        )
    known = sorted({*there, *EXTRAS} - {OWN_MACHINES})
    raise UsageError(
        f"{CHOICE}={name}: no such launcher{nearest(name, known)} (there are: {', '.join(known)})"
    )


def told(launcher: str, words: Sequence[str]) -> list[str]:
    """Return the words of a command with what else the launcher is to be told."""
    keys = {word.lstrip("+~").partition("=")[0] for word in words}
    more = dict(DEFAULTS.get(launcher, {}))
    if launcher == "ray" and address(words):
        # A cluster that runs has its own store and logs; Ray refuses to be told of them.
        more = {f"{RAY}init.object_store_memory": "null", f"{RAY}init.log_to_driver": "false"}
    return [*words, *(f"++{key}={value}" for key, value in more.items() if key not in keys)]


def address(words: Sequence[str]) -> str:
    """Return the Ray cluster that a command names; empty where Ray is to be started here."""
    found = [w.partition("=")[2] for w in words if re.match(rf"\+*{RAY}init\.address=", w)]
    return "" if not found or found[-1] in ("null", "local") else found[-1].strip("'\"")


def on_other_machines(launcher: str, words: Sequence[str]) -> bool:
    """Whether jobs may run on other machines than this."""
    return launcher == "submitit_slurm" or (launcher == "ray" and address(words) != "")


def hands_out_cards(launcher: str, words: Sequence[str]) -> bool:
    """Whether the launcher gives each job GPUs of its own."""
    asked = any(re.match(rf"\+*{RAY}remote\.num_gpus=", word) for word in words)
    return on_other_machines(launcher, words) or (launcher == "ray" and asked)
