"""One job of a sweep, where the launcher calls it: made here, or in a process of its own."""

import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from llamaduo.account import Account
from llamaduo.component import digest
from llamaduo.errors import LlamaDuoError
from llamaduo.secrets import without_secrets
from llamaduo.started import Started
from llamaduo.sweep import ends, plan

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from llamaduo.experiment import Experiment

INTERRUPTED = 130
NOTHING_TO_DO = "; nothing to do, all was there"


def job(composed: "DictConfig") -> None:
    """Run one composed config, and write down how it ended. A job never ends the sweep."""
    from llamaduo import config
    from llamaduo.sweep import process

    folder, number = config.sweep_dir(), config.job_number()
    assert number is not None, "a job of a sweep has a number"
    of = plan.read(folder)
    typed = tuple(word.removeprefix("++") for word in config.task_overrides())
    if of.apart:
        process.run(lambda: config.values(composed), typed, of, folder, number)
        return
    place = folder / str(number)
    place.mkdir(parents=True, exist_ok=True)
    (place / ends.BEGUN).touch()
    end = run(lambda: config.experiment(composed), typed, of, number, place)
    if end.code in (1, 2):
        print(end.trace or f"llamaduo: {end.said}", file=sys.stderr, flush=True)
    ends.write(end, place)


def run(
    make: "Callable[[], Experiment]",
    typed: tuple[str, ...],
    of: plan.Plan,
    number: int,
    place: Path | None = None,
) -> ends.End:
    """Build an experiment and run it in this process; whatever comes of it is the job's end.

    Args:
        place: the job's folder; Ctrl-C leaves an end in it, with what was paid until then.
    """
    from llamaduo import cards, session
    from llamaduo.progress import Progress
    from llamaduo.until import Reached

    account = Account()
    known = ends.End(job=number, differs=of.jobs[number], code=0, said="done")
    progress = Progress()
    try:
        exp = make()
        known = known.model_copy(
            update={
                "fingerprint": exp.fingerprint(),
                "task": exp.task.name,
                "home": str(exp.home),
                "tracker": digest(exp.tracker),
            }
        )
        if place is not None:
            ends.begin(known, place)
        started = Started(overrides=typed, sweep=of.sweep)
        with cards.taken(_cards(exp, of), progress.say) as mine:
            if mine:
                progress.say(f"on {', '.join(mine)}")
            result = session.run(exp, progress, of.until, started, account)
    except Reached as reached:
        found: dict[str, object] = {"said": f"stopped at --until {of.until}: {reached.says}"}
    except KeyboardInterrupt:
        if place is not None:
            found = {"code": INTERRUPTED, "said": ends.STOPPED, **vars(account)}
            ends.write(known.model_copy(update=found), place)
        raise
    except LlamaDuoError as error:
        found = {"code": error.exit_code, "said": without_secrets(str(error))}
    except Exception as error:
        found = {"code": 1, "said": without_secrets(f"{type(error).__name__}: {error}")}
        found["trace"] = without_secrets(traceback.format_exc())
    else:
        part, coverage = ends.coverage_of(result)
        said = "stopped by the budget" if result.unfinished else str(result.decision.verdict)
        if not account.made_now and not account.calls_now:
            said += NOTHING_TO_DO
        found = {
            "code": 3 if result.unfinished else 0,
            "said": said,
            "verdict": result.decision.verdict,
            "part": part,
            "coverage": coverage,
        }
    return known.model_copy(update={**found, **vars(account)})


def _cards(exp: "Experiment", of: plan.Plan) -> int:
    """Return how many GPUs the job has to itself; 0 where it needs none or is given them."""
    idle = of.until == "data" or exp.engine.asked is not None
    return 0 if idle or not of.shares_cards else int(getattr(exp.tuner, "processes", 1))
