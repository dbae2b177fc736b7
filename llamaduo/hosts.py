"""Several hosts at one run's home: what stands in the way, and what they share."""

import re
from pathlib import Path

from llamaduo.database import unreachable
from llamaduo.errors import UsageError
from llamaduo.experiment import Experiment
from llamaduo.home import writable
from llamaduo.ledger import Ledger
from llamaduo.tracker.mlflow import MlflowTracker

_SERVER = re.compile(r"(https?|postgresql)(\+\w+)?://")


def not_for_many_hosts(exp: Experiment) -> list[str]:
    """Return what in `exp` only the processes of one machine can share, with what to set.

    A tracker from elsewhere is not known, and not held against it.
    """
    found = []
    if exp.ledger == "file":
        found.append(
            "ledger: a file is for the processes of one machine: set ledger=postgresql, and "
            "LLAMADUO_LEDGER_URL in the environment"
        )
    tracker = exp.tracker
    if isinstance(tracker, MlflowTracker) and not _SERVER.match(tracker.uri or ""):
        found.append(
            "tracker: MLflow's database is a file for the processes of one machine: set "
            "tracker.uri=https://..., a server's address, or tracker=none"
        )
    if exp.search is not None and exp.search.storage == "journal":
        found.append(
            "search.storage: journal is a file for the processes of one machine: set "
            "search.storage=postgresql, and LLAMADUO_SEARCH_URL in the environment"
        )
    return found


def ledger_of(exp: Experiment) -> Ledger:
    """Open the ledger of `exp`: the file under its home, or the one on the server.

    Raises:
        UsageError: if the server cannot be used, in words.
    """
    if faults := unreachable(exp.ledger):
        raise UsageError("; ".join(faults))
    private = writable(Path(exp.home) / ".llamaduo", "home")
    if exp.ledger == "file":
        return Ledger(private / "ledger.sqlite")
    from llamaduo.database.postgresql import Postgresql

    return Ledger(Postgresql(private))
