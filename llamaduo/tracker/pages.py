"""MLflow's pages on the runs of a home: a server of one's own, for as long as one looks."""

import os
import sys
from pathlib import Path

from llamaduo import child_server
from llamaduo.child_server import HOST
from llamaduo.errors import TrackerError, UsageError
from llamaduo.progress import Progress
from llamaduo.tracker import database

READY = 120.0
"""Seconds to wait until it answers; most of them are imports."""


def look(home: Path, port: int, progress: Progress) -> None:
    """Serve MLflow's pages on the runs of `home` until Ctrl-C; its artifacts are put right first.

    Raises:
        UsageError: there are no runs, or the port is taken.
        TrackerError: the server does not come up; what it said is in the message.
    """
    file = database.folder_of(home) / database.FILE
    if not file.is_file():
        shown = any((home / ".llamaduo" / "runs").glob("*/result.json"))
        raise UsageError(
            f"ui: the runs under {home} were not shown in MLflow (tracker=none); the same command "
            "with tracker=mlflow shows them, and makes nothing again"
            if shown
            else f"ui: there are no runs under {home}; home=DIR names another folder"
        )
    child_server.refuse_taken(port, "ui")
    with database.locked(home):
        database.put_right(home, progress)
    log = file.with_name("ui.log")
    what = command(file, port)
    try:
        with child_server.started(
            what, cwd=file.parent, environment=environment(os.environ), log=log
        ) as server:
            if not child_server.answers(server, port, READY):
                why = child_server.last_words(log)
                raise TrackerError(f"ui: MLflow's server did not come up ({log}):\n{why}")
            progress.say(f"the runs of {home}: http://{HOST}:{port} (Ctrl-C ends it)")
            server.wait()
            raise TrackerError(f"ui: MLflow's server ended by itself; it said why in {log}")
    except KeyboardInterrupt:
        return


def command(file: Path, port: int) -> list[str]:
    """Return what serves the database `file` to this machine alone."""
    return [
        *(sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", str(port)),
        *("--workers", "1", "--backend-store-uri", f"sqlite:///{file}"),
        *("--default-artifact-root", (file.parent / database.ARTIFACTS).as_uri()),
    ]


def environment(of: "os._Environ[str]") -> dict[str, str]:
    """Return the server's environment: it asks nobody on the network, and starts no jobs."""
    own = {name: value for name, value in of.items() if not name.startswith("MLFLOW_")}
    return own | {
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
