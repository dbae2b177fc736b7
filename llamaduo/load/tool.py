"""guidellm, in a process of its own: told by a file, its key by the environment, read from JSON.

Its event loop never meets ours, and its worker processes end with it.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from llamaduo.child_server import told_to_stop
from llamaduo.errors import LlamaDuoError, UsageError
from llamaduo.load.sent import Sent
from llamaduo.secrets import secrets, without_secrets

PROGRAM = "guidellm"
REPORT = 2
"""Number of the shape of its report that is read here."""
KEY = "GUIDELLM__SPEC__BACKEND__API_KEY"
QUIET = {
    "HF_HUB_OFFLINE": "1",
    "GUIDELLM__MAX_WORKER_PROCESSES": "1",
    "GUIDELLM__LOGGING__CONSOLE_LOG_LEVEL": "WARNING",
}
"""It needs nothing of the hub: prompts are sent as chats, and servers count tokens."""

Write = Callable[[Path], dict[str, Any]]
"""Returns its config, given the file that it is to write."""


def program() -> str:
    """Return where it is: beside this Python, or on PATH.

    Raises:
        UsageError: with how to install it.
    """
    beside = Path(sys.executable).with_name(PROGRAM)
    found = str(beside) if beside.is_file() else shutil.which(PROGRAM)
    if found is None:
        raise UsageError(
            "load: guidellm, which sends the load, is not installed here. In this environment: "
            "pip install 'llamaduo[load]'; or in one of its own, with its folder on PATH: "
            "pip install 'guidellm>=0.8.1,<0.9'"
        )
    return found


def run(write: Write, key: str | None) -> tuple[list[list[Sent]], str]:
    """Run it once; returns the requests of each of its benchmarks, and its name with version.

    Args:
        key: the server's; it goes by the environment, and is in no file.

    Raises:
        UsageError: if it is not installed.
        LlamaDuoError: if it fails, with its last words.
    """
    found = program()
    with told_to_stop(), tempfile.TemporaryDirectory(prefix="llamaduo-load-") as name:
        folder = Path(name)  # its working folder too: it reads .env from there
        told, out = folder / "scenario.json", folder / "report.json"
        told.write_text(json.dumps(write(out)), encoding="utf-8")
        ended, words = _child([found, "run", "-c", str(told), "--disable-console"], folder, key)
        if ended or not out.is_file():
            last = " ".join(without_secrets(words).split())[-600:]
            raise LlamaDuoError(f"load: guidellm ended with code {ended}: {last}")
        return _read(json.loads(out.read_text(encoding="utf-8")))


def environment(key: str | None) -> dict[str, str]:
    """Return what it is given: ours without any secret and without settings of its own."""
    hidden = secrets()
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in hidden and not name.startswith("GUIDELLM__")
    }
    return kept | QUIET | ({KEY: key} if key else {})


def _child(command: list[str], folder: Path, key: str | None) -> tuple[int, str]:
    """Run it to its end, and end it with all its workers if we are to end before."""
    child = subprocess.Popen(
        command,
        cwd=folder,
        env=environment(key),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    )
    try:
        _, words = child.communicate()
    except BaseException:
        os.killpg(child.pid, signal.SIGKILL)
        child.communicate()
        raise
    return child.returncode, words


def _read(report: dict[str, Any]) -> tuple[list[list[Sent]], str]:
    told = report.get("metadata", {})
    if told.get("version") != REPORT:
        raise LlamaDuoError(
            f"load: guidellm {told.get('guidellm_version')} writes another report than is read "
            "here: pip install 'guidellm>=0.8.1,<0.9'"
        )
    found = []
    for one in report["benchmarks"]:
        by_end = one["requests"]
        rows = [_sent(row) for kind in by_end.values() for row in kind or ()]
        found.append(sorted(rows, key=lambda row: row.due))
    return found, f"guidellm {told['guidellm_version']}"


def _sent(row: dict[str, Any]) -> Sent:
    info, times = row["info"], row["info"]["timings"]
    done = info["status"] == "completed"
    begun = times["request_start"]
    start = info["scheduler_start_time"]
    due = times["targeted_start"] or begun or start
    planned = due >= start
    if not planned:  # drawn before its clock was set: on a busy machine, many at once
        due = begun or start
    return Sent(
        due=due,
        planned=planned,
        begun=begun,
        first=times["first_token_iteration"],
        last=times["last_token_iteration"],
        ended=times["request_end"] or times["resolve_end"],
        why="" if done else kind_of(info["error"] or "", sent=begun is not None),
        prompt_tokens=row["input_metrics"]["total_tokens"],
        output_tokens=row["output_metrics"]["total_tokens"],
        pieces=times["token_iterations"],
    )


def kind_of(error: str, *, sent: bool) -> str:
    """Return what kind of failure an error is, so that alike ones are counted together."""
    if not error or "was cancelled" in error:
        return "cut off" if sent else "never sent"
    status = re.search(r"'(\d{3}) ([^']*)'", error)
    if status is not None:
        return f"HTTP {status[1]} {status[2]}".strip()
    name = error.partition("(")[0]
    words = {"ReadTimeout": "timed out", "ConnectError": "no connection"}
    words |= {"ConnectTimeout": "no connection", "RemoteProtocolError": "connection broken"}
    words |= {"ReadError": "connection broken", "ValueError": "an answer that cannot be read"}
    return words.get(name, name[:60])
