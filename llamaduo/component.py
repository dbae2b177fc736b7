"""Base of everything a YAML file may name, and the digests that identify it.

A component is its own config: its fields are the keys of its YAML, checked when it
is built and frozen after. It holds no open resource (no client, no GPU model), so
building one is free and its `key()` is a fair cache key.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from enum import Enum
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict

SHIPPED = "llamaduo://"
"""Prefix of a path that stands inside the installed package."""


def _existing_file(value: object) -> object:
    if not isinstance(value, str | Path):
        return value
    text = str(value)
    if text.startswith(SHIPPED):
        path = Path(str(files("llamaduo").joinpath(text.removeprefix(SHIPPED))))
    else:
        path = Path(text).expanduser().absolute()
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    return path


KNOWN_BY = ("adapter_config.json", "adapter_model.safetensors", "identity.json")
"""Files that a folder is known by: an adapter's. What else stands there changes nothing."""

DataFile = Annotated[Path, BeforeValidator(_existing_file)]
"""A file that is there. In YAML: a path (from the working folder), or `llamaduo://...`."""


class Component(BaseModel):
    """Frozen, no unknown keys, no open resource."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    version: ClassVar[int] = 1
    """Raise by one when the same fields begin to give another result."""
    bare: ClassVar[bool] = False
    """Whether it has no settings: those that an experiment's file has for another option of
    its group are then not for it, and are left out."""
    operational: ClassVar[frozenset[str]] = frozenset()
    """Fields that change how fast or where, never what; they stay out of `key()`."""

    def key(self) -> dict[str, Any]:
        """Return what makes this component's results, as plain JSON values.

        A file is named by the sha256 of its bytes, a folder by those of `KNOWN_BY`, so moving it
        changes nothing and editing it changes the key.

        Raises:
            TypeError: for a field whose value has no canonical form.
        """
        cls = type(self)
        fields = {n: _plain(v, n) for n, v in self if n not in self.operational}
        return {"is": f"{cls.__module__}.{cls.__qualname__}", "version": cls.version, **fields}


def _plain(value: Any, where: str) -> Any:
    if isinstance(value, Component):
        return value.key()
    if isinstance(value, Path) and value.is_dir():
        files = [value / name for name in KNOWN_BY if (value / name).is_file()]
        return {"sha256": {path.name: file_sha256(path) for path in files}}
    if isinstance(value, Path):
        return {"sha256": file_sha256(value)}
    if isinstance(value, Enum):
        return _plain(value.value, where)
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, Mapping):
        return {str(k): _plain(v, f"{where}.{k}") for k, v in value.items()}
    if isinstance(value, Sequence):
        return [_plain(v, f"{where}[{i}]") for i, v in enumerate(value)]
    raise TypeError(f"{where}: a {type(value).__name__} has no canonical form to make a key from")


def digest(*parts: Any) -> str:
    """Return 16 hex digits that name `parts`, whatever the order of their dict keys."""
    return digest_of([canonical(part, f"part {i}") for i, part in enumerate(parts)])


def digest_of(written: Sequence[str]) -> str:
    """Return the `digest` of parts that are written by `canonical` already."""
    return hashlib.sha256(f"[{','.join(written)}]".encode()).hexdigest()[:16]


def canonical(part: Any, where: str = "part") -> str:
    """Write a part of a digest as JSON, in the one way that it can be written."""
    plain = _plain(part, where)
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), allow_nan=False)


def seed_of(*parts: str | int) -> int:
    """Return a seed in 0..2**31-1 that depends on every one of `parts`."""
    text = "\x1f".join(map(str, parts))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1


def file_sha256(path: Path) -> str:
    """Return the sha256 of the bytes of `path`, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
