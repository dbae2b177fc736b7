"""A sweep as MLflow shows it: a run of its own, with its jobs below."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from llamaduo.progress import Progress
from llamaduo.started import Sweep
from llamaduo.tracker.book import PARENT, Book, at
from llamaduo.tracker.database import in_a_line, is_ours

SWEEP = "llamaduo.sweep"
FAILED = "llamaduo.failed_jobs"
LONGEST = 120
"""Letters of a sweep's name; the whole of it is its source."""


def parent(book: Book, sweep: Sweep) -> str:
    """Return the id of the run that the jobs of `sweep` are below, made if it is not there."""
    tags = {"mlflow.source.name": sweep.name}
    run = book.find_or_make("sweep", {SWEEP: sweep.id}, name_of(sweep), tags)
    return str(run.info.run_id)


def name_of(sweep: Sweep) -> str:
    """Return its name, cut to what can be read in a list."""
    return sweep.name if len(sweep.name) <= LONGEST else f"{sweep.name[: LONGEST - 3]}..."


@dataclass(frozen=True)
class MlflowSweep:
    """A sweep's run, and its jobs."""

    book: Book
    id: str
    sweep: Sweep
    where: str

    def finish(self, folder: Path, figures: Mapping[str, float], *, failed: int) -> None:
        """Show what the jobs came to; as failed only where none came to an end.

        Where the server is away that is said, and the sweep ends as it would.
        """
        try:
            self._finish(folder, figures, failed)
        except Exception as error:
            if is_ours(error):
                raise
            Progress().say(
                f"tracker: the sweep is not shown whole: {in_a_line(error)}; the same command "
                "shows the rest"
            )

    def _finish(self, folder: Path, figures: Mapping[str, float], failed: int) -> None:
        for other in self.book.all("sweep", {SWEEP: self.sweep.id}):
            if other.info.run_id != self.id:  # of another machine that began it at the same time
                self.book.client.delete_run(other.info.run_id)
        jobs = self.book.all("loop", {SWEEP: self.sweep.id})
        for job in jobs:
            if job.data.tags.get(PARENT) != self.id:
                self.book.write(job.info.run_id, tags={PARENT: self.id})
        news = self.book.news(self.id, at(0, figures))
        self.book.write(self.id, curves=news, tags={FAILED: str(failed)})
        ended = any(job.info.status == "FINISHED" for job in jobs)
        self.book.client.set_terminated(self.id, "FAILED" if failed and not ended else "FINISHED")
        self.book.client.log_artifacts(self.id, str(folder), "comparison")
