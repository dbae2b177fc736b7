"""A version with its files, as the registry would hand it out, without one."""

from pathlib import Path

from shelf import FEW, loud

from llamaduo.config import from_overrides
from llamaduo.promotion.held import Held
from llamaduo.promotion.references import Reference
from llamaduo.promotion.served import Served, fields_of
from llamaduo.records import Message
from llamaduo.tracker.registry import ADAPTER, Version

MODEL = "ticket_triage"


def held(folder: Path, *, dtype: str = "float32", temperature: float = 0.2) -> Held:
    """Write an adapter of the tiny model into `folder`, and return its version."""
    local = from_overrides(list(FEW)).local
    if not (folder / "artifacts").is_dir():
        loud(folder / "artifacts" / "weights", 1)
    served = Served(
        form="adapter",
        base=type(local).__name__,
        local=fields_of(local),
        engine={
            "temperature": temperature,
            "batch_size": 4,
            "weights": "merged",
            "dtype": dtype,
        },
        max_new_tokens=16,
    )
    said = Reference(id="r", messages=(Message(role="user", content="Hi"),), text="", finish="stop")
    version = Version(
        name=MODEL, number="3", run="0" * 32, tags={ADAPTER: "0123456789abcdef"}, aliases=()
    )
    return Held(version, folder, served, (said,))
