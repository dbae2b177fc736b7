"""`llamaduo report [RUN] [--out FILE] [--pdf FILE]`: the migration dossier of a finished run."""

import argparse
import json
import shlex
from pathlib import Path

from llamaduo.errors import UsageError
from llamaduo.verbs import VERBS, arguments, named

DOSSIER = "dossier.html"


def main(words: list[str]) -> int:
    """Write the dossier, and print it if that is asked for. Reads only; asks nobody."""
    from llamaduo import running, runs
    from llamaduo.dossier.evidence import gather
    from llamaduo.dossier.printing import pdf
    from llamaduo.dossier.render import html

    given = arguments.read(parser(), words)
    run = named.run(given.words, "report")
    if not (run.place / runs.RESULT).is_file():
        raise UsageError(unfinished(run.place))
    out = Path(given.out).expanduser() if given.out else run.place / DOSSIER
    printed = Path(given.pdf).expanduser() if given.pdf else None
    for path, flag in ((out, "--out"), (printed, "--pdf")):
        if path is not None:
            writable_file(path, flag)
    with running.beside(run.place.parent.parent, f"report {run.place.name}"):
        evidence = gather(run.exp, run.place)
        page = html(evidence)
        draft = out.with_name(f"{out.name}.new")
        draft.write_text(page, encoding="utf-8", newline="\n")
        draft.replace(out)
    print(f"dossier: {out}")
    if evidence.again.never_made:
        print("look: the run was stopped before all of it was made; the dossier says so")
    elif evidence.again.due:
        print(f"look: {evidence.again.due} is not in the store any more; the dossier says so")
    if evidence.differs:
        print(
            f"look: the store gives {', '.join(evidence.differs)} otherwise than result.json; the "
            "command that made the run writes it anew"
        )
    if printed is not None:
        pdf(page, printed, paper=given.paper)
        print(f"printed: {printed}")
    return 0


def parser() -> argparse.ArgumentParser:
    """Return what reads the verb's arguments."""
    made = arguments.parser("report", VERBS["report"], word="RUN", meaning=named.MEANING)
    made.usage = (
        "llamaduo report [RUN] [key=value ...] [--out FILE] [--pdf FILE] [--paper a4|letter]"
    )
    made.add_argument(
        "--out", metavar="FILE", help=f"write there, and not to {DOSSIER} in the run's folder"
    )
    made.add_argument("--pdf", metavar="FILE", help="print it there too, by a Chromium on PATH")
    made.add_argument(
        "--paper", choices=("a4", "letter"), default="a4", help="for --pdf; a4 if not given"
    )
    return made


def unfinished(place: Path) -> str:
    """Say that a run has no result yet, what ended it if that is known, and how to go on."""
    from llamaduo import runs

    try:
        ended = json.loads((place / "error.json").read_text(encoding="utf-8"))
        why = f"; it ended with {ended['error']}: {ended['message']}"
    except (OSError, ValueError, KeyError, TypeError):
        why = ""
    words = runs.typed(place)
    again = "the command that began it" if words is None else f"llamaduo run {shlex.join(words)}"
    return f"report: the run {place.name} is not finished{why}. To go on: {again}"


def writable_file(path: Path, flag: str) -> None:
    """Refuse a file that cannot be written, before anything is read.

    Raises:
        UsageError: for a folder, and for a file in a folder that takes none.
    """
    from llamaduo.home import writable

    if path.is_dir():
        raise UsageError(f"{flag}: {path} is a folder; name a file")
    writable(path.parent, flag)
