"""Sweeps typed as a user types them, in processes of their own, and what they leave."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from llamaduo.sweep import ends
from llamaduo.sweep.ends import End
from llamaduo.sweep.plan import read

QUICK = [
    *("experiments=demo_tiny", "tracker=none", "rounds=1", "tuner.steps=2", "samples=1"),
    *("baselines=[]", "judge.audit=0", "judge.repeats=1"),
]
GPUS = ["GPU-stand-in-0", "GPU-stand-in-1"]


@dataclass(frozen=True)
class Swept:
    """A sweep that is over."""

    folder: Path
    code: int
    out: str
    err: str

    @property
    def ends(self) -> list[End]:
        return ends.of_all(self.folder, read(self.folder).jobs)

    def log(self, job: int) -> str:
        return (self.folder / str(job) / ends.LOG).read_text()


def sweep(home: Path, cache: Path, *words: str, **env: str) -> Swept:
    """Run `llamaduo -m` with QUICK and `words` in `home`."""
    done = subprocess.run(
        [sys.executable, "-m", "llamaduo", "-m", *QUICK, *words],
        cwd=home,
        env={**os.environ, "XDG_CACHE_HOME": str(cache), "OMP_NUM_THREADS": "1", **env},
        capture_output=True,
        text=True,
    )
    newest = max(home.glob(".llamaduo/sweeps/*"), key=lambda place: place.name)
    return Swept(newest, done.returncode, done.stdout, done.stderr)


def two_gpus(under: Path) -> dict[str, str]:
    """Put a stand-in for nvidia-smi on the path, and return the environment that finds it."""
    script = under / "bin" / "nvidia-smi"
    script.parent.mkdir(exist_ok=True)
    lines = "".join(f"echo '{number}, {card}'\n" for number, card in enumerate(GPUS))
    script.write_text(f"#!/bin/sh\n# a stand-in, for a machine without a GPU\n{lines}")
    script.chmod(0o755)
    return {
        "PATH": f"{script.parent}{os.pathsep}{os.environ['PATH']}",
        "XDG_RUNTIME_DIR": str(under),
    }
