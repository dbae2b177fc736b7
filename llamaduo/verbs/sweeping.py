"""`llamaduo [run] overrides... -m`: a job for every combination of the values given."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from llamaduo.errors import ConfigError, UsageError
from llamaduo.progress import Progress, tell

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from llamaduo.config.overrides import Checked
    from llamaduo.experiment import Experiment, Until
    from llamaduo.sweep.ends import End
    from llamaduo.sweep.plan import Plan
    from llamaduo.sweep.shown import Place
    from llamaduo.tracker import SweepShown


def sweep(
    typed: Sequence[str], checked: "Checked", flags: Sequence[str], until: "Until | None"
) -> int:
    """Check what all jobs share, run them, and say what came of each; returns the worst code.

    Args:
        typed: the command's overrides.
        checked: the same, as Hydra gets them.
        flags: Hydra's own.

    Raises:
        ConfigError: before anything runs, where no job can.
        UsageError: for a launcher that there is not.
    """
    from llamaduo import config
    from llamaduo.cards import VISIBLE
    from llamaduo.sweep import launchers, plan, shown
    from llamaduo.sweep.job import job

    for word in checked.swept:
        if word.lstrip("+").startswith("hydra"):
            raise UsageError(f"{word}: several values; a sweep is launched in one way")
    launcher = launchers.chosen(checked.good, config.launchers())
    checked.good[:] = launchers.told(launcher, checked.good)
    experiments = config.check_sweep(checked)
    elsewhere = launchers.on_other_machines(launcher, checked.good)
    if elsewhere:
        _refuse_files(launcher, experiments)
    experiments = _at_home(experiments)
    sweeps = Path(experiments[0].home) / ".llamaduo" / "sweeps"
    place = sweeps / f"{time.time_ns():x}-{os.getpid()}"
    of = plan.Plan(
        sweep=plan.identity(typed),
        jobs=plan.differing(checked),
        until=until,
        launcher=launcher,
        elsewhere=elsewhere,
        shares_cards=launcher != "basic" and not launchers.hands_out_cards(launcher, checked.good),
        visible=os.environ.get(VISIBLE),
    )
    shows = shown.begin(of.sweep, experiments)
    place.mkdir(parents=True)
    plan.write(of, place)
    words = [*flags, *plan.spelled_out(checked), f"hydra.sweep.dir={place}"]
    ends, stopped = _launched(words, of, place, job)
    worst = _close(ends, shows, place, experiments[0])
    if stopped:
        raise KeyboardInterrupt
    return worst


def _at_home(experiments: "Sequence[Experiment]") -> "list[Experiment]":
    """Return those whose home can be written to; of the others, each job says so itself.

    Raises:
        UsageError: where there are none.
    """
    from llamaduo.home import writable

    found, refused = [], []
    for exp in experiments:
        try:
            writable(Path(exp.home) / ".llamaduo", "home")
            found.append(exp)
        except UsageError as error:
            refused.append(error)
    if not found:
        raise refused[0]
    return found


def _refuse_files(launcher: str, experiments: "Sequence[Experiment]") -> None:
    """Raise where jobs on several machines would share what only one machine can.

    Raises:
        ConfigError: with what to set.
    """
    from llamaduo.hosts import not_for_many_hosts

    found = dict.fromkeys(fault for exp in experiments for fault in not_for_many_hosts(exp))
    if found:
        head = f"hydra/launcher={launcher} runs jobs on other machines, and here they share files:"
        raise ConfigError(head, list(found))


def _launched(
    words: list[str], of: "Plan", place: Path, job: "Callable[[DictConfig], None]"
) -> "tuple[list[End], bool]":
    """Launch the jobs; returns how each ended, and whether Ctrl-C stopped them."""
    from llamaduo import config
    from llamaduo.sweep import ends
    from llamaduo.sweep.watch import ELSEWHERE, SILENT, STOPPED, watched

    progress, broke, stopped = Progress(), "", False
    if of.apart:
        progress.say(f"{len(of.jobs)} jobs by {of.launcher}; each writes to {place}/JOB/{ends.LOG}")
    with watched(of, place, progress) as watch:
        try:
            broke = config.launch_sweep(words, job)
        except KeyboardInterrupt:
            (place / ends.STOP).touch()
            stopped = True
        if broke:
            progress.say(f"the launcher broke: {broke.partition(chr(10))[0]}")
        if of.apart and (broke or stopped):
            watch.outlive(STOPPED if stopped else ELSEWHERE if of.elsewhere else SILENT)
    return ends.of_all(place, of.jobs, stopped=stopped), stopped


def _close(
    ends: "Sequence[End]", shows: "Mapping[Place, SweepShown]", place: Path, like: "Experiment"
) -> int:
    """Print what the sweep came to, and show it; returns the worst code."""
    from llamaduo.sweep import closing, shown

    tell("\n".join([*closing.table(ends), ""]))
    tell("\n".join(closing.notes(ends, closing.paid(ends, like))))
    for line in shown.finish(shows, ends, place, like):
        tell(line)
    return max(end.code for end in ends)
