"""The folder of a version: weights, how to answer with them, card, references, config."""

import re
import shutil
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

import llamaduo
from llamaduo.engine.transformers import TransformersEngine
from llamaduo.local import LocalModel, load
from llamaduo.local.load import Template
from llamaduo.local.shape import folder_of, shape_of
from llamaduo.promotion import card
from llamaduo.promotion.candidate import Candidate
from llamaduo.promotion.papers import Papers
from llamaduo.promotion.served import (
    FILE,
    WEIGHTS,
    Served,
    fields_of,
    fields_of_merged,
)
from llamaduo.resolved import resolved
from llamaduo.serving.reading import OnBase, of_base
from llamaduo.store import Folder
from llamaduo.tracker import registry

if TYPE_CHECKING:
    from transformers import GenerationConfig

REFERENCES, BASE, LENGTHS = "references.jsonl", "base.jsonl", "lengths.json"
ON_BASE = "on_base.json"
"""What the files of its base say to who serves an adapter on it; an `OnBase`."""
CONFIG = "config.yaml"
LIBRARIES = ("torch", "transformers", "peft", "safetensors", "bitsandbytes", "mlflow", "pandas")
"""What loading a version takes beside llamaduo, whose requirements bring them; pinned, since
another release may compute otherwise."""


def write(
    found: Candidate,
    engine: TransformersEngine,
    kept: Papers,
    text: str,
    into: Path,
) -> None:
    """Fill `into`, which is not there yet.

    Args:
        engine: what answers, its type of number spelt out.
        kept: answers to the test prompts, and lengths.
        text: the card.
    """
    exp = found.exp
    merged = found.form == "merged"
    served = Served(
        form=found.form,
        base="" if merged else type(exp.local).__name__,
        local=fields_of_merged(exp.local) if merged else fields_of(exp.local),
        engine=engine.model_dump(mode="json"),
        max_new_tokens=exp.task.max_new_tokens,
    )
    into.parent.mkdir(parents=True, exist_ok=True)
    note = into.parent / FILE
    note.write_text(served.model_dump_json(indent=1) + "\n", encoding="utf-8")
    registry.save(
        into,
        note,
        code=Path(__file__).with_name("model_code.py"),
        max_new_tokens=exp.task.max_new_tokens,
        requirements=requirements(),
    )
    weights = into / "artifacts" / WEIGHTS  # here at once: a merged model is large to copy
    if merged:
        write_merged(exp.local, found.adapter, engine, weights)
    else:
        shutil.copytree(found.adapter.path, weights)
        (into / ON_BASE).write_text(on_base(exp.local).model_dump_json() + "\n", encoding="utf-8")
    shutil.copyfile(kept.said.path, into / REFERENCES)
    shutil.copyfile(kept.base.path, into / BASE)
    (into / LENGTHS).write_text(kept.lengths.model_dump_json() + "\n", encoding="utf-8")
    (into / CONFIG).write_text(config(found), encoding="utf-8")
    (into / card.FILE).write_text(text, encoding="utf-8")


def write_merged(
    local: LocalModel, adapter: Folder, engine: TransformersEngine, into: Path
) -> None:
    """Write the merged model as transformers 5 loads models, its chat template with it.

    The weights are in the type of number that was computed in. For engines with an older
    transformers `llamaduo.deploy.model_folder` says the same in older words.
    """
    loaded = engine.loaded(local, adapter.path)
    loaded.model.generation_config = generation(loaded.template, engine.temperature)
    loaded.model.save_pretrained(into, safe_serialization=True)
    loaded.template.tokenizer.save_pretrained(into)
    del loaded
    load.free()


def on_base(local: LocalModel) -> OnBase:
    """Read the files of a base, which is here: it has just answered."""
    shape = shape_of(local)
    return OnBase(
        family="" if shape is None else shape.family,
        layers=None if shape is None else shape.layers,
        **of_base(folder_of(local), local.end_of_turn),
    )


def generation(template: Template, temperature: float) -> "GenerationConfig":
    """Return how a server generates that is told nothing: as it was when the model was judged.

    It ends at the end of a turn and at no other token. Nothing of the base's own settings is
    left, whose penalties would change answers that are not drawn too. Of the temperature a token
    is drawn from the whole vocabulary: unsaid, it would be from the 50 likeliest.
    """
    from transformers import GenerationConfig

    tokenizer = template.tokenizer
    drawn = {"do_sample": True, "temperature": temperature, "top_k": len(tokenizer)}
    return GenerationConfig(
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=template.end,
        pad_token_id=tokenizer.pad_token_id,
        **(drawn if temperature else {}),
    )


def config(found: Candidate) -> str:
    """Return every value the run was made with, but for places, as YAML."""
    values = resolved(found.exp)
    for name in ("_target_", "home", "tracker", "trusted"):
        del values[name]
    return card.clean(yaml.safe_dump(values, sort_keys=False, allow_unicode=True))


def requirements() -> list[str]:
    """Return what loading a version takes, pinned to what is installed here."""
    found = [f"llamaduo=={llamaduo.__version__}"]
    for name in LIBRARIES:
        try:
            found.append(f"{name}=={re.sub('[+].*', '', version(name))}")  # no index has +cpu
        except PackageNotFoundError:
            continue
    return found
