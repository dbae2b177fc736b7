"""Two machines in two folders, and what is carried between them."""

import json
import sqlite3
from pathlib import Path

import pytest

from llamaduo import session
from llamaduo.component import file_sha256
from llamaduo.config import composed, from_overrides
from llamaduo.config.overrides import check
from llamaduo.experiment import Experiment, Until
from llamaduo.findings import Result
from llamaduo.parcel import MANIFEST
from llamaduo.parcel.opened import opened
from llamaduo.parcel.pack import Packed, pack
from llamaduo.parcel.unpack import Unpacked, unpack
from llamaduo.progress import Progress
from llamaduo.until import Reached

KEY = "SIMULATED_API_KEY"
SECRET = "sk-of-the-laptop-0123456789"
WORDS = [
    *("experiments=demo_tiny", "tracker=none", f"service.key_env={KEY}", "rounds=1"),
    *("tuner.steps=2", "samples=1", "baselines=[untuned]", "judge.audit=2", "judge.repeats=3"),
]


class Machines:
    """Machines by name, under one folder. None has the key but those that say so."""

    def __init__(self, under: Path, patch: pytest.MonkeyPatch) -> None:
        self.under, self.patch = under, patch

    def sit_at(self, name: str, *, key: bool = True) -> Path:
        place = self.under / name
        place.mkdir(exist_ok=True)
        self.patch.chdir(place)
        if key:
            self.patch.setenv(KEY, SECRET)
        else:
            self.patch.delenv(KEY, raising=False)
        return place


def go(words: list[str], until: Until | None = None) -> tuple[Result | None, Experiment]:
    exp = from_overrides(words)
    try:
        return session.run(exp, Progress(), until), exp
    except Reached:
        return None, exp


def packed(into: Path, words: list[str]) -> Packed:
    exp = from_overrides(words)
    return pack(exp, composed(check(words, sweep=False).good), words, into)


def unpacked(path: Path, *own: str) -> Unpacked:
    with opened(path) as (folder, manifest):
        return unpack(folder, manifest, own, from_overrides)


def calls(home: Path) -> tuple[int, int, float]:
    """Count calls and paid replies in the ledger, and what its runs have spent."""
    db = sqlite3.connect(home / ".llamaduo" / "ledger.sqlite")
    try:
        paid = "replies where usd > 0"
        counts = [db.execute(f"select count(*) from {table}") for table in ("calls", paid)]
        spent = db.execute("select coalesce(sum(spent), 0) from runs").fetchone()[0]
        return counts[0].fetchone()[0], counts[1].fetchone()[0], round(float(spent), 9)
    finally:
        db.close()


def results(home: Path) -> dict[str, str]:
    """Return the content of every result, by recipe."""
    store = home / ".llamaduo" / "store"
    return {
        path.parent.relative_to(store).as_posix(): json.loads(path.read_text())["content"]
        for path in store.glob("*/*/manifest.json")
    }


def reseal(folder: Path) -> None:
    """Make the manifest fit what stands in the folder, as one who means harm would."""
    path = folder / MANIFEST
    said = json.loads(path.read_text())
    files = [p for p in folder.rglob("*") if p.is_file() and p != path]
    said["files"] = {p.relative_to(folder).as_posix(): file_sha256(p) for p in files}
    path.write_text(json.dumps(said))
