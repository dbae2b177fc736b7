"""Whether there is disk: for the base model's download, for checkpoints and the store."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from llamaduo.experiment import Experiment
from llamaduo.local import LocalModel, cache_home
from llamaduo.local.hub import HubModel, hub_folder
from llamaduo.local.shape import Shape, folder_of, shape_of
from llamaduo.local.wheel import WheelModel
from llamaduo.machine import Machine, free_disk
from llamaduo.memory import gib
from llamaduo.preflight.finding import Finding, look, missing, ok
from llamaduo.preflight.room import loads
from llamaduo.tuner.qlora import Qlora

BESIDE = 0.5 * 2**30
"""Rows, replies, reports and MLflow's database of a run, generously."""

FILES = 20 * 2**20
"""What stands beside an adapter's weights: its tokenizer."""


class Wanted(NamedTuple):
    """Bytes that something will take in a folder."""

    what: str
    folder: Path
    size: float
    fix: str
    needed: bool = False
    """Whether nothing can be done without all of it."""


def disk(exp: Experiment, here: Machine, *, model: bool = True) -> Iterator[Finding]:
    """Yield a line for each disk that a run will write to.

    Args:
        model: whether the run comes to where the base model is loaded.
    """
    shape = shape_of(exp.local)
    home = Wanted(
        "checkpoints and the store",
        Path(exp.home),
        BESIDE + (0 if shape is None else adapters(exp, shape, here)),
        "free some, or name another disk by home=",
    )
    base = None if shape is None or not model or not loads(exp) else fetched(exp.local, shape)
    if base is None:
        yield said([home])
    elif free_disk(home.folder)[0] == free_disk(base.folder)[0]:
        yield said([base, home])
    else:
        yield said([base])
        yield said([home])


def said(wanted: list[Wanted]) -> Finding:
    """Hold what will stand on one disk against what is free there."""
    first = wanted[0]
    _, free = free_disk(first.folder)
    total = sum(one.size for one in wanted)
    wants = " and ".join(f"{gib(one.size)} for {one.what}" for one in wanted)
    line = f"disk: {gib(free)} free under {first.folder}; wanted: about {wants}"
    fix = "; or ".join(dict.fromkeys(one.fix for one in wanted))
    if first.needed and first.size > free:
        return missing(f"{line}; {fix}")
    return look(f"{line}; {fix}") if total > free else ok(line)


def fetched(model: LocalModel, shape: Shape) -> Wanted | None:
    """Return what getting the base model here will take; None if it is here, or made here."""
    if folder_of(model) is not None:
        return None
    if isinstance(model, HubModel):
        place = hub_folder("model", model.repo, model.revision).parents[2]
        fix = "free some, or name another disk by HF_HOME"
        return Wanted("the base model's download", place, shape.parameters * 2, fix, True)
    if isinstance(model, WheelModel):
        fix = "free some, or name another disk by XDG_CACHE_HOME"
        return Wanted("the base model's dense copy", cache_home(), shape.parameters * 4, fix, True)
    return None


def adapters(exp: Experiment, shape: Shape, here: Machine) -> float:
    """Return what all adapters (a search's trials too) and the checkpoints of one tuning take.

    MLflow has a copy of each round's. A checkpoint has Adam's two moments beside the adapter;
    two are kept, and a third is there while it is written.
    """
    if not isinstance(exp.tuner, Qlora):
        return 0
    space = {} if exp.search is None else exp.search.space
    ranks = [r for r in space["tuner.r"].edges if isinstance(r, int)] if "tuner.r" in space else []
    one = shape.lora(max([exp.tuner.r, *ranks]), exp.tuner.layers) * here.adapter_width
    beside = sum(name in exp.baselines for name in ("coverage", "equal_steps"))
    beside += 0 if exp.search is None else exp.search.trials
    return (2 * exp.rounds + beside) * (one + FILES) + 3 * (3 * one + FILES)
