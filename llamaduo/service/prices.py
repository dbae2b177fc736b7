"""The prices that litellm ships, per million tokens."""

import difflib
import json
import os
from functools import lru_cache
from importlib.metadata import distribution, version
from pathlib import Path
from typing import Any

from llamaduo.errors import UsageError
from llamaduo.records import Record

MAP = "litellm/model_prices_and_context_window_backup.json"
"""Where the map stands among what is installed."""
PRICED = ("input_cost_per_token", "output_cost_per_token")


class Listed(Record):
    """What the map has of one model: US dollars per million tokens."""

    input: float
    output: float
    cached_input: float | None
    """None where the map has no price of reading the cache."""
    cache_write: float | None
    """None where it has none of writing to it."""
    batch_input: float | None
    """None where the map has no batch price; then `batch_output` is None too."""
    batch_output: float | None
    source: str
    """Which map, and where it says the price is from."""


def listed(model: str) -> Listed:
    """Return the price of `model` from the map that the installed litellm brings along.

    Nothing is fetched. A name with its provider in front (`openai/gpt-4o`) is also found
    under the bare name, if that is of the same provider. Prices that rise with the length
    of a prompt are the ones of short prompts.

    Raises:
        UsageError: with the nearest names, if the map has no such model, or has it without
            a price of tokens.
    """
    known = _price_map()
    name = _name_in(known, model)
    row = known[name]
    batch_input, batch_output = (row.get(f"{key}_batches") for key in PRICED)
    batches = batch_input is not None and batch_output is not None
    page = row.get("source")
    return Listed(
        input=_per_million(row[PRICED[0]]),
        output=_per_million(row[PRICED[1]]),
        cached_input=_or_none(row.get("cache_read_input_token_cost")),
        cache_write=_or_none(row.get("cache_creation_input_token_cost")),
        batch_input=_or_none(batch_input) if batches else None,
        batch_output=_or_none(batch_output) if batches else None,
        source=(
            f"the price map of litellm {version('litellm')}, which has no date"
            + (f" and names {page}" if page else " and names no page")
        ),
    )


def why_unknown(model: str) -> str:
    """Say why the map has no price of `model`; "" where it has one. Imports nothing heavy.

    The map is read as the file that it ships in; where there is none, "" too, and the
    look-up says what is wrong.
    """
    if not (known := _shipped()):
        return ""
    try:
        _name_in(known, model)
    except UsageError as error:
        return str(error)
    return ""


def row_of(model: str) -> dict[str, Any] | None:
    """Return what the map has of `model`; None where it has nothing. Imports nothing heavy."""
    known = _shipped()
    provider, _, bare = model.partition("/")
    row = known.get(bare, {})
    return known.get(model) or (row if row.get("litellm_provider") == provider else None)


@lru_cache(maxsize=1)
def _shipped() -> dict[str, dict[str, Any]]:
    """Return the map as the file that it ships in; empty where there is none."""
    path = Path(str(distribution("litellm").locate_file(MAP)))
    if not path.is_file():
        return {}
    rows = json.loads(path.read_bytes()).items()
    return {name: row for name, row in rows if isinstance(row, dict)}


def _price_map() -> dict[str, dict[str, Any]]:
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    import litellm

    found: dict[str, dict[str, Any]] = litellm.model_cost
    return found


def _name_in(known: dict[str, dict[str, Any]], model: str) -> str:
    provider, _, bare = model.partition("/")
    names = [model]
    if bare in known and known[bare].get("litellm_provider") == provider:
        names.append(bare)
    for name in names:
        if name != "sample_spec" and all(known.get(name, {}).get(key) for key in PRICED):
            return name
    if model in known:
        raise UsageError(
            f"litellm has no price of tokens for {model}: give input, output, as_of and source"
        )
    priced = [name for name, row in known.items() if all(row.get(key) for key in PRICED)]
    near = difflib.get_close_matches(model, priced, n=3, cutoff=0.5)
    hint = f"; did you mean {', '.join(f'`{name}`' for name in near)}?" if near else ""
    raise UsageError(
        f"the price map of litellm {version('litellm')} has no model {model!r}{hint} "
        "(or give input, output, as_of and source)"
    )


def _per_million(usd: float) -> float:
    """Return dollars per million tokens, without the dust of the division."""
    return round(usd * 1e6, 9)


def _or_none(usd: float | None) -> float | None:
    return None if usd is None else _per_million(usd)
