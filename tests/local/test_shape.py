"""The shape of a base model, from its config.json or its YAML."""

import json
from pathlib import Path

import pytest
from small_world import Base

from llamaduo.config import from_overrides
from llamaduo.experiment import Experiment
from llamaduo.local.hub import HubModel, hub_folder
from llamaduo.local.shape import Shape, folder_of, read_shape, shape_of

MISTRAL = {
    "model_type": "mistral",
    "num_hidden_layers": 32,
    "hidden_size": 4096,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "intermediate_size": 14336,
    "vocab_size": 32768,
    "tie_word_embeddings": False,
}


def written(folder: Path, config: object) -> Path:
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


def test_a_config_gives_the_shape_that_the_yaml_says(tmp_path: Path) -> None:
    local = from_overrides(["local=mistral_7b"]).local
    assert isinstance(local, HubModel)
    assert read_shape(written(tmp_path, MISTRAL)) == local.shape


def test_the_config_that_is_here_goes_before_the_yaml(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    local = from_overrides(["local=mistral_7b"]).local
    monkeypatch.setattr(
        HubModel, "here", lambda self: written(tmp_path, MISTRAL | {"vocab_size": 9})
    )
    found = shape_of(local)
    assert found is not None
    assert found.vocabulary == 9


@pytest.mark.parametrize(
    "config",
    [
        MISTRAL | {"num_local_experts": 8},
        {"model_type": "gpt2", "n_layer": 12},
        MISTRAL | {"hidden_size": "wide"},
        [1],
    ],
)
def test_what_is_no_dense_decoder_has_no_shape(tmp_path: Path, config: object) -> None:
    assert read_shape(written(tmp_path, config)) is None


def test_a_model_from_out_of_tree_need_not_tell(tmp_path: Path) -> None:
    assert shape_of(Base()) is None
    assert folder_of(Base()) is None
    assert read_shape(tmp_path) is None


def test_a_shape_makes_no_other_model() -> None:
    local = from_overrides(["local=gemma_2b"]).local
    assert isinstance(local, HubModel)
    assert local.model_copy(update={"shape": None}).key() == local.key()


def test_the_tiny_model_is_of_the_shape_it_says(tiny: Experiment) -> None:
    tiny.local.source()
    folder = folder_of(tiny.local)
    assert folder is not None
    made = read_shape(folder)
    says = tiny.local.shape  # type: ignore[attr-defined]
    assert isinstance(says, Shape)
    assert made is not None
    assert made.vocabulary <= says.vocabulary
    assert made.model_copy(update={"vocabulary": says.vocabulary}) == says


def test_the_hubs_cache_is_looked_up_where_the_hub_keeps_it() -> None:
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.constants import HF_HUB_CACHE

    folder = hub_folder("model", "org/m", "abc")
    assert folder == Path(HF_HUB_CACHE) / "models--org--m/snapshots/abc"
    assert try_to_load_from_cache("org/m", "config.json", revision="abc") is None
