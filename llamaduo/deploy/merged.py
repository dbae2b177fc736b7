"""A version's weights with the adapter in them, as one folder that engines load.

    <into>/NAME-NUMBER-DTYPE/NAME/              weights, tokenizer, chat template
    <into>/NAME-NUMBER-DTYPE/NAME/merged.json   what it was made from, and the sha256 of each file
    <into>/NAME-NUMBER-DTYPE.draft/             one in the making

The folder is called as the model is, since some servers call a model by its folder. It is put in
place by one rename: complete or absent. `merged.json` names the adapter by its content, so that
weights of a row that is forgotten (`llamaduo store forget`) are found, and removed.
"""

import json
import os
import shutil
from pathlib import Path
from typing import Any

from llamaduo.component import Component, digest, file_sha256
from llamaduo.engine.transformers import TransformersEngine
from llamaduo.errors import LlamaDuoError, ModelError
from llamaduo.local import LocalModel, load
from llamaduo.local.shape import read_shape, shape_of
from llamaduo.locks import flocked
from llamaduo.machine import free_disk
from llamaduo.memory import gib
from llamaduo.progress import Progress
from llamaduo.promotion.held import Held
from llamaduo.promotion.version import generation, write_merged
from llamaduo.store import Folder
from llamaduo.tracker.registry import ADAPTER

SERVED = "served"
"""Folder under `.llamaduo` where merged weights are kept from one serving to the next; to remove
it costs the minutes that they take to make."""
MANIFEST = "merged.json"
SCHEMA = 1
"""Number of the manifest's shape, and of how the folder is written; another is made anew."""
BESIDE = 30 * 2**20
"""Bytes of tokenizer and configs, generously."""
WIDTH = {"float32": 4, "bfloat16": 2}
"""Bytes of a number."""


def merged(held: Held, into: Path, progress: Progress, *, dtype: str | None = None) -> Path:
    """Return the folder of all the weights, made if it is not there.

    They are merged into the dense base in the type of number that was judged, so that the model
    answers as its references do. Two processes at once make it once.

    Args:
        into: below it stands `NAME-NUMBER-DTYPE/NAME`; `.llamaduo/served` of a home.
        dtype: `float32` or `bfloat16`; None: the one it was promoted with.

    Raises:
        ModelError: if the base is not here and cannot be had.
        LlamaDuoError: if the disk has no room for it.
    """
    own = str(held.served.engine["dtype"])
    dtype = dtype or own
    name = f"{held.version.name}-{held.version.number}-{dtype}"
    into.mkdir(parents=True, exist_ok=True)
    with flocked(into / f"{name}.lock", f"waiting for another process to merge {name}"):
        made_from = _made_from(held, dtype)
        place = into / name
        folder = place / held.version.name
        if place.is_dir():
            if _complete(folder, made_from):
                return folder
            progress.say(f"{place} is not what this version makes; made anew")
            shutil.rmtree(place)
        draft = into / f"{name}.draft"
        shutil.rmtree(draft, ignore_errors=True)
        _room(held, into, dtype)
        draft.mkdir()
        try:
            weights = draft / held.version.name
            if held.served.form == "merged" and dtype == own:
                _taken(held, weights)
            else:
                progress.say(f"merging {held.version.name} version {held.version.number} ({dtype})")
                _merge(held, weights, dtype)
            _seal(weights, made_from)
            draft.rename(place)
        except OSError as error:
            raise LlamaDuoError(
                f"{place} cannot be written: {error.strerror or error}; free some room, or name "
                "another disk by home="
            ) from None
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        _sync(into)
        return folder


def _merge(held: Held, into: Path, dtype: str) -> None:
    """Merge into the dense base, whatever was judged: NF4 would round the adapter away."""
    model = _model(held)
    if faults := model.faults():
        raise ModelError("; ".join(faults))
    engine = TransformersEngine.model_validate(
        held.served.engine | {"weights": "merged", "dtype": dtype}
    )
    write_merged(model, Folder(held.weights, "", ""), engine, into)


def _taken(held: Held, into: Path) -> None:
    """Take a version that was registered merged, without a second copy where that can be."""
    into.mkdir()
    for file in sorted(held.weights.iterdir()):
        try:
            os.link(file, into / file.name)
        except OSError:  # another disk, or one that knows no links
            shutil.copyfile(file, into / file.name)
    (into / "generation_config.json").unlink(missing_ok=True)  # an older llamaduo kept the base's
    how = generation(load.template(_model(held)), float(held.served.engine["temperature"]))
    how.save_pretrained(into)


def _model(held: Held) -> LocalModel:
    return held.served.model(held.folder / "artifacts")


def _made_from(held: Held, dtype: str) -> dict[str, Any]:
    """Return what the folder follows from."""
    base = _model(held)
    assert isinstance(base, Component)
    return {
        "schema": SCHEMA,
        "model": held.version.name,
        "version": held.version.number,
        "adapter": held.version.tags.get(ADAPTER, ""),
        "weights": digest(_hashes(held.weights)),
        "base": digest({name: value for name, value in base.key().items() if name != "folder"}),
        "temperature": held.served.engine["temperature"],
        "dtype": dtype,
    }


def _complete(folder: Path, made_from: dict[str, Any]) -> bool:
    try:
        said = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        files = said.pop("files")  # others may stand beside them: a GGUF that was made of these
        return bool(said == made_from) and files.items() <= _hashes(folder).items()
    except (OSError, ValueError, KeyError, AttributeError):
        return False


def _hashes(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.iterdir() if path.is_file() and path.name != MANIFEST)
    return {path.name: file_sha256(path) for path in files}


def _room(held: Held, into: Path, dtype: str) -> None:
    """Refuse what the disk has no room for, as far as the size is known before.

    Raises:
        LlamaDuoError: with what is free, and what it takes.
    """
    whole = held.served.form == "merged"
    shape = read_shape(held.weights) if whole else shape_of(_model(held))
    size = 0 if shape is None else shape.parameters * WIDTH[dtype] + BESIDE
    _, free = free_disk(into)
    if size > free:
        raise LlamaDuoError(
            f"the merged weights take {gib(size)}, and {gib(free)} are free under {into}; "
            "free some, or name another disk by home="
        )


def _seal(folder: Path, made_from: dict[str, Any]) -> None:
    """Write down what was made, and see all of it on the disk."""
    manifest = json.dumps({**made_from, "files": _hashes(folder)}, indent=1) + "\n"
    (folder / MANIFEST).write_text(manifest, encoding="utf-8")
    for path in (*folder.iterdir(), folder, folder.parent):
        if path.is_file() and path.stat().st_mode & 0o444 != 0o444:
            path.chmod(
                0o644
            )  # safetensors gives its owner alone the right, and a container is none
        _sync(path)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
