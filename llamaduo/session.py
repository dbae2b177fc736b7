"""One run from checked experiment to report: opens what the loop needs, and closes it."""

import json
import platform
import shlex
import traceback
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import llamaduo
from llamaduo import labels, loop, preflight, report, running, runs, scores, trials
from llamaduo.account import Account
from llamaduo.bench import Bench
from llamaduo.cost import project
from llamaduo.decision import level_of_look, unreachable
from llamaduo.experiment import Experiment, Until
from llamaduo.findings import Result, Searched
from llamaduo.home import refuse_network_home, writable
from llamaduo.hosts import ledger_of, not_for_many_hosts
from llamaduo.intervals import LEVEL
from llamaduo.judging import part
from llamaduo.privacy.told import told
from llamaduo.progress import Progress, tell
from llamaduo.records import Placed
from llamaduo.report.calls import to_ask_again
from llamaduo.report.money import migration_usd
from llamaduo.search.space import with_values
from llamaduo.secrets import without_secrets
from llamaduo.stages import Stages
from llamaduo.started import Started
from llamaduo.store import Rows, Store
from llamaduo.tracker import Run
from llamaduo.until import Reached, stop_at

LIBRARIES = ("torch", "transformers", "peft", "trl", "bitsandbytes", "litellm")
"""Versions of these are printed: others may give other weights, answers or prices."""


def run(
    exp: Experiment,
    progress: Progress,
    until: Until | None = None,
    started: Started | None = None,
    account: Account | None = None,
    first: Callable[[], None] | None = None,
) -> Result:
    """Run `exp` under its home, show it, and write its report.

    Args:
        first: done once nothing stands in the way, before anything is made.
        until: where to stop, without a verdict or a report.
        started: by which command; None where it was no command.
        account: filled in at the end, whichever it is.

    Raises:
        Reached: there; in the tracker, the run then stays one that is running.
        ConfigError: before anything is spent, with all that stands in the way.
        LlamaDuoError: what a user can put right; `error.json` in the run's folder has it.
    """
    preflight.refuse(exp, progress, until)
    refuse_network_home(Path(exp.home), not_for_many_hosts(exp))
    private = writable(Path(exp.home) / ".llamaduo", "home")
    if first is not None:
        first()
    name = exp.fingerprint()
    with running.beside(private, f"run {name}"):
        return _at_home(exp, private / "runs" / name, progress, until, started, account)


def _at_home(
    exp: Experiment,
    place: Path,
    progress: Progress,
    until: Until | None,
    started: Started | None,
    account: Account | None,
) -> Result:
    """Open what the run needs, and close it at its end, whichever it is."""
    private, name = place.parent.parent, place.name
    place.mkdir(parents=True, exist_ok=True)
    runs.remember(place, exp, started)
    ledger = ledger_of(exp)
    ledger.free_the_dead()
    gate = stop_at(exp, until) if until else None
    store = Store(private / "store", gate, ledger.held, by=name)
    stages = Stages(exp, store, ledger, progress, name)
    try:
        result = _run(exp, stages, place, progress, until, started)
    except Reached:
        (place / "error.json").unlink(missing_ok=True)
        raise
    except BaseException as error:
        _write_down(error, place)
        raise
    finally:
        if account is not None:
            account.spent_now, account.calls_now = ledger.spent_now, ledger.calls_now
            account.made_now, account.recipes = len(store.made), tuple(stages.paid)
        ledger.close()
    (place / "error.json").unlink(missing_ok=True)
    return result


def _run(
    exp: Experiment,
    stages: Stages,
    place: Path,
    progress: Progress,
    until: Until | None,
    started: Started | None,
) -> Result:
    split = stages.split()
    tests, train = len(part(split, "test")), len(part(split, "train"))
    progress.say(f"run {stages.run} in {exp.home}")
    preflight.refuse_unasked(exp, split, progress)
    cannot = unreachable(tests, exp.goal, level_of_look(1) if exp.judge.on == "test" else LEVEL)
    if cannot:
        progress.say(cannot)
    if exp.goal.latency_p95_ms is not None and exp.engine.asked is None:
        progress.say(
            "goal.latency_p95_ms: answers given in batches in this process are not timed. No "
            "switch is said before a load test has timed the model where it is served: llamaduo "
            "promote --challenger, serve it, llamaduo load URL, and this command once more"
        )
    shown = exp.tracker.open(
        home=Path(exp.home),
        fingerprint=stages.run,
        task=exp.task.name,
        name=labels.name(exp, train, stages.run),
        params=labels.params(exp),
        tags={
            **labels.tags(exp),
            **labels.source(started),
            "llamaduo.fingerprint": stages.run,
            "llamaduo.until": until or "the end",
        },
        sweep=started.sweep if started is not None else None,
    )
    try:
        shown.begin(place / runs.CONFIG, {of: part(split, of) for of in ("dev", "test")})
        searched = trials.search(exp, stages, split, shown) if exp.search is not None else None
        if searched is not None:
            exp = with_values(exp, searched.trial(searched.best).settings)
            stages = replace(stages, exp=exp)
        # Workers of a search have the same run to end: the first does, the others find it done.
        lock = stages.store.root.parent / "search" / stages.run / "ending"
        with stages.ledger.held(lock) if searched is not None else nullcontext():
            return _ended(exp, stages, split, shown, searched, place)
    except Reached:
        shown.leave()
        raise
    except BaseException as error:
        shown.fail(error)
        raise


def _ended(
    exp: Experiment,
    stages: Stages,
    split: Rows[Placed],
    shown: Run,
    searched: Searched | None,
    place: Path,
) -> Result:
    """Run the loop, and write down and show what it came to."""
    result = loop.run(exp, stages, split, shown).model_copy(update={"searched": searched})
    rounds = [f"round {round_.number}" for round_ in result.rounds]
    judged = {name: stages.judged[name, exp.judge.on].rows for name in rounds}
    everything = {of: stage.rows for of, stage in stages.judged.items()}
    scores.write_scores(place / scores.FILE, scores.score_rows(everything, exp.goal))
    projection = project(exp.workload, migration_usd(result))
    path = report.write(result, exp.workload, projection, judged, made_of(exp, stages), place)
    on_test = {of: rows for (of, on), rows in everything.items() if on == "test"}
    shown.finish(result, projection, place, test=on_test)
    now = f"spent now: ${stages.ledger.spent_now:.4f} in {stages.ledger.calls_now} requests"
    made = f"stages made now: {len(stages.store.made)}"
    last = stages.judged[rounds[-1], exp.judge.on].adapter if rounds else None
    tuned = last is not None and (last / "adapter_config.json").exists()
    where = [f"{now}; {made}", f"report: {path}", *([f"adapter: {last}"] if tuned else [])]
    tell(report.summary(result, [*where, *_to_ask_again(result, place), shown.where]))
    return result


def _to_ask_again(result: Result, place: Path) -> list[str]:
    """Say what to type to have the calls asked again that went wrong, if any did."""
    flag, typed = to_ask_again(result.tallies), runs.typed(place)
    if not flag:
        return []
    words = "and the values of this run" if typed is None else shlex.join(typed)
    return [f"to ask these again: llamaduo run {flag} {words}"]


def made_of(exp: Experiment, stages: Bench) -> list[str]:
    """Return what the run was made of, a line each, and what of it was hidden from services."""
    return [*facts(exp), *(told(stages.ledger, stages.paid) if exp.hides else [])]


def facts(exp: Experiment) -> list[str]:
    """Return what the run was made of, a line each."""
    return [
        _model(exp),
        f"service: {exp.service.name}; judge: {exp.judge.name}",
        *_knowledge(exp),
        f"seed {exp.seed}, {exp.samples} answers a prompt",
        f"llamaduo {llamaduo.__version__}, Python {platform.python_version()}, "
        + ", ".join(f"{name} {version(name)}" for name in LIBRARIES),
    ]


def _model(exp: Experiment) -> str:
    """Say what answered."""
    if exp.engine.asked is not None:
        return f"an endpoint answered: {exp.engine.asked.service.name} ({exp.engine.asked.where})"
    local = exp.local
    return (
        f"local model: {local.name} ({local.base}, revision {local.revision}), "
        f"licence {local.licence}"
    )


def _knowledge(exp: Experiment) -> list[str]:
    """Name the file a simulated service knows its task from."""
    file = getattr(exp.service, "knowledge", None)
    return [f"the simulated service knows only what {Path(file).name} holds"] if file else []


def _write_down(error: BaseException, place: Path) -> None:
    """Keep what ended the run, where a sweep's user finds it."""
    said = {
        "error": type(error).__name__,
        "message": without_secrets(str(error)),
        "traceback": without_secrets(traceback.format_exc()),
    }
    (place / "error.json").write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")
