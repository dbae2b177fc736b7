"""The options of `serving` as their files have them, built in no time: without Hydra."""

from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import yaml

from llamaduo.serving.preset import Preset

CONF = Path(__file__).parents[2] / "conf/serving"


@cache
def fields(option: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((CONF / f"{option}.yaml").read_text(encoding="utf-8"))
    return found


def preset(option: str, **changed: Any) -> Preset:
    given = fields(option) | changed
    module, _, name = str(given.pop("_target_")).rpartition(".")
    built = getattr(import_module(module), name).model_validate(given)
    assert isinstance(built, Preset)
    return built
