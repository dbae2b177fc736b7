"""`llamaduo serve [MODEL]`: a promoted version behind an address, or the containers that do it."""

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from llamaduo.errors import LlamaDuoError, UsageError
from llamaduo.verbs import VERBS, arguments, versioned

if TYPE_CHECKING:
    from llamaduo.progress import Progress
    from llamaduo.serving import Serving

PORT = 8080
"""Where it listens if `serving.url` names another machine."""
LAST_PORT = 65535


def main(words: list[str]) -> int:
    """Serve until Ctrl-C, or write the containers."""
    from llamaduo.progress import Progress

    given = arguments.read(parser(), words)
    if given.no_weights and given.render is None:
        raise UsageError("serve: --no-weights goes with --render DIR")
    if given.port is not None and given.render is not None:
        raise UsageError("serve: --render takes no --port; serving.url=http://HOST:PORT says both")
    if given.port is not None and not 1 <= given.port <= LAST_PORT:
        raise UsageError(f"serve: --port {given.port}: a number from 1 to {LAST_PORT}")
    found = versioned.find(given.words, "serve")
    if given.render is not None:
        _render(found, Path(given.render), Progress(), weights=not given.no_weights)
        return 0
    port = _port(found.exp.serving) if given.port is None else given.port
    typed = shlex.join(word for word in given.words if "=" in word)
    return _serve(found, port, typed, Progress())


def _serve(found: versioned.Versioned, port: int, typed: str, progress: "Progress") -> int:
    from llamaduo.deploy.callers import said
    from llamaduo.deploy.process import serving
    from llamaduo.progress import tell

    try:
        with serving(found.held, found.exp.serving, found.home, port, progress) as (at, server):
            tell(said(found.held, at, typed))
            code = server.wait()
            log = found.home / ".llamaduo" / "served" / f"serve-{port}.log"
            raise LlamaDuoError(f"serve: the server ended by itself (code {code}); see {log}")
    except KeyboardInterrupt:
        progress.say("ended")
        return 0


def _render(found: versioned.Versioned, into: Path, progress: "Progress", *, weights: bool) -> None:
    from llamaduo.deploy.render import render

    made = render(found.held, found.exp.serving, into, weights=weights, progress=progress)
    print(f"{into}: {len(made)} files; README.md there says how it is started")


def _port(how: "Serving") -> int:
    """Return the port of the address that clients are told, where that is this machine's.

    Raises:
        UsageError: if it has one that there is not.
    """
    url = urlsplit(how.url)
    try:
        told = url.port
    except ValueError:
        raise UsageError(
            f"serve: serving.url={how.url}: its port is a number from 1 to {LAST_PORT}"
        ) from None
    return told or PORT if url.hostname in ("127.0.0.1", "localhost") else PORT


def parser() -> argparse.ArgumentParser:
    """Return what reads the verb's arguments."""
    made = arguments.parser("serve", VERBS["serve"], word="MODEL", meaning=versioned.MEANING)
    made.usage = (
        "llamaduo serve [MODEL] [key=value ...] [--port N]\n"
        "       llamaduo serve [MODEL] [key=value ...] --render DIR [--no-weights]"
    )
    made.add_argument(
        "--port", type=int, metavar="N", help="listen there, and not at the port of serving.url"
    )
    made.add_argument(
        "--render", metavar="DIR", help="write the containers that serve it, and start nothing"
    )
    made.add_argument(
        "--no-weights",
        action="store_true",
        help="with --render: leave the weights out, to be brought there by yourself",
    )
    return made
