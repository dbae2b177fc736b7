"""What a TGI server is asked and says, held against a schema of our own.

It is held against TGI's own OpenAPI document too, where `LLAMADUO_TGI_OPENAPI` names the file.
"""

import json
import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import jsonschema

SCHEMA = json.loads((Path(__file__).parent / "tgi_schema.json").read_text(encoding="utf-8"))

ROUTES: dict[str, dict[str, Any]] = SCHEMA["routes"]
"""By method and path: the schema of its request, of its reply by status, of its events."""

DOCUMENT = "LLAMADUO_TGI_OPENAPI"
"""Environment variable that names TGI's OpenAPI document, a JSON file."""


def of_request(route: str, body: Any, *, strict: bool = True) -> list[str]:
    """Return what is wrong with a request.

    Args:
        strict: also with a key that the schema does not have; TGI ignores it.
    """
    return _faults(f"{route} is asked", [ROUTES[route]["request"]], body, strict=strict)


def of_reply(route: str, status: int, body: Any) -> list[str]:
    """Return what is wrong with a reply. None is one without a body."""
    said = f"{route} says {status}"
    replies = ROUTES[route]["replies"]
    if str(status) not in replies:
        return [f"{said}, which it never does"]
    name = replies[str(status)]
    if name is None:
        return [] if body is None else [f"{said} with a body"]
    return _faults(said, [name], body)


def of_event(route: str, event: Any) -> list[str]:
    """Return what is wrong with an event of a stream."""
    return _faults(f"{route} streams", ROUTES[route].get("events", ()), event)


def document() -> dict[str, Any] | None:
    """Return TGI's OpenAPI document as JSON Schema, if it is at hand."""
    return _read(os.environ[DOCUMENT]) if os.environ.get(DOCUMENT) else None


@lru_cache(maxsize=1)
def _read(path: str) -> dict[str, Any]:
    read: dict[str, Any] = _as_json_schema(json.loads(Path(path).read_text(encoding="utf-8")))
    return read


def _as_json_schema(node: Any) -> Any:
    """Say in JSON Schema's words what OpenAPI 3.0 says in its own."""
    if isinstance(node, list):
        return [_as_json_schema(one) for one in node]
    if not isinstance(node, dict):
        return node
    said = {key: _as_json_schema(value) for key, value in node.items()}
    if said.get("nullable") is True and "type" in said:
        said["type"] = [said["type"], "null"]
    if said.get("exclusiveMinimum") is True:
        said["exclusiveMinimum"] = said.pop("minimum")
    for name, one in said.get("properties", {}).items():
        # A reference that may be missing is an Option in TGI's source, which it writes as null.
        if name not in said.get("required", ()) and set(one) <= {"allOf", "default"}:
            said["properties"][name] = {"anyOf": [one, {"type": "null"}]}
    return said


def _faults(said: str, names: Sequence[str], value: Any, *, strict: bool = True) -> list[str]:
    """Return what every one of the schemas `names` has against `value`; none if one has nothing."""
    found: list[str] = []
    for name in names:
        against = _against(name, value, strict)
        if not against:
            return []
        found += [f"{said} what is no {name}: {one}" for one in against]
    return found or [f"{said} what it never does"]


def _against(name: str, value: Any, strict: bool) -> list[str]:
    errors = _validator(f"#/$defs/{name}").iter_errors(value)
    unknown = () if strict else ("additionalProperties",)
    found = [_words(error) for error in errors if error.validator not in unknown]
    theirs = document()
    if found or theirs is None:
        return found
    listed, held = [value], name
    if name == "ModelsInfo":  # the document has one model in the place of the list
        listed, held = value["data"], "ModelInfo"
    if held not in theirs["components"]["schemas"]:
        return []
    validator = _validator(f"#/components/schemas/{held}", os.environ[DOCUMENT])
    return [f"TGI: {_words(error)}" for one in listed for error in validator.iter_errors(one)]


@lru_cache(maxsize=64)
def _validator(ref: str, path: str | None = None) -> Any:
    """Return what holds a value against a part of our schema, or of the document at `path`."""
    whole = SCHEMA if path is None else _read(path)
    return jsonschema.Draft202012Validator({**whole, "$ref": ref})


def _words(error: Any) -> str:
    return f"{error.json_path}: {error.message}"
