"""Folders that results go to: made, and tried, before anything is asked or spent."""

import tempfile
from pathlib import Path

from llamaduo.errors import UsageError


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
