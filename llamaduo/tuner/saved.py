"""What tuning leaves on disk: checkpoints to go on from, and the adapter with its papers."""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from llamaduo.local import LocalModel, template_digest
from llamaduo.records import Training

BEST = "best-"
"""Folders of adapters that had the lowest dev loss so far begin so; the step follows."""


CURVE = "curve.json"
"""Beside an adapter: what was logged of every optimiser step, a list for each name."""
OF_A_STEP = ("step", "loss", "learning_rate", "grad_norm")


def newest_checkpoint(scratch: Path) -> Path | None:
    """Return the newest checkpoint that was written whole, and remove those that were not."""
    whole = []
    for folder in scratch.glob("checkpoint-*"):
        try:  # the trainer writes this file last
            json.loads((folder / "trainer_state.json").read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            shutil.rmtree(folder)
        else:
            whole.append(folder)
    return max(whole, key=step_of, default=None)


def step_of(folder: Path) -> int:
    """Return the optimiser step that stands at the end of a folder's name."""
    return int(folder.name.rpartition("-")[2])


def save(
    model: Any,
    weights: dict[str, Any],
    tokenizer: Any,
    local: LocalModel,
    facts: Training,
    history: Sequence[Mapping[str, float]],
    out: Path,
) -> None:
    """Fill `out` with the adapter (safetensors), its tokenizer, and what it belongs to.

    The same training gives the same bytes: no path of this machine, no clock, no set order.

    Args:
        history: the trainer's log, of the steps before a kill too.
    """
    model.save_pretrained(out, safe_serialization=True, state_dict=weights)
    (out / "README.md").unlink(missing_ok=True)  # peft's empty card
    path = out / "adapter_config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config["base_model_name_or_path"] = local.base
    config["revision"] = local.source()[1]  # only a hub model has one that others can load
    config["target_modules"] = sorted(config["target_modules"])
    _write(path, config)
    tokenizer.save_pretrained(out)
    identity = {
        "base": local.base,
        "revision": local.revision,
        "template": template_digest(local),
        "end_of_turn": local.end_of_turn,
        "licence": local.licence,
    }
    _write(out / "identity.json", identity)
    _write(out / "training.json", facts.model_dump(mode="json"))
    steps = [entry for entry in history if "loss" in entry]
    curve = {name: [round(entry[name], 8) for entry in steps] for name in OF_A_STEP}
    (out / CURVE).write_text(json.dumps(curve) + "\n", encoding="utf-8")


def _write(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def save_best(weights: dict[str, Any], scratch: Path, step: int) -> None:
    """Keep the adapter's weights after `step`, complete or not at all."""
    from safetensors.torch import save_file

    folder = scratch / f"{BEST}{step}"
    draft = scratch / f"draft-{BEST}{step}"
    for old in (folder, draft):
        shutil.rmtree(old, ignore_errors=True)
    draft.mkdir()
    save_file({k: v.detach().cpu().contiguous() for k, v in weights.items()}, draft / "adapter")
    draft.rename(folder)


def load_best(scratch: Path, step: int) -> dict[str, Any]:
    """Return the adapter's weights after `step`, which was the best."""
    from safetensors.torch import load_file

    found: dict[str, Any] = load_file(scratch / f"{BEST}{step}" / "adapter")
    return found


def forget_worse(scratch: Path, best: int | None) -> None:
    """Remove the weights of all steps but `best`; once a checkpoint knows which that is."""
    for folder in scratch.glob(f"{BEST}*"):
        if step_of(folder) != best:
            shutil.rmtree(folder)
