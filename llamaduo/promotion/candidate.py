"""The run that is to be promoted: what it came to, its adapter, and why it may not be."""

import getpass
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from llamaduo import runs
from llamaduo.engine.transformers import TransformersEngine
from llamaduo.errors import LlamaDuoError, UsageError
from llamaduo.experiment import Experiment
from llamaduo.findings import Result
from llamaduo.promotion.served import BASES
from llamaduo.search.space import with_values
from llamaduo.secrets import without_secrets
from llamaduo.serving import Form
from llamaduo.store import Folder, complete
from llamaduo.tracker.mlflow import MlflowTracker


@dataclass(frozen=True)
class Candidate:
    """A finished run whose last adapter is here."""

    exp: Experiment
    """With the best settings of its search, if it had one."""
    place: Path
    result: Result
    adapter: Folder
    engine: TransformersEngine
    """What was judged."""
    tracker: MlflowTracker
    form: Form

    @property
    def home(self) -> Path:
        """What it stands under."""
        return self.place.parents[2]


@dataclass(frozen=True)
class Forced:
    """A champion against its verdict, or without one."""

    reason: str
    by: str
    at: str
    """ISO 8601, UTC."""


def forced(reason: str, verb: str = "promote") -> Forced:
    """Take down that the user at hand forces it now.

    Raises:
        UsageError: without a reason.
    """
    if not reason.strip():
        raise UsageError(f'{verb}: --force needs a reason, in words: --force "why it is right"')
    return Forced(in_a_line(reason), who(), now())


def in_a_line(words: str) -> str:
    """Return what a user gave as a reason, as it may be kept: one line, without a secret."""
    return without_secrets(" ".join(words.split()))


def who() -> str:
    """Return who is logged in, as the system says."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container without an entry for its user
        return "unknown"


def now() -> str:
    """Return the time, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def candidate(exp: Experiment, place: Path, wanted: Form | None) -> Candidate:
    """Return what is to be promoted.

    Args:
        place: the run's folder.
        wanted: what the version shall hold; None: the adapter where another machine can get
            the base, else all weights.

    Raises:
        UsageError: if there is nowhere to register it.
        LlamaDuoError: if there is nothing to promote.
    """
    name = place.name
    tracker = exp.tracker
    if not isinstance(tracker, MlflowTracker):
        raise UsageError(
            f"{name}: tracker=none registers nothing. Show the run in MLflow, by the command that "
            "made it with tracker=mlflow (nothing is made twice), and promote it with "
            "tracker=mlflow too"
        )
    result = _result(place)
    engine = _engine(exp, name)
    adapter = _adapter(place, result)
    form = _form(exp, engine, wanted)
    if result.searched is not None:
        best = result.searched.trial(result.searched.best)
        exp = with_values(exp, best.settings)
    return Candidate(exp, place, result, adapter, engine, tracker, form)


def _result(place: Path) -> Result:
    if not (place / runs.RESULT).is_file():
        raise UsageError(
            f"{place.name}: it is not finished, and has no verdict; `llamaduo report` says why, "
            "and how to go on"
        )
    found, said = runs.read([place])
    if not found:
        raise LlamaDuoError("; ".join(said))
    return found[0].result


def _engine(exp: Experiment, name: str) -> TransformersEngine:
    if exp.engine.asked is not None:
        raise LlamaDuoError(
            f"{name}: an endpoint answered ({exp.engine.asked.service.name}), and no model of this "
            "run is here; what a server already serves is not promoted"
        )
    if not isinstance(exp.engine, TransformersEngine):
        raise LlamaDuoError(
            f"{name}: {type(exp.engine).__name__} answered, which a version cannot name: it would "
            "have to bring code along. Judge the model with engine=transformers"
        )
    return exp.engine


def _adapter(place: Path, result: Result) -> Folder:
    """Find the last round's adapter by its content.

    Raises:
        LlamaDuoError: if no adapter was tuned or given, or it is no longer in the store.
    """
    if not result.rounds:
        raise LlamaDuoError(f"{place.name}: it ended before anything was tuned")
    content = result.rounds[-1].adapter
    store = place.parents[1] / "store"
    for manifest in sorted(store.glob("adapter/*/manifest.json")):
        recipe = f"adapter/{manifest.parent.name}"
        try:
            there = json.loads(manifest.read_text(encoding="utf-8"))["content"]
        except (OSError, ValueError, KeyError):
            continue
        if there == content and complete(store, recipe):
            found = Folder(manifest.parent / "out", content, recipe)
            break
    else:
        raise LlamaDuoError(
            f"{place.name}: its adapter ({content}) is not in the store any more, or damaged; the "
            "command that made the run makes it anew"
        )
    if not (found.path / "adapter_config.json").is_file():
        raise LlamaDuoError(
            f"{place.name}: no adapter was tuned or given; the verdict is about the base model as "
            "it is, which anyone can load"
        )
    return found


def _form(exp: Experiment, engine: TransformersEngine, wanted: Form | None) -> Form:
    kind: type[object] = type(exp.local)  # not a class made of one of them: that is other code
    known = kind in BASES.values()
    form = wanted or ("adapter" if known else "merged")
    if form == "adapter" and not known:
        raise UsageError(
            f"{exp.local.name}: a version does not name code of other packages, so nobody could "
            "get its base; --weights merged holds all weights"
        )
    if form == "merged" and engine.weights == "nf4":
        raise UsageError(
            "engine.weights=nf4 was judged, and an adapter merged into weights of more bits is "
            "another model, which nobody judged: judge engine.weights=merged, or promote "
            "--weights adapter"
        )
    return form


def as_served(engine: TransformersEngine, form: Form) -> TransformersEngine:
    """Return the engine as a version has it: its type of number spelt out, the same everywhere."""
    from llamaduo.local.load import compute_dtype

    exact = None if engine.dtype == "auto" else engine.dtype
    dtype = str(compute_dtype(exact)).removeprefix("torch.")
    weights = "merged" if form == "merged" else engine.weights
    return engine.model_copy(update={"dtype": dtype, "weights": weights})
