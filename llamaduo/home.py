"""Folders that results go to: made, and tried, before anything is asked or spent."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from llamaduo.errors import LlamaDuoError, UsageError


def writable(folder: Path, key: str) -> Path:
    """Return `folder`, made if it is not there, after a file could be made in it.

    Args:
        key: what the user sets it by, such as `home`; the message begins with it.

    Raises:
        UsageError: it cannot be made, is no folder, or takes no file.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UsageError(
            f"{key}: nothing can be written under {folder} ({error.strerror}); name another folder"
        ) from None
    return folder


NETWORK_FILE_SYSTEMS = frozenset(
    {"nfs", "nfs4", "lustre", "cifs", "smb3", "9p", "gpfs", "ceph", "beegfs", "afs"}
)


def refuse_network_home(home: Path, needs_local: Sequence[str]) -> None:
    """Raise if `home` is on a file system where SQLite's WAL and flock cannot be relied on.

    Args:
        needs_local: what of the run relies on them, with what to set instead; none, and any
            file system will do.

    Raises:
        LlamaDuoError: naming the file system.
    """
    kind = _file_system(home)
    if needs_local and (kind in NETWORK_FILE_SYSTEMS or kind.startswith("fuse")):
        ways = "".join(f"\n  {line}" for line in needs_local)
        raise LlamaDuoError(
            f"home {home} is on {kind}, where locks and SQLite are not dependable; "
            f"set home=DIR to a local disk, or all of this:{ways}"
        )


def _file_system(path: Path) -> str:
    """Return the type of the mount that holds `path`; empty where the system does not say."""
    try:
        lines = Path("/proc/mounts").read_text(encoding="utf-8").split("\n")
    except OSError:
        return ""
    path, best = path.resolve(), ("", "")
    for line in lines:
        fields = line.split()
        if len(fields) > 2:
            mount = fields[1].replace("\\040", " ")
            if path.is_relative_to(mount) and len(mount) >= len(best[0]):
                best = (mount, fields[2])
    return best[1]
