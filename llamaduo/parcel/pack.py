"""Packing: all that a run made, paid and is told, into one folder or archive."""

import json
import shutil
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import llamaduo
from llamaduo.component import digest, file_sha256
from llamaduo.errors import LlamaDuoError, UsageError
from llamaduo.experiment import Experiment
from llamaduo.home import writable
from llamaduo.hosts import ledger_of
from llamaduo.ledger import Ledger
from llamaduo.openings import Look, add
from llamaduo.parcel import CALLS, LOOKS, MANIFEST, SCHEMA, Manifest, refuse_name
from llamaduo.parcel.calls import calls
from llamaduo.parcel.settings import settings
from llamaduo.parcel.walk import Walk, walk
from llamaduo.runs import TYPED
from llamaduo.secrets import secrets
from llamaduo.store import Store

ARCHIVE = ".tar.gz"
"""A parcel whose name ends so is one file."""


@dataclass(frozen=True)
class Packed:
    """What went into a parcel."""

    path: Path
    manifest: Manifest
    results: int
    calls: int
    usd: float
    settings: int
    size: int
    """Bytes of all files, before they are compressed."""
    begun: bool
    """Whether a tuning was under way, whose checkpoints are not in it."""


def pack(exp: Experiment, values: Mapping[str, Any], words: Sequence[str], into: Path) -> Packed:
    """Pack the run of `exp` as far as it has come.

    Args:
        values: what `words` compose to, as plain data.
        words: the overrides as typed.
        into: a folder that is empty or not there, or a file that ends in `.tar.gz`.

    Raises:
        UsageError: if something stands at `into`, or a file cannot be carried.
        LlamaDuoError: if a file holds a secret of the environment.
    """
    if into.is_file() or (into.is_dir() and (into.name.endswith(ARCHIVE) or any(into.iterdir()))):
        raise UsageError(f"{into}: there is something; name a folder or file that is not there")
    told = settings(exp, values, words)
    private = writable(Path(exp.home) / ".llamaduo", "home")
    run = exp.fingerprint()
    ledger = ledger_of(exp)
    try:
        came = walk(exp, Store(private / "store", hold=ledger.held), ledger)
        with tempfile.TemporaryDirectory(dir=_above(into), prefix=".packing-") as folder:
            draft = Path(folder) / "parcel"
            draft.mkdir()
            for place, path in told.files.items():
                _copy(path, draft / "files" / place)
            for recipe in came.results:
                _copy_result(private / "store" / recipe, draft / "store" / recipe)
            count, usd = _write_calls(ledger, run, came, draft / CALLS)
            _write_looks(ledger, private / "openings", came, draft / LOOKS)
            manifest = _sealed(draft, exp, told.overrides, came)
            size = sum(path.stat().st_size for path in draft.rglob("*") if path.is_file())
            _put(draft, into)
    finally:
        ledger.close()
    runs = private / "runs" / run
    runs.mkdir(parents=True, exist_ok=True)
    (runs / TYPED).write_text(json.dumps(list(words)) + "\n", encoding="utf-8")
    work = private / "store" / came.due / "work"
    begun = came.due.startswith("adapter/") and work.is_dir() and any(work.iterdir())
    there = len(came.results)
    return Packed(into, manifest, there, count, usd, len(told.files), size, begun)


def _above(into: Path) -> Path:
    """Return the folder that the parcel is made in, so that it is there whole or not at all."""
    return writable(into.absolute().parent, str(into))


def _copy(path: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, to)


def _copy_result(result: Path, to: Path) -> None:
    _copy(result / "manifest.json", to / "manifest.json")
    shutil.copytree(result / "out", to / "out")


def _write_calls(ledger: Ledger, run: str, came: Walk, path: Path) -> tuple[int, float]:
    """Write a line for each call; return how many there are, and their dollars."""
    count, usd = 0, 0.0
    recipes = [*came.results, *([came.due] if came.due else [])]
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for call in calls(ledger, run, recipes):
            file.write(call.model_dump_json() + "\n")
            count += not call.open
            usd += sum(one.usd for one in call.tries)
    return count, usd


def _write_looks(ledger: Ledger, folder: Path, came: Walk, path: Path) -> None:
    """Write who has looked at any of the run's test prompts."""
    mine = {digest(row.question, row.target) for row in came.test}
    looks: list[Look] = [look for look in add(folder, [], ledger.held) if mine & set(look.prompts)]
    path.write_text("".join(look.model_dump_json() + "\n" for look in looks), encoding="utf-8")


def _sealed(draft: Path, exp: Experiment, words: Sequence[str], came: Walk) -> Manifest:
    """Check every file, and write the manifest.

    Raises:
        LlamaDuoError: for a file that may not be carried, or that holds a secret.
    """
    asked = [exp.service, *exp.judges, *([exp.engine.asked.service] if exp.engine.asked else [])]
    keys = secrets(*(str(getattr(service, "key_env", "")) for service in asked))
    files = {}
    for path in sorted(path for path in draft.rglob("*") if path.is_file()):
        name = path.relative_to(draft).as_posix()
        refuse_name(name)
        _refuse_secrets(path, name, keys)
        files[name] = file_sha256(path)
    manifest = Manifest(
        number=SCHEMA,
        version=llamaduo.__version__,
        fingerprint=exp.fingerprint(),
        overrides=tuple(words),
        trusted=exp.trusted,
        due=came.due,
        files=files,
    )
    path = draft / MANIFEST
    path.write_text(manifest.model_dump_json(indent=1) + "\n", encoding="utf-8")
    _refuse_secrets(path, "the overrides", keys)
    return manifest


def _refuse_secrets(path: Path, name: str, keys: Mapping[str, str]) -> None:
    """Raise if the file holds one of `keys`, which are by variable."""
    values = {variable: value.encode() for variable, value in keys.items()}
    longest = max(map(len, values.values()), default=1)
    tail = b""
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            block = tail + block
            for variable, value in values.items():
                if value in block:
                    raise LlamaDuoError(
                        f"{name} holds what {variable} holds; take it out. Nothing was packed"
                    )
            tail = block[-longest:]


def _put(draft: Path, into: Path) -> None:
    """Put the parcel where it was asked for, in one step."""
    if not into.name.endswith(ARCHIVE):
        draft.rename(into)
        return
    whole = draft.parent / "whole"
    with tarfile.open(whole, "w:gz") as archive:
        archive.add(draft, arcname=into.name.removesuffix(ARCHIVE), filter=_nobodys)
    whole.rename(into)


def _nobodys(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Leave out who packed it."""
    return member.replace(uid=0, gid=0, uname="", gname="", deep=False)
