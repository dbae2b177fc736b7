"""The folder's README: what is in it, how it is started, probed, loaded and rolled back."""

import shlex
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

import yaml

from llamaduo.deploy.compose import GATEWAY_PORT, GRAFANA_PORT
from llamaduo.deploy.stack import Stack
from llamaduo.options import options
from llamaduo.promotion.held import Held
from llamaduo.serving import Given, Serving

FILE = "README.md"
PLACES = ("home=", "tracker=", "tracker.")
"""What begins the words that say where a registry is."""


def readme(
    held: Held,
    serving: Serving,
    given: Given,
    stack: Stack,
    why: str,
    weights: Mapping[str, int] | None,
    words: Sequence[str] = (),
) -> str:
    """Return the page.

    Args:
        given: as it is served.
        why: it is merged, where the version holds an adapter; "" where it does not matter.
        weights: the files of models/NAME, with their bytes; None: they are left to be made.
        words: the key=value that chose version and serving, for the commands; none: `serving`
            as its YAML has it.
    """
    from jinja2 import Environment, StrictUndefined

    source = files("llamaduo.deploy").joinpath("page", FILE).read_text(encoding="utf-8")
    made = Environment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    [engine] = stack.engines
    shown: dict[str, Any] = {
        "stack": stack,
        "given": given,
        "held": held,
        "engine": engine,
        "why": why,
        "weights": weights,
        "option": shlex.join(words) or option(serving),
        "registry": "".join(f" {shlex.quote(word)}" for word in words if word.startswith(PLACES)),
        "gateway": GATEWAY_PORT,
        "grafana": GRAFANA_PORT,
    }
    return made.from_string(source).render(shown).rstrip() + "\n"


def option(serving: Serving) -> str:
    """Return the words that choose `serving`, as far as its YAML goes: `serving=tgi_l4`."""
    target = f"{type(serving).__module__}.{type(serving).__qualname__}"
    for name, path in options("serving").items():
        if yaml.safe_load(path.read_text(encoding="utf-8")).get("_target_") == target:
            return f"serving={name}"
    return "serving=..."
