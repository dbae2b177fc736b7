"""What a sweep's jobs are told: `sweep.json` in its folder, written before the first begins."""

import hashlib
from collections.abc import Sequence
from itertools import product
from pathlib import Path

from llamaduo.config.overrides import Checked
from llamaduo.experiment import Until
from llamaduo.records import Record
from llamaduo.secrets import without_secrets
from llamaduo.started import Sweep

FILE = "sweep.json"


class Plan(Record):
    """A sweep, before it begins."""

    sweep: Sweep
    jobs: tuple[tuple[str, ...], ...]
    """What each job differs in from the others, by its number: overrides, as typed."""
    until: Until | None = None
    """Where its runs are to stop."""
    launcher: str = "basic"
    elsewhere: bool = False
    """Whether jobs may run on other machines."""
    shares_cards: bool = False
    """Whether jobs run beside each other on one machine, whose GPUs they then share out."""
    visible: str | None = None
    """`CUDA_VISIBLE_DEVICES` where the command was typed; None where it was not set."""

    @property
    def apart(self) -> bool:
        """Whether each job is a process of its own, that writes to a log of its own."""
        return self.launcher != "basic"


def identity(typed: Sequence[str]) -> Sweep:
    """Name a sweep by what was typed: the same command is the same sweep, however launched.

    Args:
        typed: overrides; their order and those of Hydra itself are no matter.
    """
    own = [word for word in typed if not word.lstrip("+~").startswith("hydra")]
    digits = hashlib.sha256("\x1f".join(sorted(own)).encode()).hexdigest()[:16]
    return Sweep(id=digits, name=without_secrets(" ".join(own)))


def differing(checked: Checked) -> tuple[tuple[str, ...], ...]:
    """Return what each job differs in, in the order in which Hydra numbers them."""
    words = [word for word in checked.good if not word.startswith("hydra")]
    by_key = {word.partition("=")[0]: checked.swept.get(word, [""]) for word in words}
    return tuple(
        tuple(without_secrets(word.lstrip("+")) for word in job if word)
        for job in product(*by_key.values())
    )


def spelled_out(checked: Checked) -> list[str]:
    """Return the overrides with every value of a sweep in its place: none is drawn again."""
    return [
        f"{word.partition('=')[0]}={','.join(value.partition('=')[2] for value in values)}"
        if (values := checked.swept.get(word))
        else word
        for word in checked.good
    ]


def read(folder: Path) -> Plan:
    """Read the plan of the sweep whose folder it is."""
    return Plan.model_validate_json((folder / FILE).read_bytes())


def write(plan: Plan, folder: Path) -> None:
    """Write it down for the jobs."""
    (folder / FILE).write_text(plan.model_dump_json(indent=1) + "\n", encoding="utf-8")
