"""Serve the champion of a home, probe it; then probe three copies that are wrong on purpose.

    python benchmarks/serving.py --home DIR [--port N]

DIR holds a finished run whose model was promoted (`make demo`, then `llamaduo promote`); what the
probes see is written on that version. Wrong are: the base without the adapter, the right weights
with a template that adds a system turn, and another model, all three behind the right name.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from llamaduo import child_server
from llamaduo.config import from_overrides
from llamaduo.deploy import process
from llamaduo.deploy.merged import SERVED, merged
from llamaduo.engine.transformers import TransformersEngine
from llamaduo.local import LocalModel
from llamaduo.progress import Progress
from llamaduo.promotion.held import Held
from llamaduo.promotion.version import write_merged
from llamaduo.serving.transformers import TransformersServing
from llamaduo.store import Folder
from llamaduo.verbs.versioned import find

SYSTEM = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
"""What the wrong template begins with, as SmolLM2's own does."""


def main() -> None:
    """Print the command lines and what they say."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--port", type=int, default=8091)
    given = parser.parse_args()
    home, port = given.home.absolute(), given.port
    held = find([f"home={home}"], "probe").held
    served_by_the_verb(home, port)
    with tempfile.TemporaryDirectory() as folder:
        for what, weights in wrong(held, home, Path(folder)):
            print(f"\n=== {what}", flush=True)
            with served(weights, held.version.name, port, Path(folder)):
                probed(home, port)
            shutil.rmtree(weights)


def served_by_the_verb(home: Path, port: int) -> None:
    """`llamaduo serve` as a user starts it, and the probe of what it serves."""
    command = ["llamaduo", "serve", f"home={home}", "--port", str(port)]
    print(f"$ {' '.join(command)} &", flush=True)
    server = subprocess.Popen(
        [sys.executable, "-m", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert server.stdout is not None
    try:
        for line in server.stdout:
            print(line, end="", flush=True)
            if line.strip().startswith("llamaduo probe"):
                break
        probed(home, port)
    finally:
        server.send_signal(signal.SIGINT)
    print(server.stdout.read(), end="")
    print(f"(exit {server.wait()})")


def probed(home: Path, port: int) -> None:
    """`llamaduo probe`, and its exit code."""
    command = ["llamaduo", "probe", f"http://127.0.0.1:{port}", f"home={home}"]
    print(f"$ {' '.join(command)}", flush=True)
    done = subprocess.run([sys.executable, "-m", *command])
    print(f"(exit {done.returncode})", flush=True)


def wrong(held: Held, home: Path, room: Path) -> Iterator[tuple[str, Path]]:
    """Yield what is wrong, and a folder of weights that has it."""
    yield "the base, without the adapter", without_adapter(held, held_base(held), room / "base")
    right = merged(held, home / ".llamaduo" / SERVED, Progress())
    copy = room / "template"
    shutil.copytree(right, copy)
    template = copy / "chat_template.jinja"
    template.write_text(SYSTEM + template.read_text())
    yield "the right weights, with another template", copy
    tiny = from_overrides(["local=tiny"]).local
    yield "another model behind the name", without_adapter(held, tiny, room / "tiny")


def held_base(held: Held) -> LocalModel:
    """Return what the version's adapter is for."""
    return held.served.model(held.folder / "artifacts")


def without_adapter(held: Held, base: LocalModel, into: Path) -> Path:
    """Write a base as if it had been merged."""
    nothing = into.with_name(f"{into.name}-nothing")
    nothing.mkdir()
    engine = TransformersEngine.model_validate(held.served.engine | {"weights": "merged"})
    write_merged(base, Folder(nothing, "", ""), engine, into)
    return into


@contextmanager
def served(weights: Path, name: str, port: int, room: Path) -> Iterator[None]:
    """Have `transformers serve` answer with a folder under the model's name."""
    with tempfile.TemporaryDirectory(dir=room) as place:
        process.laid_out(Path(place), name, weights)
        command = TransformersServing().process(str(weights), name, port)
        environment = process.environment(os.environ, place)
        log = room / "serve.log"
        with child_server.started(
            command, cwd=Path(place), environment=environment, log=log
        ) as server:
            assert child_server.answers(server, port, 300), log.read_text()
            yield


if __name__ == "__main__":
    main()
