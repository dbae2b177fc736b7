"""One run from checked experiment to report: opens what the loop needs, and closes it."""

import json
import platform
import traceback
from contextlib import nullcontext
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import llamaduo
from llamaduo import loop, preflight, report, runs, scores, trials
from llamaduo.cost import project
from llamaduo.decision import level_of_look, unreachable
from llamaduo.experiment import Experiment, Until
from llamaduo.findings import Result, Searched
from llamaduo.home import refuse_network_home, writable
from llamaduo.intervals import LEVEL
from llamaduo.judging import part
from llamaduo.ledger import Ledger
from llamaduo.progress import Progress
from llamaduo.records import Placed
from llamaduo.report.money import migration_usd
from llamaduo.search.space import with_values
from llamaduo.secrets import without_secrets
from llamaduo.stages import Stages
from llamaduo.started import Started
from llamaduo.store import Rows, Store
from llamaduo.study.storage import held
from llamaduo.tracker import Run
from llamaduo.until import Reached, stop_at

LIBRARIES = ("torch", "transformers", "peft", "trl", "bitsandbytes", "litellm")
"""Versions of these are printed: others may give other weights, answers or prices."""


def run(
    exp: Experiment,
    progress: Progress,
    until: Until | None = None,
    started: Started | None = None,
) -> Result:
    """Run `exp` under its home, show it, and write its report.

    Args:
        until: where to stop, without a verdict or a report.
        started: by which command; None where it was no command.

    Raises:
        Reached: there; in the tracker, the run then stays one that is running.
        ConfigError: before anything is spent, with all that stands in the way.
        LlamaDuoError: what a user can put right; `error.json` in the run's folder has it.
    """
    preflight.refuse(exp, progress, until)
    refuse_network_home(Path(exp.home))
    private = writable(Path(exp.home) / ".llamaduo", "home")
    name = exp.fingerprint()
    place = private / "runs" / name
    place.mkdir(parents=True, exist_ok=True)
    runs.remember(place, exp, started)
    ledger = Ledger(private / "ledger.sqlite")
    ledger.free_the_dead()
    store = Store(private / "store", stop_at(exp, until) if until else None, by=name)
    stages = Stages(exp, store, ledger, progress, name)
    try:
        result = _run(exp, stages, place, progress, until)
    except Reached:
        (place / "error.json").unlink(missing_ok=True)
        raise
    except BaseException as error:
        _write_down(error, place)
        raise
    finally:
        ledger.close()
    (place / "error.json").unlink(missing_ok=True)
    return result


def _run(
    exp: Experiment, stages: Stages, place: Path, progress: Progress, until: Until | None
) -> Result:
    split = stages.split()
    tests, train = len(part(split, "test")), len(part(split, "train"))
    progress.say(f"run {stages.run} in {exp.home}")
    cannot = unreachable(tests, exp.goal, level_of_look(1) if exp.judge.on == "test" else LEVEL)
    if cannot:
        progress.say(cannot)
    if exp.goal.latency_p95_ms is not None and exp.engine.asked is None:
        progress.say(
            "goal.latency_p95_ms: answers given in batches in this process are not timed, so this "
            "run cannot say switch; engine=openai_endpoint times a model that is served"
        )
    shown = exp.tracker.open(
        home=Path(exp.home),
        fingerprint=stages.run,
        task=exp.task.name,
        name=f"{exp.answers_as} <- {exp.service.name} n={train} {stages.run[:6]}",
        params=params(exp),
        tags=tags(exp) | {"llamaduo.fingerprint": stages.run, "llamaduo.until": until or "the end"},
    )
    try:
        searched = trials.search(exp, stages, split, shown) if exp.search is not None else None
        if searched is not None:
            exp = with_values(exp, searched.trial(searched.best).settings)
            stages = replace(stages, exp=exp)
        # Workers of a search have the same run to end: the first does, the others find it done.
        lock = stages.store.root.parent / "search" / stages.run / "ending"
        with held(lock) if searched is not None else nullcontext():
            return _ended(exp, stages, split, shown, searched, place)
    except Reached:
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
    path = report.write(result, exp.workload, projection, judged, facts(exp), place)
    shown.finish(result, projection, place)
    now = f"spent now: ${stages.ledger.spent_now:.4f} in {stages.ledger.calls_now} calls"
    made = f"stages made now: {len(stages.store.made)}"
    last = stages.judged[rounds[-1], exp.judge.on].adapter if rounds else None
    tuned = last is not None and (last / "adapter_config.json").exists()
    where = [f"{now}; {made}", f"report: {path}", *([f"adapter: {last}"] if tuned else [])]
    print(report.summary(result, [*where, shown.where]), flush=True)
    return result


def params(exp: Experiment) -> dict[str, str]:
    """Return what makes the result as flat names and values; limits are no params."""
    flat: dict[str, str] = {}

    def walk(name: str, value: object) -> None:
        if isinstance(value, dict):
            for key, below in value.items():
                walk(f"{name}.{key}", below)
        else:
            flat[name] = json.dumps(value) if isinstance(value, list) else str(value)

    for name in ("task", "service", "local", "tuner", "engine", "synth", "dedup", "goal", "judge"):
        walk(name, getattr(exp, name).key())
    if exp.search is not None:
        walk("search", exp.search.key())
    flat |= {"samples": str(exp.samples), "seed": str(exp.seed)}
    flat["baselines"] = json.dumps(sorted(exp.baselines))
    if "few_shot" in exp.baselines:
        flat["shots"] = str(exp.shots)
    if "service" in exp.baselines:
        walk("ceiling", exp.ceiling.key())
    return flat


def tags(exp: Experiment) -> dict[str, str]:
    """Return what runs can be filtered by."""
    return {
        "llamaduo.kind": "loop",
        "llamaduo.task": exp.task.name,
        "llamaduo.local": exp.answers_as,
        "llamaduo.service": exp.service.name,
        "llamaduo.judge": exp.judge.name,
        "llamaduo.simulated": str(exp.simulated).lower(),
        "llamaduo.rounds": str(exp.rounds),
        "llamaduo.budget_usd": str(exp.budget_usd),
        **({} if exp.search is None else {"llamaduo.trials": str(exp.search.trials)}),
    }


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
