"""Serve the demo's champion by `transformers serve` here, and see how much this machine carries.

    python benchmarks/load.py --home HOME [--rates 0.25,0.5,1,2,4] [--seconds 120] [--p95-ms N]

HOME has the finished demo, promoted. Prints what `llamaduo load` prints, and what `llamaduo cost`
makes of it; the machine has to be quiet.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from llamaduo.engine.transformers import TransformersEngine
from llamaduo.loads import FOLDER
from llamaduo.promotion.version import write_merged
from llamaduo.serving.transformers import TransformersServing
from llamaduo.store import Folder
from llamaduo.verbs import cost, load, versioned

PORT = 8931
READY = 120
"""Seconds until it has to answer."""


def main() -> None:
    """Merge, serve, load, cost."""
    made = argparse.ArgumentParser()
    made.add_argument("--home", required=True)
    made.add_argument("--rates", default="0.25,0.5,1,2,4")
    made.add_argument("--seconds", default="120")
    made.add_argument("--p95-ms")
    given = made.parse_args()
    with tempfile.TemporaryDirectory() as name:
        server = served(Path(name), given.home)
        try:
            words = [f"http://127.0.0.1:{PORT}", f"home={given.home}", "--rates", given.rates]
            words += ["--seconds", given.seconds]
            load.main([*words, *(["--p95-ms", given.p95_ms] if given.p95_ms else [])])
        finally:
            server.kill()  # asked to end, it first answers all that waits
            server.wait()
    newest = max((Path(given.home) / ".llamaduo" / FOLDER).glob("*.json"), key=os.path.getmtime)
    print(json.dumps(json.loads(newest.read_text()), indent=1))
    cost.main(
        [
            "workload=light",
            "workload.servers=auto",
            f"workload.throughput.measured={newest}",
            "workload.throughput.peak_to_mean=1",
            f"home={given.home}",
        ]
    )


def served(folder: Path, home: str) -> "subprocess.Popen[bytes]":
    """Start the server on merged weights of the champion, and wait until it is there."""
    held = versioned.find([f"home={home}"], "load").held
    name = held.version.name
    engine = TransformersEngine.model_validate(held.served.engine | {"weights": "merged"})
    adapter = Folder(held.weights, "", "")
    write_merged(held.served.model(held.folder / "artifacts"), adapter, engine, folder / name)
    command = list(TransformersServing().process(name, name, PORT))
    quiet = (folder / "serve.log").open("wb")
    server = subprocess.Popen(command, cwd=folder, stdout=quiet, stderr=quiet)
    until = time.monotonic() + READY
    while time.monotonic() < until:
        try:
            urlopen(f"http://127.0.0.1:{PORT}/health", timeout=5).close()
            if server.poll() is None:
                return server
            sys.exit(f"another server has port {PORT}: {(folder / 'serve.log').read_text()[-500:]}")
        except (URLError, OSError):
            time.sleep(0.5)
    server.kill()
    sys.exit((folder / "serve.log").read_text()[-2000:])


if __name__ == "__main__":
    main()
