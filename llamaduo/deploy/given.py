"""What of a registered version matters to who serves it, read from its files."""

from typing import Any

import yaml

from llamaduo.local import LocalModel
from llamaduo.local.adapter import settings
from llamaduo.local.hub import HubModel
from llamaduo.local.shape import Shape, folder_of, read_shape, shape_of
from llamaduo.promotion.held import Held
from llamaduo.promotion.version import CONFIG, ON_BASE
from llamaduo.serving import Given, Lengths
from llamaduo.serving.reading import OnBase, of_adapter, of_base

LENGTHS = "lengths.json"
"""File of a version: how long the task's prompts are."""


def given(held: Held) -> Given:
    """Return what engines are told of a version: in its own form, not yet the delivered one.

    Of a version that does not say what its base's files do, those on this machine are looked at;
    nothing is brought here.

    Raises:
        ModelError: for a base that this llamaduo does not know.
    """
    merged = held.served.form == "merged"
    local = held.served.model(held.folder / "artifacts")
    if merged:
        shape = read_shape(held.weights)
        more: dict[str, Any] = {"ends": True}
        family = "" if shape is None else shape.family
    else:
        base = _on_base(held, local)
        family, more = base.family, _on_its_base(held, local, base)
    return Given(
        name=held.version.name,
        number=held.version.number,
        form=held.served.form,
        family=family,
        base=local.base,
        revision=local.revision,
        dtype=str(held.served.engine["dtype"]),
        lengths=_lengths(held),
        **more,
    )


def _on_its_base(held: Held, local: LocalModel, base: OnBase) -> dict[str, Any]:
    return {
        "hub": isinstance(local, HubModel),
        "gated": isinstance(local, HubModel) and local.gated,
        "quantized": base.quantized,
        "ends": base.ends,
        **of_adapter(settings(held.weights), base.layers),
    }


def _on_base(held: Held, local: LocalModel) -> OnBase:
    """Return what its base's files said when it was promoted; of an older version, say here."""
    file = held.folder / ON_BASE
    if file.is_file():
        return OnBase.model_validate_json(file.read_bytes())
    shape = shape_of(local) or _said_shape(held)
    return OnBase(
        family="" if shape is None else shape.family,
        layers=None if shape is None else shape.layers,
        **of_base(folder_of(local), local.end_of_turn),
    )


def _said_shape(held: Held) -> Shape | None:
    """Return the base's shape as the run's config has it, for a base that is not here."""
    file = held.folder / CONFIG
    values = yaml.safe_load(file.read_text(encoding="utf-8")) if file.is_file() else {}
    said = dict((values.get("local") or {}).get("shape") or {})
    said.pop("_target_", None)
    return Shape.model_validate(said) if said else None


def _lengths(held: Held) -> Lengths | None:
    """Return how long its prompts are; None for a version of before they were counted."""
    file = held.folder / LENGTHS
    return Lengths.model_validate_json(file.read_bytes()) if file.is_file() else None
