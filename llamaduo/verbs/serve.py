"""`llamaduo serve [MODEL]`: a promoted version behind an address, or the containers that do it."""

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from llamaduo.errors import LlamaDuoError, UsageError
from llamaduo.verbs import VERBS, arguments, versioned

if TYPE_CHECKING:
    from llamaduo.progress import Progress


def main(words: list[str]) -> int:
    """Serve until Ctrl-C, or write the containers."""
    from llamaduo.progress import Progress

    given = arguments.read(parser(), words)
    if given.no_weights and given.render is None:
        raise UsageError("serve: --no-weights goes with --render DIR")
    if given.port is not None and given.render is not None:
        raise UsageError("serve: --render takes no --port; serving.url=http://HOST:PORT says both")
    from llamaduo.deploy.stack import LAST_PORT, port_here

    if given.port is not None and not 1 <= given.port <= LAST_PORT:
        raise UsageError(f"serve: --port {given.port}: a number from 1 to {LAST_PORT}")
    found = versioned.find(given.words, "serve")
    typed = [word for word in given.words if "=" in word]
    if given.render is not None:
        return _render(found, given, typed)
    port = port_here(found.exp.serving.url) if given.port is None else given.port
    return _serve(found, port, shlex.join(typed), Progress())


def _serve(found: versioned.Versioned, port: int, typed: str, progress: "Progress") -> int:
    from llamaduo import running
    from llamaduo.deploy.callers import said
    from llamaduo.deploy.process import serving
    from llamaduo.progress import tell

    going_on = running.beside(found.home / ".llamaduo", f"serve {found.held.version.name}")
    held, how, home = found.held, found.exp.serving, found.home
    try:  # no `store gc` takes its weights from under it, and no row is forgotten that it knows
        with going_on, serving(held, how, home, port, progress) as (at, server):
            tell(said(held, at, typed))
            code = server.wait()
            log = home / ".llamaduo" / "served" / f"serve-{port}.log"
            raise LlamaDuoError(f"serve: the server ended by itself (code {code}); see {log}")
    except KeyboardInterrupt:
        progress.say("ended")
        return 0


def _render(found: versioned.Versioned, given: argparse.Namespace, typed: list[str]) -> int:
    from llamaduo.deploy.render import render
    from llamaduo.progress import Progress

    into = Path(given.render)
    words = [word for word in typed if not word.startswith("home=")]
    made = render(
        found.held,
        found.exp.serving,
        into,
        weights=not given.no_weights,
        words=[*words, f"home={found.home.resolve()}"],  # commands are typed in the folder
        progress=Progress(),
    )
    print(f"{into}: {len(made)} files; README.md there says how it is started")
    return 0


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
