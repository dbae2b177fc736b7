"""A job as a process of its own: what kills it kills no other job, nor its launcher's worker.

It begins with no GPU initialised and leaves no memory behind, whatever process the launcher
reuses. `python -m llamaduo.sweep.process` reads what to run from standard input, and ends when
that is closed, with the worker that started it; and when the sweep is stopped.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from llamaduo.cards import VISIBLE
from llamaduo.errors import LlamaDuoError
from llamaduo.sweep import ends, plan

INTERRUPTED = 130
ALIVE = 2.0
"""Seconds between two signs of life."""


def run(
    values: Callable[[], Mapping[str, Any]],
    typed: tuple[str, ...],
    of: plan.Plan,
    folder: Path,
    number: int,
) -> None:
    """Start the process, wait for it, and write its end down where it could not."""
    place = folder / str(number)
    place.mkdir(parents=True, exist_ok=True)
    (place / ends.BEGUN).touch()
    known = ends.End(job=number, differs=of.jobs[number], code=1, said=ends.GONE)
    if (folder / ends.STOP).exists():
        ends.write(known.model_copy(update={"code": INTERRUPTED, "said": ends.STOPPED}), place)
        return
    try:
        told = {"folder": str(folder), "number": number, "typed": typed, "values": dict(values())}
    except LlamaDuoError as error:
        said = {"code": error.exit_code, "said": str(error)}
        ends.write(known.model_copy(update=said), place)
        return
    with (place / ends.LOG).open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "llamaduo.sweep.process"],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            env=_environment(of),
            start_new_session=True,  # Ctrl-C comes to the worker, and from it by the closed pipe
        )
        assert process.stdin is not None
        try:
            process.stdin.write(json.dumps(told, default=str).encode() + b"\n")
            process.stdin.flush()
            process.wait()
        except BrokenPipeError:
            process.wait()
        finally:
            process.stdin.close()
            process.wait()
    if ends.read(place) is None:
        said = {"code": 1, "said": _ended(process.returncode, place / ends.LOG), "counted": False}
        ends.write((ends.begun(place) or known).model_copy(update=said), place)


def _environment(of: plan.Plan) -> dict[str, str]:
    """Return this process's environment; the GPUs are those of where the command was typed.

    A launcher that runs jobs side by side without handing out GPUs may hide them.
    """
    env = dict(os.environ)
    env["PYTHONPATH"] = os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)
    if of.shares_cards:
        env.pop(VISIBLE, None)
        env |= {} if of.visible is None else {VISIBLE: of.visible}
    return env


def _ended(code: int, log: Path) -> str:
    """Say how a process ended that wrote no end."""
    if code < 0:
        memory = ", as a system does that is out of memory" if -code == signal.SIGKILL else ""
        return f"gone: it was killed by {signal.Signals(-code).name}{memory}"
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    last = next((line for line in reversed(lines) if line.strip()), "it said nothing")
    return f"gone: it ended with {code}, and wrote no end: {last.strip()}"


def main() -> int:
    """Run the job that standard input tells of."""
    from llamaduo.config.build import build
    from llamaduo.quiet import quiet
    from llamaduo.sweep import job

    quiet()
    told = json.loads(_line())
    folder, number = Path(told["folder"]), int(told["number"])
    place = folder / str(number)
    of = plan.read(folder)
    try:
        threading.Thread(target=_sign, args=(folder, place), daemon=True).start()
        threading.Thread(target=_follow, daemon=True).start()
        made = job.run(lambda: build(told["values"]), tuple(told["typed"]), of, number, place)
    except KeyboardInterrupt:
        bare = ends.End(job=number, differs=of.jobs[number], code=INTERRUPTED, said=ends.STOPPED)
        made = ends.read(place) or bare
    if made.trace:
        print(made.trace, file=sys.stderr, flush=True)
    ends.write(made, place)
    return made.code


def _sign(folder: Path, place: Path) -> None:
    """Show that this process lives, until the sweep is stopped."""
    while not (folder / ends.STOP).exists():
        (place / ends.BEGUN).touch()
        time.sleep(ALIVE)
    _stop()


def _line() -> bytes:
    """Return what standard input holds up to the end of a line, and leave no lock on it."""
    found = b""
    while not found.endswith(b"\n") and (more := os.read(0, 1 << 16)):
        found += more
    return found


def _follow() -> None:
    """End this process when what started it closes the pipe, or is gone."""
    while os.read(0, 1 << 16):
        pass
    _stop()


def _stop() -> None:
    main = threading.main_thread().ident
    assert main is not None, "it has been started"
    signal.pthread_kill(main, signal.SIGINT)  # there it also ends a wait for a lock


if __name__ == "__main__":
    sys.exit(main())
