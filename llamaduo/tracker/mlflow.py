"""MLflow: one experiment a task, one run a fingerprint, a nested run a round, a trial, a job."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import field_validator

from llamaduo.component import Component
from llamaduo.secrets import address
from llamaduo.started import Sweep
from llamaduo.tracker import database, server
from llamaduo.tracker.book import PARENT
from llamaduo.tracker.machine import Machine
from llamaduo.tracker.shown import FINGERPRINT, MlflowRun
from llamaduo.tracker.sweep import SWEEP, MlflowSweep, parent


class MlflowTracker(Component):
    """Shows runs in an MLflow database under `home`, or on a server."""

    uri: str | None = None
    """Tracking address; None: `mlruns/mlflow.db` under home. Never with a password in it."""

    @field_validator("uri")
    @classmethod
    def _no_password(cls, uri: str | None) -> str | None:
        try:
            return None if uri is None else address(uri)
        except ValueError as error:
            raise ValueError(
                f"{error}: a server's user and password by MLFLOW_TRACKING_USERNAME and "
                "MLFLOW_TRACKING_PASSWORD, a database's by the variables of its own client, such "
                "as PGPASSWORD"
            ) from None

    def open(
        self,
        *,
        home: Path,
        fingerprint: str,
        task: str,
        name: str,
        params: Mapping[str, str],
        tags: Mapping[str, str],
        sweep: Sweep | None = None,
    ) -> MlflowRun:
        """Find the run of this fingerprint, or make it; the database is made once, under a lock."""
        with database.opened(self.uri, home, task) as book:
            known_by = {FINGERPRINT: fingerprint}
            run = book.find_or_make("loop", known_by, name, tags)
            above = {} if sweep is None else {SWEEP: sweep.id, PARENT: parent(book, sweep)}
            there = run.data.params  # they are never changed, as MLflow wants it
            fresh = {key: value for key, value in params.items() if key not in there}
            book.write(run.info.run_id, params=fresh, tags={**tags, **above})
            book.client.update_run(run.info.run_id, status="RUNNING", name=name)
        name = run.info.run_id
        machine = Machine(run.info.start_time / 1000, lambda found: book.write(name, curves=found))
        if run.info.status != "FINISHED":
            machine.wanted.set()
        return MlflowRun(book, name, self.where(home), machine)

    def sweep(self, sweep: Sweep, *, home: Path, task: str) -> MlflowSweep:
        """Find the run that stands for the sweep, or make it."""
        with database.opened(self.uri, home, task) as book:
            run = parent(book, sweep)
            book.client.update_run(run, status="RUNNING")
        return MlflowSweep(book, run, sweep, self.where(home))

    def fingerprint_of(self, run: str, *, home: Path) -> str | None:
        """Return the fingerprint of the MLflow run `run`, or of the run it is a round of.

        None where the database, or in it such a run, is not there.
        """
        if self.uri is None and not (database.folder_of(home) / database.FILE).exists():
            return None
        with database.locked(home):
            client = database.client_of(self.uri, home)
        from mlflow.exceptions import MlflowException

        try:
            tags = client.get_run(run).data.tags
            if FINGERPRINT not in tags and PARENT in tags:
                tags = client.get_run(tags[PARENT]).data.tags
        except MlflowException:
            return None
        found = tags.get(FINGERPRINT)
        return None if found is None else str(found)

    def where(self, home: Path) -> str:
        """Say how to look at the runs of `home`."""
        return (
            f"runs: {self.uri}"
            if self.uri
            else f"runs: {shlex.join(['llamaduo', 'ui', f'home={home}'])}"
        )

    def address(self, home: Path) -> str:
        """Return where the runs of `home` are shown."""
        return self.uri or str(database.folder_of(home) / database.FILE)

    def unusable(self, task: str) -> str:
        """Say why the runs of a task cannot be shown, and what to do; "" if they can."""
        if self.uri is None:
            return ""
        database.be_patient()
        if database.is_server(self.uri):
            return server.unusable(self.uri, database.name_of(task))
        parts = urlsplit(self.uri)
        if parts.scheme == "sqlite" and not Path(parts.path[1:]).is_file():
            return ""
        return server.unstored(self.uri, database.name_of(task))
