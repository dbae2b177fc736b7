"""The embedded server: a promoted version behind an address of this machine, until Ctrl-C."""

import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request

from llamaduo import child_server, running
from llamaduo.child_server import DIRECT, HOST
from llamaduo.deploy.given import given
from llamaduo.deploy.merged import SERVED, merged
from llamaduo.errors import LlamaDuoError, ModelError, UsageError
from llamaduo.progress import Progress
from llamaduo.promotion.held import Held
from llamaduo.secrets import holds_login, secrets
from llamaduo.serving import Serving
from llamaduo.serving.endpoint import Endpoint

READY = 1800.0
"""Seconds to wait until it answers: a large model comes from a slow disk."""
EVERY = 5.0
"""Seconds between two lines that say that it loads."""
FIRST = 600.0
"""Seconds that the first answer may take."""
ALONE = {
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1",
    "DO_NOT_TRACK": "1",
    "PYTHONSAFEPATH": "1",
    "PYTHONUNBUFFERED": "1",
}
"""The server has all it needs here: it asks no hub, and reports to nobody."""


@contextmanager
def serving(
    held: Held, how: Serving, home: Path, port: int, progress: Progress
) -> Iterator[tuple[Endpoint, "Popen[bytes]"]]:
    """Serve a version at `port` for as long as the block is not left; it has answered once then.

    Yields:
        How it is asked for, and its process.

    Raises:
        UsageError: if the port is taken, or it takes a container.
        LlamaDuoError: if it does not come up; its last words are in the message.
    """
    form, _ = how.delivered(given(held))
    endpoint = how.endpoint(held.version.name, "merged", f"http://{HOST}:{port}")
    _refuse_containers(how, endpoint.model, port)
    child_server.refuse_taken(port, "serve")
    if form == "adapter":
        progress.say("a server of this machine takes merged weights; the adapter is merged")
    private = home / ".llamaduo"
    with running.beside(private, f"serve {held.version.name}"):
        weights = merged(held, private / SERVED, progress)
    command = how.process(str(weights), endpoint.model, port, held.lengths)
    assert command is not None, "it was refused above"
    log = private / SERVED / f"serve-{port}.log"
    with tempfile.TemporaryDirectory(prefix="llamaduo-serve-") as room:
        laid_out(Path(room), endpoint.model, weights)
        progress.say(f"starting {how.engine} with {weights}; what it says is in {log}")
        try:
            with child_server.started(
                command, cwd=Path(room), environment=environment(os.environ, room), log=log
            ) as server:
                _come_up(server, port, log, endpoint.model, progress)
                _warm(held, endpoint, log, progress)
                yield endpoint, server
        except FileNotFoundError:
            raise UsageError(f"serve: {command[0]} is not installed here, or not on PATH") from None


def _refuse_containers(how: Serving, name: str, port: int) -> None:
    """Refuse an engine that does not run as a process here.

    Raises:
        UsageError: with what serves it.
    """
    try:
        command = how.process("", name, port)
    except UsageError:  # it misses something in a folder that is not there yet
        return
    if command is None:
        raise UsageError(
            f"serve: {how.engine} does not run as a process of this machine; --render DIR writes "
            "the containers that run it, serving=transformers serves it here"
        )


def environment(of: Mapping[str, str], room: str) -> dict[str, str]:
    """Return the server's environment: without any key or login, and with no hub to ask."""
    known = secrets()
    kept = {name: it for name, it in of.items() if name not in known and not holds_login(it)}
    return kept | ALONE | {"HF_HUB_CACHE": f"{room}/hub"}


def asked(endpoint: Endpoint, chat: list[dict[str, str]], max_tokens: int) -> dict[str, Any]:
    """Return the body of a request for the likeliest answer."""
    return {
        "model": endpoint.model,
        "messages": chat,
        "temperature": 0,
        "max_tokens": max_tokens,
    }


def prompt_of(held: Held) -> list[dict[str, str]]:
    """Return the shortest of the prompts that the version was tested with."""
    chats = [[m.model_dump() for m in reference.messages] for reference in held.references]
    return min(chats, key=lambda chat: len(json.dumps(chat)), default=[])


def laid_out(room: Path, name: str, weights: Path) -> None:
    """Have the model stand in `room` by the name that requests give it, and in a hub's cache.

    `transformers serve` calls a model as its folder is called, seen from the working folder, and
    lists what the cache holds: so the cache is one that holds this model and no other.
    """
    (room / name).symlink_to(weights, target_is_directory=True)
    listed = room / "hub" / f"models--{name}"
    (listed / "refs").mkdir(parents=True)
    (listed / "refs" / "main").write_text("0" * 40)
    (listed / "snapshots" / ("0" * 40)).mkdir(parents=True)
    shutil.copyfile(weights / "config.json", listed / "snapshots" / ("0" * 40) / "config.json")


def _come_up(server: "Popen[bytes]", port: int, log: Path, name: str, progress: Progress) -> None:
    said = 0.0

    def waiting(seconds: float) -> None:
        nonlocal said
        if seconds - said >= EVERY:
            said = seconds
            line = child_server.last_words(log).rpartition("\n")[2].strip()
            progress.say(f"loading {name}: {seconds:.0f} s{f' ({line[:100]})' if line else ''}")

    if not child_server.answers(server, port, READY, waiting):
        why = child_server.last_words(log)
        raise LlamaDuoError(f"serve: the server did not come up ({log}):\n{why}")


def _warm(held: Held, endpoint: Endpoint, log: Path, progress: Progress) -> None:
    """Have it answer once: the first answer of a server takes longer than all others.

    Raises:
        ModelError: if it cannot.
    """
    chat = prompt_of(held) or [{"role": "user", "content": "Hello"}]
    body = json.dumps(asked(endpoint, chat, held.served.max_new_tokens)).encode()
    request = Request(
        f"{endpoint.url}/v1/chat/completions", body, {"Content-Type": "application/json"}
    )
    began = time.monotonic()
    try:
        with DIRECT.open(request, timeout=FIRST) as reply:
            reply.read()
    except HTTPError as error:
        why = " ".join(error.read().decode(errors="replace").split())[:300]
        raise ModelError(
            f"serve: the server is up and cannot answer: {error.code} {why}; it may say why in "
            f"{log}:\n{child_server.last_words(log)}"
        ) from None
    except OSError as error:
        raise ModelError(
            f"serve: the server gave no answer: {error} ({log}):\n{child_server.last_words(log)}"
        ) from None
    progress.say(f"its first answer took {time.monotonic() - began:.1f} s")
