"""What a run is called, compared by and found by where runs are shown."""

import getpass
import json
import shlex
import subprocess
from contextlib import suppress

import llamaduo
from llamaduo.experiment import Experiment
from llamaduo.secrets import without_secrets
from llamaduo.started import Started

GIT_TIMEOUT = 10.0
"""Seconds for git to answer; on a slow disk, a run does not wait for its own label."""


def name(exp: Experiment, train: int, fingerprint: str) -> str:
    """Return what a run is called in a list of runs.

    Args:
        train: coverage rows it is tuned on.
    """
    return f"{exp.answers_as} <- {exp.service.name} n={train} {fingerprint[:6]}"


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
    if exp.hides:
        walk("privacy", exp.privacy.key())
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
        "llamaduo.tuner": type(exp.tuner).__name__,
        "llamaduo.goal": _goal(exp),
        "llamaduo.version": llamaduo.__version__,
        "llamaduo.simulated": str(exp.simulated).lower(),
        "llamaduo.rounds": str(exp.rounds),
        "llamaduo.budget_usd": str(exp.budget_usd),
        **({} if exp.search is None else {"llamaduo.trials": str(exp.search.trials)}),
    }


def source(started: Started | None) -> dict[str, str]:
    """Return by what command, by whom and from which commit a run was started, as MLflow has it.

    The commit is that of the working folder, whose `conf/` and rows a run may be made of.
    """
    found = {"mlflow.source.type": "LOCAL"}
    with suppress(OSError, KeyError):  # a container may know no name for its user
        found["mlflow.user"] = getpass.getuser()
    if started is not None:
        command = shlex.join(["llamaduo", "run", *started.overrides])
        found["mlflow.source.name"] = without_secrets(command)
    commit = _git("rev-parse", "HEAD")
    if commit:
        found["mlflow.source.git.commit"] = commit
        found["llamaduo.git.dirty"] = str(bool(_git("status", "--porcelain"))).lower()
    return found


def _git(*words: str) -> str:
    try:
        ended = subprocess.run(
            ["git", *words], capture_output=True, text=True, timeout=GIT_TIMEOUT, check=False
        )
    except (OSError, subprocess.TimeoutExpired):  # there is no git
        return ""
    return ended.stdout.strip() if ended.returncode == 0 else ""


def _goal(exp: Experiment) -> str:
    goal = exp.goal
    if goal.against == "service":
        return f"the service less {goal.margin:g}"
    return f"{goal.at_least:g} %"
