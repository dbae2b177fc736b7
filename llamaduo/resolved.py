"""A checked component as the plain data that makes it again: what was run, without Hydra."""

from collections.abc import Mapping, Sequence
from datetime import date
from enum import Enum
from importlib.resources import files
from pathlib import Path
from typing import Any

from llamaduo.component import SHIPPED, Component


def resolved(component: Component) -> dict[str, Any]:
    """Return the config that builds `component`: `_target_` and every field, defaults too.

    A file inside the installed package is named `llamaduo://...`, so that it is found where
    another version is installed; any other by its absolute path.

    Raises:
        TypeError: for a field whose value no YAML can say.
    """
    cls = type(component)
    fields = {name: _plain(value, name) for name, value in component}
    return {"_target_": f"{cls.__module__}.{cls.__qualname__}", **fields}


def _plain(value: Any, where: str) -> Any:
    if isinstance(value, Component):
        return resolved(value)
    if isinstance(value, Path):
        package = Path(str(files("llamaduo")))
        shipped = value.is_relative_to(package)
        return f"{SHIPPED}{value.relative_to(package).as_posix()}" if shipped else str(value)
    if isinstance(value, Enum):
        return _plain(value.value, where)
    if isinstance(value, date):
        return value.isoformat()
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(below, f"{where}.{key}") for key, below in value.items()}
    if isinstance(value, Sequence):
        return [_plain(below, f"{where}[{at}]") for at, below in enumerate(value)]
    raise TypeError(f"{where}: a {type(value).__name__} cannot be written in a YAML")
