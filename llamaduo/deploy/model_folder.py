"""`models/NAME/`: what an engine's container reads, as the libraries of any engine read it.

TGI 3.3 reads with transformers 4.51 and PEFT 0.15, others with newer ones. What transformers 5
and PEFT 0.21 save, they would read wrongly or not at all:

- `tokenizer_class: TokenizersBackend` is no class there, and TGI would not start;
- the chat template stands in a file that TGI does not look for;
- `rope_parameters` is not known there, and every position would be turned by the default
  `rope_theta` of 10,000, without a word;
- PEFT 0.14 and older refuse an adapter's settings that they do not know.
"""

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from llamaduo.deploy.merged import MANIFEST, WIDTH, merged
from llamaduo.errors import LlamaDuoError, ModelError
from llamaduo.local import LocalModel, load
from llamaduo.local.adapter import CONFIG as ADAPTER
from llamaduo.local.adapter import WEIGHTS, settings
from llamaduo.progress import Progress
from llamaduo.promotion.held import Held
from llamaduo.promotion.served import Merged, fields_of_merged
from llamaduo.promotion.version import generation
from llamaduo.serving import Form, Serving
from llamaduo.tracker.registry import ADAPTER as CONTENT

TOKENIZER, TEMPLATE, CONFIG = "tokenizer_config.json", "chat_template.jinja", "config.json"
LORA = frozenset(
    {
        *("alpha_pattern", "base_model_name_or_path", "bias", "fan_in_fan_out", "inference_mode"),
        *("init_lora_weights", "layers_pattern", "layers_to_transform", "lora_alpha"),
        *("lora_dropout", "modules_to_save", "peft_type", "r", "rank_pattern", "revision"),
        *("target_modules", "task_type", "use_dora", "use_rslora"),
    }
)
"""Settings of a LoRA adapter that every PEFT since 0.10 knows."""
TUNED = "tuned.json"
"""Beside merged weights: the content of what was tuned, by which `store forget` finds them."""
NEW_DEFAULTS: dict[str, Any] = {"megatron_core": "megatron.core", "qalora_group_size": 16}
"""Newer settings whose default is neither null, false nor empty."""
MERGING = ".merging-"
"""Begins the name of the folder in which weights are merged."""
OURS_ALONE = frozenset({"backend", "is_local", "local_files_only"})
"""What transformers 5 adds to a tokenizer's file, of the machine that saved it."""


def write(held: Held, form: Form, into: Path, progress: Progress, *, dtype: str) -> list[Path]:
    """Make the folder anew, whole or not at all, and return its files.

    Args:
        form: what is served; a version that holds an adapter is merged for `merged`.
        into: named as the model is; what is there is replaced.
        dtype: of merged weights, `float32` or `bfloat16`.

    Raises:
        ModelError: if a base or a tokenizer is wanted that cannot be had.
        LlamaDuoError: if what is there cannot be replaced.
    """
    draft = into.with_name(f".{into.name}.draft")
    draft.parent.mkdir(parents=True, exist_ok=True)
    for left in (draft, *draft.parent.glob(f"{MERGING}*")):  # by one that was killed
        shutil.rmtree(left, ignore_errors=True)
    try:
        _weights(held, form, draft, dtype, progress)
        _tokenizer(held, form, draft)
        for path in draft.rglob("*"):
            path.chmod(0o755 if path.is_dir() else 0o644)  # a container has users of its own
        shutil.rmtree(into, ignore_errors=True)
        try:
            draft.rename(into)
        except OSError as error:
            raise LlamaDuoError(
                f"{into} cannot be replaced ({error.strerror}): a container may have written there "
                "as another user; remove it, and render again"
            ) from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return sorted(path for path in into.rglob("*") if path.is_file())


def merged_in(serving: Serving, own: str) -> str:
    """Return the type of number that weights are merged in for an engine: what it computes with.

    TGI computes in bf16 unless told otherwise. A preset that names no type computes in `own`, the
    one that was judged; so does llama.cpp, whose GGUF is made of it. Where an engine rounds to yet
    another type (float16, or a quantised one), it does so from `own`, once.
    """
    said = getattr(serving, "dtype", None)
    return said if said in WIDTH and getattr(serving, "quantize", None) is None else own


def _weights(held: Held, form: Form, draft: Path, dtype: str, progress: Progress) -> None:
    if form == "adapter":
        draft.mkdir()
        shutil.copyfile(held.weights / WEIGHTS, draft / WEIGHTS)  # TGI loads all that ends so
        said = {k: v for k, v in settings(held.weights).items() if _said(k, v)}
        _write(draft / ADAPTER, said)
        return
    with tempfile.TemporaryDirectory(dir=draft.parent, prefix=MERGING) as place:
        made = merged(held, Path(place), progress, dtype=dtype)
        if held.served.form == "merged":
            shutil.copytree(made, draft)  # its files may be the very ones of the registry
        else:
            made.rename(draft)
    (draft / MANIFEST).unlink()  # of the folder as it was made; it is changed here
    _write(draft / TUNED, {"content": held.version.tags.get(CONTENT, "")})
    _write(draft / CONFIG, config(_read(draft / CONFIG)))


def _said(name: str, value: Any) -> bool:
    """Whether an engine has to know it: PEFT's new settings only where they say something."""
    if name in LORA:
        return True
    return bool(value) and name != "peft_version" and NEW_DEFAULTS.get(name) != value


def config(said: dict[str, Any]) -> dict[str, Any]:
    """Return a model's config as transformers 4 reads it too."""
    rope = said.get("rope_parameters")
    old: dict[str, Any] = {}
    if isinstance(rope, dict) and "rope_theta" in rope:  # Gemma 3 has one for each kind of layer
        old["rope_theta"] = rope["rope_theta"]
        scaled = {key: value for key, value in rope.items() if key != "rope_theta"}
        if scaled.get("rope_type", "default") != "default":
            old["rope_scaling"] = scaled
    if "dtype" in said:
        old["torch_dtype"] = said["dtype"]
    return {**old, **said}


def _tokenizer(held: Held, form: Form, draft: Path) -> None:
    """Write the template beside the weights, and beside an adapter where its answers end."""
    local = _with_tokenizer(held, draft if form == "merged" else held.weights)
    if faults := local.faults():
        raise ModelError("; ".join(faults))
    template = load.template(local)
    with tempfile.TemporaryDirectory() as spare:
        template.tokenizer.save_pretrained(spare)
        said = _read(Path(spare) / TOKENIZER)
    _write(draft / TOKENIZER, tokenizer(said, template.tokenizer.chat_template))
    (draft / TEMPLATE).write_text(template.tokenizer.chat_template, encoding="utf-8")
    if form == "adapter":
        generation(template, float(held.served.engine["temperature"])).save_pretrained(draft)


def _with_tokenizer(held: Held, folder: Path) -> LocalModel:
    """Return the model whose tokenizer is here; an adapter that was brought along has none."""
    base = held.served.model(held.folder / "artifacts")
    if not (folder / TOKENIZER).is_file():
        return base
    return Merged(folder=folder, **fields_of_merged(base))


def tokenizer(said: dict[str, Any], template: str) -> dict[str, Any]:
    """Return a tokenizer's config as transformers 4 and TGI's router read it too."""
    kept = {key: value for key, value in said.items() if key not in OURS_ALONE}
    if kept.get("tokenizer_class") == "TokenizersBackend":
        kept["tokenizer_class"] = "PreTrainedTokenizerFast"
    return {**kept, "chat_template": template}


def _read(path: Path) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return said


def _write(path: Path, said: dict[str, Any]) -> None:
    path.write_text(json.dumps(said, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
