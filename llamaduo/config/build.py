"""A composed config as plain data in, a checked component out, by pydantic alone.

`hydra.utils.instantiate` is not used. Nothing a `_target_` names is imported unless its
package is trusted, and nothing is called unless it is a `Component`.
"""

import importlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from llamaduo.component import Component
from llamaduo.errors import ConfigError
from llamaduo.experiment import Experiment
from llamaduo.options import EXPERIMENTS, nearest
from llamaduo.search import Search
from llamaduo.secrets import secrets, without_secrets

OURS = "llamaduo"
TWIN = ("judge.service.", "judge.service:")
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
    search, tuner = fields.get("search"), fields.get("tuner")
    if isinstance(search, Search) and isinstance(tuner, Component) and search.faults(tuner):
        found += search.faults(tuner)
        fields["search"] = _BAD
    experiment = _validated(Experiment, fields, "", found)
    # A judge without a service of its own has the teacher's, faults and all: said once.
    found = [f for f in found if not (f.startswith(TWIN) and f.removeprefix("judge.") in found)]
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


UNPRICED = "; without a price no call is made, since no budget could hold (0 is a price too)"


def _part(value: Any, path: str, packages: set[str], faults: list[str]) -> Any:
    if isinstance(value, Mapping):
        if _is_bare(value.get("_target_")):
            value = {"_target_": value["_target_"]}
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
        faults.append(f"{path}: has to be given{UNPRICED if '.price' in path else ''}")
        return _BAD
    return value


def _is_bare(target: Any) -> bool:
    """Whether it names a class of ours that has no settings, such as `tuner=none`."""
    module, _, name = str(target or "").rpartition(".")
    if module.partition(".")[0] != OURS:
        return False
    try:
        found = getattr(importlib.import_module(module), name, None)
    except ImportError:
        return False
    return isinstance(found, type) and issubclass(found, Component) and found.bare


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
        found = [
            fault
            for fault in error.errors()
            if not (fault["type"] == "missing" and fault["loc"][0] in bad)
        ]
        faults += _in_words(component, found, fields, path)
        return _BAD
    return _BAD if bad else made


def _in_words(
    component: type[BaseModel], found: Sequence[Any], fields: Mapping[str, Any], path: str
) -> list[str]:
    """Say each key's faults once: what each kind of a union wants stands in one line."""
    said: dict[tuple[Any, ...], list[str]] = {}
    last: dict[tuple[Any, ...], Any] = {}
    for fault in found:
        steps = _steps(fault, fields)
        said.setdefault(steps, []).append(_message(component, fault, steps, path, fields))
        last[steps] = fault
    lines = []
    for steps, messages in said.items():
        first, *others = dict.fromkeys(messages)
        whole = ", or ".join([first, *(one.removeprefix("Input should be ") for one in others)])
        where = ".".join(part for part in (path, *map(str, steps)) if part)
        lines.append(f"{where or 'config'}: {whole}{_got(last[steps])}")
    return lines


def _steps(fault: Any, fields: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return where a fault is, by keys alone; pydantic also names the kinds of a union."""
    steps: list[Any] = []
    value: Any = fields
    left = list(fault["loc"])
    while left:
        step = left.pop(0)
        last = not left
        head, _, rest = str(step).partition(".")
        if isinstance(value, Mapping) and rest and step not in value and head in value:
            left = [head, rest, *left]  # a dotted key of a mapping that stands in steps
            continue
        known = range(len(value)) if isinstance(value, list) else value
        if isinstance(value, Mapping | list) and step in known:
            value = value[step]
        elif not (last and fault["type"] == "missing"):
            continue
        steps.append(step)
    return tuple(steps)


def _message(
    component: type[BaseModel],
    fault: Any,
    steps: tuple[Any, ...],
    path: str,
    fields: Mapping[str, Any],
) -> str:
    match fault["type"]:
        case "missing":
            return f"has to be given{UNPRICED if 'price' in steps else ''}"
        case "extra_forbidden":
            members = fields.get("members")
            if steps == ("service",) and isinstance(members, Mapping):
                return (
                    f"no such key; a panel has members: {', '.join(members)}; "
                    f"service@{path}.members.<name>=... puts another in a member's place"
                )
            known = _fields_at(component, steps[:-1])
            known += [EXPERIMENTS] if component is Experiment and len(steps) == 1 else []
            return f"no such key{nearest(str(steps[-1]), known)}"
        case "is_instance_of":
            wanted = fault["ctx"]["class"]
            return f"no {wanted}; choose one of its group, or give a `_target_`"
        case "tuple_type" | "list_type":
            return "has to be a list, such as [1, 2]"
    return str(fault["msg"].removeprefix("Value error, "))


def _got(fault: Any) -> str:
    """Return what was given; nothing of what is missing or made of keys of its own."""
    value = fault["input"]
    if fault["type"] == "missing" or isinstance(value, dict):
        return ""
    got = type(value).__name__ if isinstance(value, BaseModel) else without_secrets(repr(value))
    return f" (got {got if len(got) <= 60 else f'{got[:57]}...'})"


def _fields_at(component: type[BaseModel], steps: tuple[Any, ...]) -> list[str]:
    """Return the field names of the model that stands at `steps` below `component`."""
    for step in steps:
        if isinstance(step, int):  # members of a list are of one kind
            continue
        field = component.model_fields.get(str(step))
        if field is None:  # a key of a mapping
            continue
        models = list(_models(field.annotation))
        if not models:
            return []
        component = models[0]
    return list(component.model_fields)


def _models(kind: Any) -> Iterator[type[BaseModel]]:
    """Yield the models that a field's annotation names, at any depth."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        yield kind
    for below in get_args(kind):
        yield from _models(below)
