"""Fill the named holes of a prompt template, and read JSON out of a reply."""

import json
import re
from typing import Any


def fill(template: str, **fields: str) -> str:
    """Put each field in its `{name}`, in one pass, and leave every other brace alone.

    `str.format` would stop at the braces of a JSON example; one `replace` after another
    would fill again what a field's own text happens to say.
    """
    names = "|".join(map(re.escape, fields))
    return re.sub(r"\{(" + names + r")\}", lambda hole: fields[hole[1]], template)


def json_objects(reply: str) -> list[dict[str, Any]]:
    """Return every outermost JSON object in `reply`, in order; prose and fences are skipped.

    A number too large for a float, NaN and Infinity are not JSON and end the object they
    stand in, so that none of them can pass for a score.
    """
    decoder = json.JSONDecoder(parse_constant=_refuse)
    found: list[dict[str, Any]] = []
    at = reply.find("{")
    while at != -1:
        try:
            value, end = decoder.raw_decode(reply, at)
        except (ValueError, RecursionError):
            end = at + 1
        else:
            found.append(value)
        at = reply.find("{", end)
    return found


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")
