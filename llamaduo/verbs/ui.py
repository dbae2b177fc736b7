"""`llamaduo ui [key=value ...] [--port N]`: MLflow's pages on the runs under home."""

import argparse
from pathlib import Path

from llamaduo.errors import UsageError
from llamaduo.verbs import VERBS, arguments

PORT = 5000


def parser() -> argparse.ArgumentParser:
    """Return what reads the verb's arguments."""
    made = arguments.parser(
        "ui", VERBS["ui"], meaning="where the runs are: home=, tracker=, tracker.uri="
    )
    made.usage = "llamaduo ui [key=value ...] [--port N]"
    made.add_argument(
        "--port", type=int, default=PORT, metavar="N", help=f"listen there, and not at {PORT}"
    )
    return made


def main(words: list[str]) -> int:
    """Serve the pages until Ctrl-C; of a tracking server, say where it is."""
    from llamaduo.config import from_overrides
    from llamaduo.progress import Progress
    from llamaduo.tracker import pages
    from llamaduo.tracker.mlflow import MlflowTracker

    given = arguments.read(parser(), words)
    exp = from_overrides(given.words)
    if not isinstance(exp.tracker, MlflowTracker):
        raise UsageError("ui: this tracker shows runs nowhere; add tracker=mlflow")
    if exp.tracker.uri is not None:
        print(exp.tracker.where(Path(exp.home)))
        return 0
    pages.look(Path(exp.home), given.port, Progress())
    return 0
