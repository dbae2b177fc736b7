"""Fill the named holes of a prompt template, and read JSON out of a reply."""

import json
import math
import re
from collections.abc import Iterator
from typing import Any, NoReturn

_BEGINS = re.compile(r'\{\s*"|\[\s*["{\[]')
"""How an object begins that is not empty, or an array of texts, objects or arrays."""


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
    stand in, so that none of them can pass for a score. One nested deeper than Python can
    follow ends the search.
    """
    decoder = json.JSONDecoder(parse_constant=_refuse, parse_float=_finite)
    text = _Unlined(reply)
    found: list[dict[str, Any]] = []
    at = reply.find("{")
    while at != -1:
        try:
            value, end = decoder.raw_decode(text, at)
        except ValueError:
            end = at + 1
        except RecursionError:
            break
        else:
            found.append(value)
        at = reply.find("{", end)
    return found


def tagged_objects(reply: str, tag: str, *, deepest: int = 64) -> list[dict[str, Any]]:
    """Return the JSON objects in `reply` whose `tag` is `tag`, in order.

    Each is looked for from its tag backwards, so that nothing that stands before it, a brace
    left open or a megabyte of them, has a say in what is found. An object that says one thing
    twice is none: nobody knows which of the two is meant.

    Args:
        deepest: opening braces tried before a tag; so many may stand within its object.
    """
    decoder = json.JSONDecoder(
        parse_constant=_refuse, parse_float=_finite, object_pairs_hook=_each_once
    )
    text = _Unlined(reply)
    begun: dict[int, tuple[Any, int]] = {}
    found: dict[int, dict[str, Any]] = {}
    for named in re.finditer(re.escape(tag), reply) if tag else ():
        at = named.start()
        for _ in range(deepest):
            at = reply.rfind("{", 0, at)
            if at == -1:
                break
            if at not in begun:
                try:
                    begun[at] = decoder.raw_decode(text, at)
                except (ValueError, RecursionError):
                    begun[at] = None, at
            value, end = begun[at]
            if end > named.start() and isinstance(value, dict) and value.get("tag") == tag:
                found[at] = value
                break
    return [found[at] for at in sorted(found)]


def json_spans(text: str) -> Iterator[tuple[int, int]]:
    """Yield where each outermost JSON object or array stands that holds a text.

    An array that begins with a number or a constant is not looked for.
    """
    decoder = json.JSONDecoder()
    unlined = _Unlined(text)
    at = 0
    while (begun := _BEGINS.search(text, at)) is not None:
        try:
            _, at = decoder.raw_decode(unlined, begun.start())
        except ValueError:
            at = begun.start() + 1
        except RecursionError:
            return
        else:
            yield begun.start(), at


class _Unlined(str):
    """A text of whose lines nobody asks: at each fault json would count them from the start."""

    __slots__ = ()

    def count(self, *args: Any) -> int:
        return 0

    def rfind(self, *args: Any) -> int:
        return -1


def _finite(number: str) -> float:
    value = float(number)
    return value if math.isfinite(value) else _refuse(number)


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("an object says one thing twice")
    return found


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
