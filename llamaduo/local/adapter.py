"""An adapter one already has: where it is, and whether it fits what it is put on."""

import json
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
FILES = (CONFIG, WEIGHTS)
"""What an adapter is made of; a folder may hold more."""


def _existing_adapter(value: object) -> object:
    if not isinstance(value, str | Path):
        return value
    folder = Path(value).expanduser().absolute()
    missing = [name for name in FILES if not (folder / name).is_file()]
    if missing:
        near = [place for place in (folder / "out", folder.parent) if (place / CONFIG).is_file()]
        meant = f"; did you mean {near[0]}?" if near else ""
        raise ValueError(f"{folder} is no adapter: it has no {' and no '.join(missing)}{meant}")
    return folder


AdapterFolder = Annotated[Path, BeforeValidator(_existing_adapter)]
"""A folder with a LoRA adapter as PEFT saves it; in a key it is known by its files' bytes."""


def settings(folder: Path) -> dict[str, Any]:
    """Return what `adapter_config.json` in `folder` says."""
    found: dict[str, Any] = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    return found


def misfits(folder: Path, *, base: str, revision: str, template: str) -> list[str]:
    """Say why the adapter in `folder` is not one for this base model.

    An adapter of ours says what it belongs to in `identity.json`; of another we know the
    name of its base alone, of which the last part is compared.

    Args:
        base: hub id of the base model it shall go on.
        revision: commit of that.
        template: digest of the chat template and end of turn.
    """
    identity = folder / "identity.json"
    if identity.is_file():
        own = json.loads(identity.read_text(encoding="utf-8"))
        wanted = {"base": base, "revision": revision, "template": template}
        return [
            f"local.adapter: {folder} was tuned with {name} {own.get(name)}, and this is {value}"
            for name, value in wanted.items()
            if own.get(name) != value
        ]
    name = str(settings(folder).get("base_model_name_or_path") or "")
    if name.rstrip("/").rpartition("/")[2].lower() != base.rpartition("/")[2].lower():
        return [
            f"local.adapter: {folder} names {name or 'nothing'} as its base, and this is {base}; "
            f"if it is the same model, put its hub id into {CONFIG}"
        ]
    return []
