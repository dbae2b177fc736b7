"""What is read of a version's files for who serves it."""

import json
from pathlib import Path
from typing import Any

import pytest

from llamaduo.config import from_overrides
from llamaduo.deploy.given import given
from llamaduo.experiment import Experiment
from llamaduo.local.hub import HubModel
from llamaduo.promotion.held import Held
from llamaduo.promotion.served import Served, fields_of, fields_of_merged
from llamaduo.serving import Lengths
from llamaduo.serving.reading import OnBase
from llamaduo.tracker.registry import Version

CONFIG = {
    "r": 16,
    "target_modules": ["q_proj", "k_proj"],
    "layers_to_transform": None,
    "bias": "none",
}


@pytest.fixture(scope="module")
def mistral() -> Experiment:
    return from_overrides(["local=mistral_7b"])


def version(folder: Path, exp: Experiment, form: str = "adapter", **config: Any) -> Held:
    weights = folder / "artifacts" / "weights"
    weights.mkdir(parents=True)
    if form == "adapter":
        (weights / "adapter_config.json").write_text(json.dumps(CONFIG | config))
    merged = form == "merged"
    served = Served(
        form="merged" if merged else "adapter",
        base="" if merged else type(exp.local).__name__,
        local=fields_of_merged(exp.local) if merged else fields_of(exp.local),
        engine={"dtype": "bfloat16"},
        max_new_tokens=16,
    )
    found = Version(name="triage", number="3", run="r", tags={}, aliases=())
    return Held(found, folder, served, ())


def test_an_adapter_on_a_hubs_base(tmp_path: Path, mistral: Experiment) -> None:
    found = given(version(tmp_path, mistral))
    assert (found.name, found.number, found.form) == ("triage", "3", "adapter")
    assert (found.base, found.revision) == (mistral.local.base, mistral.local.revision)
    assert (found.r, found.targets, found.every_layer) == (16, ("k_proj", "q_proj"), True)
    assert (found.hub, found.gated, found.dtype) == (True, True, "bfloat16")
    assert (found.ends, found.lengths, found.family) == (None, None, "")  # its base is not here


def test_the_type_of_a_base_that_is_not_here_is_in_the_runs_config(
    tmp_path: Path, mistral: Experiment
) -> None:
    held = version(tmp_path, mistral, layers_to_transform=[30, 31])
    shape = "{_target_: x, family: mistral, layers: 32, hidden: 8, heads: 1, kv_heads: 1, "
    shape += "head_dim: 8, intermediate: 8, vocabulary: 8}"
    (tmp_path / "config.yaml").write_text(f"local:\n  shape: {shape}\n")
    found = given(held)
    assert (found.family, found.every_layer) == ("mistral", False)


def test_what_its_base_said_when_it_was_promoted_counts_wherever_it_is_looked_at(
    tmp_path: Path, mistral: Experiment
) -> None:
    held = version(tmp_path, mistral, layers_to_transform=[0, 1])
    said = OnBase(family="mistral", layers=2, quantized="", ends=False)
    (tmp_path / "on_base.json").write_text(said.model_dump_json())
    found = given(held)
    assert (found.family, found.every_layer, found.ends) == ("mistral", True, False)
    serving = from_overrides(["serving=sglang"]).serving
    assert serving.delivered(found)[0] == "merged"  # though its base is not on this machine


@pytest.mark.parametrize(
    ("config", "field", "value"),
    [
        ({"use_dora": True}, "dora", True),
        ({"use_rslora": True}, "rslora", True),
        ({"rank_pattern": {"q_proj": 4}}, "rank_pattern", True),
        ({"alpha_pattern": {"q_proj": 4}}, "alpha_pattern", True),
        ({"bias": "lora_only"}, "bias", True),
        ({"lora_bias": True}, "bias", True),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save", ("lm_head",)),
        ({"target_modules": "all-linear"}, "targets", ("all-linear",)),
        ({"layers_to_transform": 3}, "every_layer", False),
        ({"exclude_modules": ["o_proj"]}, "every_layer", False),
    ],
)
def test_what_an_adapter_has_that_others_have_not(
    config: dict[str, Any], field: str, value: object, tmp_path: Path, mistral: Experiment
) -> None:
    plain = given(version(tmp_path / "plain", mistral))
    odd = given(version(tmp_path / "odd", mistral, **config))
    assert getattr(odd, field) == value != getattr(plain, field)


def test_how_long_prompts_are_stands_in_a_file_of_the_version(
    tmp_path: Path, mistral: Experiment
) -> None:
    held = version(tmp_path, mistral)
    counted = Lengths(n=9, median=4, p99=7, p999=8, longest=8, max_new_tokens=16)
    (tmp_path / "lengths.json").write_text(counted.model_dump_json())
    assert given(held).lengths == counted


def test_merged_weights_end_as_they_were_judged(tmp_path: Path, mistral: Experiment) -> None:
    found = given(version(tmp_path, mistral, "merged"))
    assert (found.form, found.r, found.targets) == ("merged", 0, ())
    assert (found.ends, found.gated, found.base) == (True, False, mistral.local.base)


@pytest.mark.parametrize(
    ("stops", "ends"), [(7, True), ([5, 7], True), (5, False), ([5], False), (None, None)]
)
@pytest.mark.parametrize("older", [True, False])
def test_the_base_tells_whether_it_ends_at_the_tasks_end_of_turn(
    stops: object,
    ends: bool | None,
    older: bool,
    tmp_path: Path,
    mistral: Experiment,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    base = tmp_path / "base"
    base.mkdir()
    (base / "config.json").write_text(
        json.dumps({"eos_token_id": stops, "quantization_config": {"quant_method": "awq"}})
    )
    end = mistral.local.end_of_turn
    if older:  # as transformers 4 wrote it
        tokenizer = {"added_tokens_decoder": {"7": {"content": end}}}
        (base / "tokenizer_config.json").write_text(json.dumps(tokenizer))
    else:
        (base / "tokenizer.json").write_text(
            json.dumps({"added_tokens": [{"id": 7, "content": end}]})
        )
    monkeypatch.setattr(HubModel, "here", lambda self: base)
    found = given(version(tmp_path / "version", mistral))
    assert (found.ends, found.quantized) == (ends, "awq")


def test_how_a_base_generates_goes_before_its_config(
    tmp_path: Path, mistral: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config.json").write_text('{"eos_token_id": 5}')
    (tmp_path / "generation_config.json").write_text('{"eos_token_id": [5, 7]}')
    tokens = [{"id": 7, "content": mistral.local.end_of_turn}]
    (tmp_path / "tokenizer.json").write_text(json.dumps({"added_tokens": tokens}))
    monkeypatch.setattr(HubModel, "here", lambda self: tmp_path)
    assert given(version(tmp_path / "version", mistral)).ends is True
