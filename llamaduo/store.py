"""Stage results on disk, so that running again is resuming.

    <root>/<stage>/<recipe>/out/            the result
    <root>/<stage>/<recipe>/manifest.json   written last; without it the result is not there
    <root>/<stage>/<recipe>/draft/, work/   a result in the making; they survive a kill
    <root>/<stage>/<recipe>/begun.json      beside them: what it is made from
    <root>/<stage>/<recipe>/lock            held by the one process that makes it (locks.py)

A result is found by its recipe (the digest of what made it) and known to the next
stage by its content, so an upstream result made anew never meets a stale one below.
"""

import hashlib
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from llamaduo.component import digest, file_sha256
from llamaduo.errors import LlamaDuoError
from llamaduo.lineage import BYTES_SAY, Lineage
from llamaduo.locks import Hold, flocked
from llamaduo.records import Record

SCHEMA = 1
"""Number of the manifest's shape; a result of another number is made anew."""

ROWS = "rows.jsonl"

BEGUN = "begun.json"

R = TypeVar("R", bound=Record)


@dataclass(frozen=True)
class Work:
    """What a stage is given to make its result with."""

    out: Path
    """The result goes here. After a kill it holds what was there."""
    scratch: Path
    """Checkpoints go here. Survives a kill, removed when the result is complete."""
    recipe: str
    """`<stage>/<recipe>`: the name of the result in the making."""


@dataclass(frozen=True)
class Rows(Sequence[R], Generic[R]):
    """Typed rows and the digest of their content."""

    items: tuple[R, ...]
    content: str
    recipe: str
    path: Path

    def __getitem__(self, index: Any) -> Any:
        return self.items[index]

    def __iter__(self) -> Iterator[R]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)


@dataclass(frozen=True)
class Folder:
    """A stored directory (an adapter, say) and the digest of its content."""

    path: Path
    content: str
    recipe: str


class Store:
    """Keeps the results of stages under `root`."""

    def __init__(
        self,
        root: Path,
        gate: Callable[[str], None] | None = None,
        hold: Hold = flocked,
        *,
        by: str = "",
    ) -> None:
        self.root = root
        self.hold = hold
        """How one process at a time makes a key: a file's lock, or one of a server."""
        self.by = by
        """Fingerprint of the run that makes; goes into the manifests."""
        self.gate = gate
        """Called with a recipe that is due, before anything is made; it may raise."""
        self.made: list[str] = []
        """Recipes this process made, rather than found."""
        self.wanted: list[str] = []
        """All recipes that came up, found or due, in order."""

    def rows(
        self,
        stage: str,
        inputs: Sequence[Any],
        kind: type[R],
        make: Callable[[Work, tuple[R, ...]], Iterable[R]],
        lineage: Lineage = BYTES_SAY,
    ) -> Rows[R]:
        """Return the rows of `stage` for `inputs`, made only if they are not stored.

        `make(work, done)` yields the rows that follow `done`, the ones a killed
        process had written. Each row is on disk before the next is asked for.
        """

        def write(work: Work) -> None:
            path = work.out / ROWS
            done = _whole_rows(path, kind)
            with path.open("a", encoding="utf-8", newline="\n") as file:
                for row in make(work, done):
                    file.write(row.model_dump_json() + "\n")
                    file.flush()

        folder = self.folder(stage, inputs, write, lineage)
        path = folder.path / ROWS
        # Not str.splitlines(): it also cuts at U+2028 and others, which JSON leaves unescaped.
        with path.open(encoding="utf-8", newline="\n") as file:
            items = tuple(kind.model_validate_json(line) for line in file)
        return Rows(items, folder.content, folder.recipe, path)

    def folder(
        self,
        stage: str,
        inputs: Sequence[Any],
        make: Callable[[Work], None],
        lineage: Lineage = BYTES_SAY,
    ) -> Folder:
        """Return the folder of `stage` for `inputs`; `make` fills it if it is not stored.

        One process makes a key at a time; others wait for it and find the result.
        """
        recipe = recipe_of(stage, inputs)
        home = self.root / recipe
        self.wanted.append(recipe)
        content = _complete(home)
        if content is None and self.gate is not None:
            self.gate(recipe)
        if content is None or (home / "work").exists():  # a kill came before it was cleared
            home.mkdir(parents=True, exist_ok=True)
            with self._held(home):
                content = _complete(home) or self._make(home, recipe, make, lineage)
                (home / BEGUN).unlink(missing_ok=True)
                shutil.rmtree(home / "work", ignore_errors=True)
        return Folder(home / "out", content, recipe)

    def give_up(self) -> None:
        """Remove what the last wanted result was in the making of, if it is not complete.

        For one that nobody will go on with: its checkpoints are large.
        """
        home = self.root / self.wanted[-1] if self.wanted else self.root
        if self.wanted and _complete(home) is None and home.is_dir():
            with self._held(home):
                for name in ("draft", "work"):
                    shutil.rmtree(home / name, ignore_errors=True)
                (home / BEGUN).unlink(missing_ok=True)

    def take(self, recipe: str, source: Path) -> bool:
        """Put a result that was made elsewhere in place, unless there is one.

        Args:
            source: a folder with `out/` and `manifest.json`, as another store has it.

        Returns:
            Whether it was put there.

        Raises:
            LlamaDuoError: if its bytes are not those of its manifest.
        """
        content = _complete(source)
        if content is None or content != _content(_hashes(source / "out")):
            raise LlamaDuoError(f"{recipe} is not what its manifest says; nothing of it was taken")
        home = self.root / recipe
        home.mkdir(parents=True, exist_ok=True)
        with self._held(home):
            if _complete(home) is not None:
                return False
            _set_aside_damage(home)
            for begun in ("draft", "work"):
                shutil.rmtree(home / begun, ignore_errors=True)
            shutil.copytree(source / "out", home / "draft")
            self._seal(home, (source / "manifest.json").read_text(encoding="utf-8"))
        return True

    def _held(self, home: Path) -> AbstractContextManager[None]:
        """Hold a key; its holder's death frees it."""
        return self.hold(home / "lock", f"waiting for another process to make {home}")

    def _seal(self, home: Path, manifest: str) -> None:
        """Turn the draft into the result."""
        draft = home / "draft"
        for path in draft.rglob("*"):
            _sync(path)
        _sync(draft)
        draft.rename(home / "out")
        _write_last(home / "manifest.json", manifest)

    def _make(self, home: Path, recipe: str, make: Callable[[Work], None], lineage: Lineage) -> str:
        _set_aside_damage(home)
        draft, scratch = home / "draft", home / "work"
        made = {"from": lineage.of, "rows": lineage.rows, "by": self.by}
        (home / BEGUN).write_text(json.dumps(made), encoding="utf-8")
        draft.mkdir(exist_ok=True)
        scratch.mkdir(exist_ok=True)
        started = time.time()
        make(Work(out=draft, scratch=scratch, recipe=recipe))
        files = _hashes(draft)
        content = _content(files)
        manifest = {
            "schema": SCHEMA,
            "stage": recipe.partition("/")[0],
            **made,
            "content": content,
            "files": files,
            "finished": round(time.time(), 3),
            "seconds": round(time.time() - started, 3),
        }
        self._seal(home, json.dumps(manifest, indent=1))
        self.made.append(recipe)
        return content


def recipe_of(stage: str, inputs: Sequence[Any]) -> str:
    """Return the name of the result of `stage` for `inputs`."""
    return f"{stage}/{digest(stage, *inputs)}"


def complete(root: Path, recipe: str) -> bool:
    """Whether a store under `root` has the result, undamaged."""
    return _complete(root / recipe) is not None


def _complete(home: Path) -> str | None:
    """Return the content digest of a complete, undamaged result, else None."""
    try:
        manifest = json.loads((home / "manifest.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    if not isinstance(manifest, dict) or manifest.get("schema") != SCHEMA:
        return None
    if _hashes(home / "out") != manifest.get("files") or "content" not in manifest:
        return None
    return str(manifest["content"])


def _set_aside_damage(home: Path) -> None:
    """Keep a result whose bytes are not those of its manifest, out of the way, and say so."""
    manifest, out = home / "manifest.json", home / "out"
    if manifest.exists():
        aside = home / f"damaged-{time.time_ns()}"
        aside.mkdir()
        for path in (out, manifest):  # a kill between the two must not leave `out` unaccused
            if path.exists():
                path.rename(aside / path.name)
        print(
            f"llamaduo: {home} is not what its manifest says; kept as {aside.name}, made anew",
            file=sys.stderr,
        )
    elif out.exists():  # killed between the two renames: the rows are whole, the seal is missing
        shutil.rmtree(home / "draft", ignore_errors=True)
        out.rename(home / "draft")


def _whole_rows(path: Path, kind: type[R]) -> tuple[R, ...]:
    """Return the rows of a draft, and cut off a last line that a kill left half."""
    if not path.exists():
        return ()
    whole = path.read_bytes()
    whole = whole[: whole.rfind(b"\n") + 1]
    with path.open("r+b") as file:
        file.truncate(len(whole))
    return tuple(kind.model_validate_json(line) for line in whole.split(b"\n") if line)


def _hashes(folder: Path) -> dict[str, str]:
    paths = sorted(p for p in folder.rglob("*") if p.is_file())
    return {p.relative_to(folder).as_posix(): file_sha256(p) for p in paths}


def _content(files: dict[str, str]) -> str:
    """Return 16 hex digits that name every file by path and bytes."""
    return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()[:16]


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _write_last(path: Path, text: str) -> None:
    draft = path.with_suffix(".new")
    with draft.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.rename(path)
    _sync(path.parent)
