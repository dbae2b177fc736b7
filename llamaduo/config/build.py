"""A composed config as plain data in, a checked component out, by pydantic alone.

`hydra.utils.instantiate` is not used. Nothing a `_target_` names is imported unless its
package is trusted, and nothing is called unless it is a `Component`.
"""

import importlib
from collections.abc import Iterator, Mapping
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from llamaduo.component import Component
from llamaduo.errors import ConfigError
from llamaduo.experiment import Experiment
from llamaduo.options import nearest
from llamaduo.secrets import secrets, without_secrets

OURS = "llamaduo"
_BAD = object()
"""Stands for a part that could not be built; its fault is in the list."""


def build(config: Mapping[str, Any], faults: list[str] | None = None) -> Experiment:
    """Build every part of `config` at once, so that nothing is found wrong later.

    Args:
        config: plain data, interpolations resolved.
        faults: what is wrong already, to be said in the same message.

    Raises:
        ConfigError: naming each fault by its dotted path, with the nearest valid name.
    """
    found = [*(faults or []), *_secrets(config, "")]
    trusted = config.get("trusted") or []
    packages = {OURS, *map(str, trusted)} if isinstance(trusted, list) else {OURS}
    fields = {key: _part(value, str(key), packages, found) for key, value in config.items()}
    experiment = _validated(Experiment, fields, "", found)
    if found or not isinstance(experiment, Experiment):
        raise ConfigError("the config cannot be built:", found)
    return experiment


def _secrets(value: Any, path: str) -> Iterator[str]:
    """Say where a secret of the environment stands in the config: it would be kept and shown."""
    if isinstance(value, Mapping | list):
        below = value.items() if isinstance(value, Mapping) else enumerate(value)
        for key, one in below:
            yield from _secrets(one, f"{path}.{key}".lstrip("."))
    elif isinstance(value, str):
        for name, secret in secrets().items():
            if secret in value:
                yield f"{path}: holds what {name} holds; a key is read from the environment only"


def _part(value: Any, path: str, packages: set[str], faults: list[str]) -> Any:
    if isinstance(value, Mapping):
        fields = {
            key: _part(below, f"{path}.{key}", packages, faults)
            for key, below in value.items()
            if key != "_target_"
        }
        if "_target_" not in value:
            return _BAD if any(below is _BAD for below in fields.values()) else fields
        component = _component(value["_target_"], f"{path}._target_", packages, faults)
        return _BAD if component is None else _validated(component, fields, path, faults)
    if isinstance(value, list):
        parts = [_part(below, f"{path}.{i}", packages, faults) for i, below in enumerate(value)]
        return _BAD if any(below is _BAD for below in parts) else parts
    if value == "???":
        faults.append(f"{path}: has to be given")
        return _BAD
    return value


def _component(
    target: Any, path: str, packages: set[str], faults: list[str]
) -> type[Component] | None:
    """Return the Component class `target` names; None, with a fault, for anything else."""
    module, _, name = str(target).rpartition(".")
    package = module.partition(".")[0]
    if package not in packages:
        faults.append(
            f"{path}: {target!r} is not of a trusted package and was not imported; "
            f"if you trust it, add trusted=[{package or target}]"
        )
        return None
    try:
        found = getattr(importlib.import_module(module), name, None)
    except ImportError as error:
        faults.append(f"{path}: {target!r} cannot be imported: {error}")
        return None
    if not (isinstance(found, type) and issubclass(found, Component)):
        faults.append(f"{path}: {target!r} is not a llamaduo Component")
        return None
    return found


def _validated(
    component: type[Component], fields: dict[str, Any], path: str, faults: list[str]
) -> Any:
    bad = {name for name, value in fields.items() if value is _BAD}
    try:
        made = component.model_validate({n: v for n, v in fields.items() if n not in bad})
    except ValidationError as error:
        for fault in error.errors():
            if not (fault["type"] == "missing" and fault["loc"][0] in bad):
                faults.append(_in_words(component, fault, path))
        return _BAD
    return _BAD if bad else made


def _in_words(component: type[BaseModel], fault: Any, path: str) -> str:
    where = ".".join(part for part in (path, *map(str, fault["loc"])) if part)
    got = without_secrets(repr(fault["input"]))
    got = got if len(got) <= 60 else f"{got[:57]}..."
    if fault["type"] == "missing":
        return f"{where}: has to be given"
    if fault["type"] == "extra_forbidden":
        known = _fields_at(component, fault["loc"][:-1])
        return f"{where}: no such key{nearest(str(fault['loc'][-1]), known)} (got {got})"
    if fault["type"] == "is_instance_of":
        wanted = fault["ctx"]["class"]
        return f"{where}: no {wanted}; choose one of its group, or give a `_target_` (got {got})"
    message = fault["msg"].removeprefix("Value error, ")
    shown = "" if isinstance(fault["input"], dict) else f" (got {got})"
    return f"{where or 'config'}: {message}{shown}"


def _fields_at(component: type[BaseModel], steps: tuple[Any, ...]) -> list[str]:
    """Return the field names of the model that stands at `steps` below `component`."""
    for step in steps:
        field = component.model_fields.get(str(step))
        if field is None:
            return []
        kinds = [field.annotation, *get_args(field.annotation)]
        models = [k for k in kinds if isinstance(k, type) and issubclass(k, BaseModel)]
        if not models:
            return []
        component = models[0]
    return list(component.model_fields)
