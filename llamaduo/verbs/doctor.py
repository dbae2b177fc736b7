"""`llamaduo doctor`: what is there and what is missing, a line each, with the fix."""

import argparse
import importlib.metadata
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from llamaduo.verbs import VERBS, arguments

LIBRARIES = {
    "torch": "tuning and answering",
    "transformers": "tuning and answering",
    "peft": "adapters",
    "trl": "tuning",
    "bitsandbytes": "4-bit weights",
    "litellm": "service calls",
    "accelerate": "tuning",
    "datasets": "rows of the hub",
    "gguf": "the demo's weights",
    "matplotlib": "figures",
    "mlflow": "showing runs",
    "rensa": "near-duplicates",
}


def parser() -> argparse.ArgumentParser:
    """Return what reads the verb's arguments."""
    made = arguments.parser("doctor", VERBS["doctor"])
    made.usage = "llamaduo doctor [key=value ...]"
    return made


def main(words: list[str]) -> int:
    """Check the composed experiment and the machine; 1 if something is missing."""
    from llamaduo.config import from_overrides

    exp = from_overrides(arguments.read(parser(), words).words)
    bad = 0
    for good, line in [*machine(Path(exp.home)), *((False, fault) for fault in exp.faults())]:
        print(f"{'ok     ' if good else 'MISSING'}  {line}")
        bad += not good
    if not exp.faults():
        print(f"ok       {exp.local.name} <- {exp.service.name} on {exp.task.name} can run here")
    return 1 if bad else 0


def machine(home: Path) -> Iterator[tuple[bool, str]]:
    """Yield whether each thing is there, and a line about it."""
    yield True, f"Python {sys.version.split()[0]}"
    for name, use in LIBRARIES.items():
        try:
            yield True, f"{name} {importlib.metadata.version(name)} ({use})"
        except importlib.metadata.PackageNotFoundError:
            yield False, f"{name} ({use}): pip install {name}"
    yield True, gpu()
    there = next(folder for folder in (home, *home.parents) if folder.exists())
    free = shutil.disk_usage(there).free / 2**30
    yield free > 5, f"{free:.0f} GiB free under {home}" + ("" if free > 5 else "; 5 are wanted")


def gpu() -> str:
    """Say which GPU there is."""
    import torch

    if not torch.cuda.is_available():
        return "no GPU: fine for models of some hundred million parameters"
    return f"GPU {torch.cuda.get_device_name(0)}"
