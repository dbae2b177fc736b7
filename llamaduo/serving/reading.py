"""What the files of a base and of an adapter say that matters to who serves them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from llamaduo.records import Record

SAMPLING = "generation_config.json"


class OnBase(Record):
    """What decides who puts an adapter on its base, as the base's files said when it was promoted.

    So the form that is served is the same on every machine, whether the base is there or not.
    """

    family: str
    layers: int | None
    """Of its blocks; None: not known."""
    quantized: str
    ends: bool | None


def of_adapter(settings: Mapping[str, Any], layers: int | None) -> dict[str, Any]:
    """Return the fields of `Given` that PEFT's adapter_config.json decides.

    Args:
        settings: what the file says; what it leaves out is PEFT's default.
        layers: blocks of the base; None: not known, and an adapter that names its layers is
            then taken to leave some out.
    """
    targets = settings.get("target_modules") or ()
    return {
        "r": int(settings.get("r") or 8),
        "targets": (targets,) if isinstance(targets, str) else tuple(sorted(targets)),
        "every_layer": _every_layer(settings, layers),
        "rank_pattern": bool(settings.get("rank_pattern")),
        "alpha_pattern": bool(settings.get("alpha_pattern")),
        "dora": bool(settings.get("use_dora")),
        "rslora": bool(settings.get("use_rslora")),
        "bias": settings.get("bias", "none") != "none" or bool(settings.get("lora_bias")),
        "modules_to_save": tuple(sorted(settings.get("modules_to_save") or ())),
    }


def _every_layer(settings: Mapping[str, Any], layers: int | None) -> bool:
    named = settings.get("layers_to_transform")
    if settings.get("exclude_modules"):
        return False
    if named is None:
        return True
    tuned = {named} if isinstance(named, int) else set(named)
    return layers is not None and tuned >= set(range(layers))


def of_base(folder: Path | None, end_of_turn: str) -> dict[str, Any]:
    """Return the fields of `Given` that the files of a base decide.

    Args:
        folder: with config.json and tokenizer.json; None: it is not here.
        end_of_turn: the token that ends an answer of the task.
    """
    config = {} if folder is None else _json(folder / "config.json")
    method = config.get("quantization_config") or {}
    return {
        "quantized": str(method.get("quant_method") or ""),
        "ends": None if folder is None else _ends(folder, config, end_of_turn),
    }


def _ends(folder: Path, config: Mapping[str, Any], end_of_turn: str) -> bool | None:
    """Return whether servers stop at `end_of_turn`: by generation_config.json, else config.json."""
    stops = _json(folder / SAMPLING).get("eos_token_id", config.get("eos_token_id"))
    end = _id(folder, end_of_turn)
    if stops is None or end is None:
        return None
    return end in (stops if isinstance(stops, list) else [stops])


def _id(folder: Path, token: str) -> int | None:
    """Return the number of a special token; of the smaller file, where that has it."""
    known = _json(folder / "tokenizer_config.json").get("added_tokens_decoder") or {}
    for number, one in known.items():
        if one.get("content") == token:
            return int(number)
    for one in _json(folder / "tokenizer.json").get("added_tokens") or ():
        if one.get("content") == token:
            return int(one["id"])
    return None


def _json(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
