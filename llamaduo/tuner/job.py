"""What the processes of one tuning are told: components and rows, as a file."""

import importlib
import operator
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic_core import to_jsonable_python

from llamaduo.component import Component
from llamaduo.records import Example

TARGET = "_target_"


class Job(BaseModel):
    """The arguments of one training, in a form that another process can read."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tuner: dict[str, Any]
    local: dict[str, Any]
    rows: tuple[Example, ...]
    dev: tuple[Example, ...]
    seed: int
    out: Path
    scratch: Path


def written(value: Any) -> Any:
    """Return `value` as plain JSON values; a component as its class and its fields."""
    if isinstance(value, Component):
        cls = type(value)
        return {
            TARGET: f"{cls.__module__}:{cls.__qualname__}",
            **{name: written(field) for name, field in value},
        }
    if isinstance(value, Mapping):
        return {str(key): written(below) for key, below in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [written(below) for below in value]
    return to_jsonable_python(value)


def read(value: Any) -> Any:
    """Build again what `written` wrote.

    The classes were imported, and trusted, by the process that wrote.

    Raises:
        TypeError: if one is not a `Component`.
    """
    if isinstance(value, list):
        return [read(below) for below in value]
    if not isinstance(value, dict):
        return value
    fields = {key: read(below) for key, below in value.items() if key != TARGET}
    if TARGET not in value:
        return fields
    module, _, name = value[TARGET].partition(":")
    found = operator.attrgetter(name)(importlib.import_module(module))
    if not (isinstance(found, type) and issubclass(found, Component)):
        raise TypeError(f"{value[TARGET]} is not a llamaduo Component")
    return found.model_validate(fields)
