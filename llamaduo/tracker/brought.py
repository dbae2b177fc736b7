"""Files of a run's artifacts, read where they stand, or brought here once."""

import os
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname


def brought(client: Any, run: str, place: str, cache: Path) -> Path:
    """Return the folder `place` among the artifacts of an MLflow run.

    Args:
        client: MLflow's.
        cache: where it is brought to if a server has it; it is there for the next time.
    """
    stands = str(client.get_run(run).info.artifact_uri)
    if stands.startswith(("/", "file:")):
        return Path(url2pathname(urlsplit(stands).path)) / place
    there = cache / run / place
    if there.is_dir():
        return there
    draft = cache / f".{run}-{os.getpid()}"
    draft.mkdir(parents=True, exist_ok=True)
    try:
        found = Path(client.download_artifacts(run, place, str(draft)))
        there.parent.mkdir(parents=True, exist_ok=True)
        found.rename(there)
    except OSError:
        if not there.is_dir():  # brought by another process meanwhile
            raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return there
