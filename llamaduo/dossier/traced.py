"""The one way in which a figure or a quoted text comes into the dossier: with where it is from.

A path begins with the name of what was read, and goes down into it:

    result.test.coverage.value
    judgements/0123456789abcdef#12.marks.0.similarity    of the row 12 of a stored result
    manifest:judgements/0123456789abcdef.finished
    result.tallies.*.calls                               of each
    result.test.checks["valid JSON"].value               a key that is no plain word
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from llamaduo.dossier.forms import SAID, exact, written

Roots = Mapping[str, Any]
"""What was read, as plain JSON, by the name that paths begin with."""

_HEAD = re.compile(r"([^.#\[]+)(?:#(\d+))?")
_STEP = re.compile(r'\.([^.\[]+)|\[("(?:[^"\\]|\\.)*")\]')
_PLAIN = re.compile(r"\w[\w-]*")


def at(path: str, roots: Roots) -> Any:
    """Return what stands at `path`.

    Raises:
        LookupError: if nothing does.
    """
    head = _HEAD.match(path)
    if head is None or head[1] not in roots:
        raise LookupError(f"{path}: nothing of that name was read")
    found = roots[head[1]]
    if head[2] is not None:
        found = found[int(head[2])]
    steps = [word or json.loads(quoted) for word, quoted in _STEP.findall(path, head.end())]
    return _down(found, steps)


def _down(found: Any, steps: Sequence[str]) -> Any:
    for i, step in enumerate(steps):
        if step == "*" and isinstance(found, list):
            return [_down(one, steps[i + 1 :]) for one in found]
        found = found[int(step)] if isinstance(found, list) else found[step]
    return found


def below(path: str, key: str | int) -> str:
    """Return the path of what stands under `key` of what stands at `path`."""
    name = str(key)
    return f"{path}.{name}" if _PLAIN.fullmatch(name) else f"{path}[{json.dumps(name)}]"


def trace(path: str, form: str, roots: Roots) -> Markup:
    """Return an element that shows what stands at `path`, and says where that is.

    Raises:
        LookupError: if nothing stands there.
    """
    value = at(path, roots)
    source = Markup(' data-from="{}" data-as="{}"').format(path, form)
    if form in SAID:
        return Markup("<span{}>{}</span>").format(source, written(value, form))
    return Markup('<data value="{}"{}>{}</data>').format(
        exact(value, form), source, written(value, form)
    )
