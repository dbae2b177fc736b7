"""A parcel from elsewhere, opened: nothing in it is used before all of it is checked."""

import os
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from llamaduo.component import file_sha256
from llamaduo.errors import LlamaDuoError, UsageError
from llamaduo.parcel import CALLS, LOOKS, MANIFEST, SCHEMA, Manifest, refuse_name


@contextmanager
def opened(path: Path) -> Iterator[tuple[Path, Manifest]]:
    """Yield the folder of a parcel and its manifest, checked.

    Raises:
        UsageError: if there is no parcel.
        LlamaDuoError: for a file that is damaged, of another kind, or not of the parcel.
    """
    if path.is_dir():
        yield path, checked(path)
    elif path.is_file():
        with tempfile.TemporaryDirectory(prefix="llamaduo-") as folder:
            yield (inside := _extracted(path, Path(folder))), checked(inside)
    else:
        raise UsageError(f"{path}: there is no such file or folder")


def checked(folder: Path) -> Manifest:
    """Return the manifest, after every file was held against it."""
    try:
        text = (folder / MANIFEST).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UsageError(
            f"{folder}: there is no {MANIFEST}: no parcel, or one that was not copied whole"
        ) from None
    try:
        manifest = Manifest.model_validate_json(text)
    except (ValidationError, ValueError):
        raise LlamaDuoError(
            f"{MANIFEST} cannot be read: it is damaged, or of another version of llamaduo"
        ) from None
    if manifest.number > SCHEMA:
        raise LlamaDuoError(
            f"the parcel has schema {manifest.number} and was packed by llamaduo "
            f"{manifest.version}; this one reads {SCHEMA}: use that version"
        )
    there = set(_regular(folder)) - {MANIFEST}
    for name in sorted({*there, *manifest.files, CALLS, LOOKS}):
        refuse_name(name)
        if name not in manifest.files:
            raise LlamaDuoError(f"{name}: not in the manifest; nothing was unpacked")
        if name not in there:
            raise LlamaDuoError(f"{name}: missing; copy the parcel again. Nothing was unpacked")
        if file_sha256(folder / name) != manifest.files[name]:
            raise LlamaDuoError(
                f"{name}: damaged, its bytes are not those that were packed; copy the parcel "
                "again. Nothing was unpacked"
            )
    return manifest


def _regular(folder: Path) -> Iterator[str]:
    """Yield the path of every file in the folder.

    Raises:
        LlamaDuoError: for what is neither a file nor a folder, links too.
    """
    for root, folders, names in os.walk(folder):
        for name in (*folders, *names):
            path = Path(root) / name
            where = path.relative_to(folder).as_posix()
            if path.is_symlink() or not (path.is_file() or path.is_dir()):
                raise LlamaDuoError(f"{where}: no regular file; nothing was unpacked")
            if path.is_file():
                yield where


def _extracted(archive: Path, into: Path) -> Path:
    """Take the regular files out of an archive, and return the folder that holds them."""
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for member in tar:
                parts = Path(member.name).parts
                if member.isdir() and ".." not in parts:
                    continue
                if not member.isreg() or ".." in parts or Path(member.name).is_absolute():
                    raise LlamaDuoError(
                        f"{member.name}: leads out of the archive, or is no regular file; "
                        "nothing was unpacked"
                    )
                tar.extract(member, into, filter="data")
    except (tarfile.TarError, EOFError, OSError) as error:
        raise LlamaDuoError(
            f"{archive} cannot be read: {error}; it is no parcel, or was not copied whole"
        ) from None
    tops = list(into.iterdir())
    return tops[0] if len(tops) == 1 and tops[0].is_dir() else into
