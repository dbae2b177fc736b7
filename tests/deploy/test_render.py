"""What `llamaduo serve --render` writes, for every local model and every engine."""

import io
import json
import re
import shlex
from dataclasses import replace
from functools import cache as once
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import Finished, move_in
from rendered import Rendered, holds
from shelved import MODEL, held

from llamaduo.config import from_overrides
from llamaduo.deploy import model_folder
from llamaduo.deploy.given import LENGTHS, given
from llamaduo.deploy.render import project, render
from llamaduo.errors import LlamaDuoError, UsageError
from llamaduo.local.hub import HubModel
from llamaduo.local.tiny import TinyModel
from llamaduo.local.wheel import WheelModel
from llamaduo.parity.alike import alike
from llamaduo.progress import Progress
from llamaduo.promotion.held import Held
from llamaduo.promotion.promote import promote
from llamaduo.promotion.served import Served, fields_of
from llamaduo.promotion.version import CONFIG
from llamaduo.serving import Lengths, Serving
from llamaduo.verbs.versioned import find

LAYERS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
ENGINES = ("tgi_l4", "vllm_l4", "sglang", "llamacpp")
LOCALS = ("gemma_2b", "gemma_7b", "mistral_7b", "llama3_8b", "smollm2_135m", "tiny")
QUIET = Progress(io.StringIO())


@pytest.fixture(scope="module")
def tiny(finished: Finished, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Held:
    """A version that was tuned, promoted, and found in the registry."""
    from mlflow.tracking._tracking_service import utils

    home = tmp_path_factory.mktemp("promoted")
    move_in(finished.home, home)
    utils._artifact_repos_cache.clear()  # this process knows the runs' files where they were
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(cache))
        run = from_overrides(["experiments=demo_tiny", f"home={home}"])
        place = home / ".llamaduo" / "runs" / run.fingerprint()
        promote(run, place, QUIET, challenger=True)
        return find([f"{MODEL}@challenger", f"home={home}"], "serve").held


@once
def serving(option: str, *words: str) -> Serving:
    found = from_overrides([f"serving={option}", *words]).serving
    assert isinstance(found, Serving)
    return found


@once
def local_model(name: str) -> HubModel | WheelModel | TinyModel:
    found = from_overrides([f"local={name}"]).local
    assert isinstance(found, HubModel | WheelModel | TinyModel)
    return found


def version_of(local: str, folder: Path) -> Held:
    """Write what of a version is known without its weights, and return it."""
    model = local_model(local)
    weights = folder / "artifacts" / "weights"
    weights.mkdir(parents=True)
    adapter = {
        "peft_type": "LORA",
        "r": 16,
        "lora_alpha": 32,
        "target_modules": LAYERS,
        "layers_to_transform": None,
        "base_model_name_or_path": model.base,
    }
    (weights / "adapter_config.json").write_text(json.dumps(adapter))
    served = Served(
        form="adapter",
        base=type(model).__name__,
        local=fields_of(model),
        engine={"temperature": 0.2, "batch_size": 8, "weights": "merged", "dtype": "bfloat16"},
        max_new_tokens=128,
    )
    shape = None if model.shape is None else model.shape.model_dump(mode="json")
    (folder / CONFIG).write_text(yaml.safe_dump({"local": {"shape": shape}}))
    lengths = Lengths(n=300, median=80, p99=400, p999=612, longest=640, max_new_tokens=128)
    (folder / LENGTHS).write_text(lengths.model_dump_json())
    like = held(folder)
    return replace(like, served=served)


@pytest.mark.parametrize("local", LOCALS)
def test_every_local_model_renders_for_every_engine_without_its_weights(
    local: str, tmp_path: Path
) -> None:
    version = version_of(local, tmp_path / "version")
    for option in ENGINES:
        place = tmp_path / option
        made = render(version, serving(option), place, weights=False, progress=QUIET)
        assert sorted(made) == sorted(path for path in place.rglob("*") if path.is_file())
        found = Rendered(place)
        holds(found)
        assert not (place / "models").exists()
        page = found.text("README.md")
        fetches = "hub" in found.services["engine"]["networks"]
        if version.served.base != HubModel.__name__:  # no hub has the very base
            assert not fetches and "| merged weights" in page
        assert ("HF_TOKEN" in found.example) is (fetches and version.served.local["gated"])
        assert f"llamaduo serve {MODEL}/3 serving={option} --render ." in page
        assert "## First: the weights" in page


def test_gemma_is_merged_for_tgi_and_put_on_its_base_by_vllm(tmp_path: Path) -> None:
    version = version_of("gemma_2b", tmp_path / "version")
    for option in ("tgi_l4", "vllm_l4"):
        render(version, serving(option), tmp_path / option, weights=False, progress=QUIET)
    tgi, vllm = Rendered(tmp_path / "tgi_l4"), Rendered(tmp_path / "vllm_l4")
    assert tgi.services["engine"]["environment"]["MODEL_ID"] == f"/models/{MODEL}"
    assert tgi.services["engine"]["networks"] == ["inside"]
    assert "HF_TOKEN" not in tgi.example
    assert "no adapter layers for models of type gemma" in tgi.text("README.md")
    assert vllm.services["engine"]["command"][0] == "google/gemma-2b"
    assert vllm.services["engine"]["networks"] == ["inside", "hub"]
    assert "google/gemma-2b" in vllm.text(".env.example")


def test_a_version_renders_with_its_merged_weights_as_libraries_of_any_engine_read_them(
    tiny: Held, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import AutoConfig, AutoTokenizer

    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    kept = {path: path.read_bytes() for path in tiny.weights.rglob("*")}
    engine = serving("tgi_l4")
    made = render(tiny, engine, tmp_path / "out", progress=QUIET)
    found = Rendered(tmp_path / "out")
    holds(found)
    folder = found.place / "models" / MODEL
    there = {path.name for path in folder.iterdir()}
    assert {path.name for path in made if path.is_relative_to(folder)} == there
    assert {"model.safetensors", "tokenizer.json", "generation_config.json"} <= there
    content = json.loads((folder / model_folder.TUNED).read_text())["content"]
    assert content == tiny.version.tags["llamaduo.adapter"] and len(content) == 16
    assert not [path for path in there if "merged" in path or "adapter" in path]
    config = json.loads((folder / "config.json").read_text())
    assert config["rope_theta"] == config["rope_parameters"]["rope_theta"]
    assert config["torch_dtype"] == config["dtype"] == "bfloat16"  # as TGI computes
    assert AutoConfig.from_pretrained(folder).rope_parameters == config["rope_parameters"]
    _the_template_is_ours(folder, str(tiny.served.local["template"]))
    assert AutoTokenizer.from_pretrained(folder).chat_template == tiny.served.local["template"]
    assert {path: path.read_bytes() for path in tiny.weights.rglob("*")} == kept
    for pattern in engine.container(given(tiny).model_copy(update={"form": "merged"})).files:
        assert list(folder.glob(pattern)), pattern
    page = found.text("README.md")
    assert "bytes |" in page and "First: the weights" not in page
    assert f"Version 1 of `{MODEL}`" in page and "is not the very base" in page


def _the_template_is_ours(folder: Path, template: str) -> None:
    tokenizer = json.loads((folder / "tokenizer_config.json").read_text())
    assert tokenizer["chat_template"] == template
    assert (folder / "chat_template.jinja").read_text() == template
    assert tokenizer["tokenizer_class"] == "PreTrainedTokenizerFast"
    assert not {"backend", "is_local", "local_files_only"} & set(tokenizer)


def test_the_folder_of_an_adapter_holds_one_file_of_weights_the_template_and_its_end(
    tiny: Held, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    assert {"curve.json", "tokenizer.json"} <= {path.name for path in tiny.weights.iterdir()}
    model_folder.write(tiny, "adapter", tmp_path / MODEL, QUIET, dtype="float32")
    folder = tmp_path / MODEL
    assert {path.name for path in folder.iterdir()} == {
        "adapter_config.json",
        "adapter_model.safetensors",
        "chat_template.jinja",
        "generation_config.json",
        "tokenizer_config.json",
    }
    _the_template_is_ours(folder, str(tiny.served.local["template"]))
    said = json.loads((folder / "adapter_config.json").read_text())
    full = json.loads((tiny.weights / "adapter_config.json").read_text())
    assert {name: full[name] for name in said} == said
    assert {"r", "lora_alpha", "target_modules"} <= set(said)
    assert set(said) <= model_folder.LORA
    assert all(path.stat().st_mode & 0o444 == 0o444 for path in folder.iterdir())
    ends = json.loads((folder / "generation_config.json").read_text())
    tokens = json.loads((tiny.weights / "tokenizer.json").read_text())["added_tokens"]
    [end] = [one["id"] for one in tokens if one["content"] == tiny.served.local["end_of_turn"]]
    assert ends["eos_token_id"] == end


def test_an_adapter_without_a_tokenizer_gets_that_of_its_base(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    brought = held(tmp_path / "brought")
    assert not (brought.weights / "tokenizer_config.json").exists()
    model_folder.write(brought, "adapter", tmp_path / MODEL, QUIET, dtype="float32")
    _the_template_is_ours(tmp_path / MODEL, str(brought.served.local["template"]))


@pytest.mark.parametrize(
    ("said", "old"),
    [
        ({"rope_parameters": {"rope_theta": 5e5, "rope_type": "default"}}, {"rope_theta": 5e5}),
        (
            {"rope_parameters": {"rope_theta": 5e5, "rope_type": "llama3", "factor": 8.0}},
            {"rope_theta": 5e5, "rope_scaling": {"rope_type": "llama3", "factor": 8.0}},
        ),
        ({"dtype": "bfloat16"}, {"torch_dtype": "bfloat16"}),
        ({"rope_theta": 1e4, "torch_dtype": "float16"}, {}),
    ],
)
def test_a_config_says_in_the_old_words_too_what_transformers_4_would_not_find(
    said: dict[str, Any], old: dict[str, Any]
) -> None:
    assert model_folder.config(said) == {**old, **said}


def test_rendering_again_replaces_what_was_written_and_keeps_the_users_secrets(
    tiny: Held, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    place = tmp_path / "out"
    first = render(tiny, serving("tgi_l4", "serving.delivery=merged"), place, progress=QUIET)
    (place / ".env").write_text("LITELLM_MASTER_KEY=mine\n")
    (place / "models" / MODEL / "stale.safetensors").touch()
    again = render(tiny, serving("tgi_l4", "serving.called=other"), place, progress=QUIET)
    assert again == first
    assert (place / ".env").read_text() == "LITELLM_MASTER_KEY=mine\n"
    assert not (place / "models" / MODEL / "stale.safetensors").exists()
    assert [path.name for path in (place / "models").iterdir()] == [MODEL]
    said = yaml.safe_load((place / "litellm.yaml").read_text())["model_list"][0]
    assert (said["model_name"], said["litellm_params"]["model"]) == (MODEL, "openai/other")


@pytest.mark.parametrize(
    ("words", "dtype"),
    [
        (("tgi_l4",), "bfloat16"),
        (("tgi_l4", "serving.dtype=float16"), None),
        (("tgi_l4", "serving.quantize=eetq"), None),
        (("vllm_l4",), None),
        (("vllm_l4", "serving.dtype=bfloat16"), "bfloat16"),
        (("vllm_l4", "serving.dtype=float32"), "float32"),
        (("sglang", "serving.dtype=bfloat16"), "bfloat16"),
        (("llamacpp",), None),
    ],
)
def test_weights_are_merged_in_what_the_engine_computes_with(
    words: tuple[str, ...], dtype: str | None, tmp_path: Path
) -> None:
    engine = serving(*words)
    for own in ("float32", "bfloat16"):
        found = model_folder.merged_in(engine, own)
        assert found == (dtype or own)
        version = held(tmp_path / own)
        judged = version.served.model_copy(
            update={"engine": version.served.engine | {"dtype": own}}
        )
        told = alike(replace(version, served=judged), engine).dtype
        if told in ("float32", "bfloat16"):  # what a probe takes it to compute with
            assert told == found


def test_a_render_that_was_ended_in_the_midst_of_the_weights_can_be_done_again(
    tiny: Held, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    place = tmp_path / "out"

    def ended(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(model_folder, "merged", ended)
        with pytest.raises(KeyboardInterrupt):
            render(tiny, serving("tgi_l4"), place, progress=QUIET)
    (place / "models" / ".merging-killed" / MODEL).mkdir(parents=True)
    render(tiny, serving("tgi_l4"), place, progress=QUIET)
    holds(Rendered(place))
    assert [path.name for path in (place / "models").iterdir()] == [MODEL]


def test_a_folder_that_cannot_be_replaced_is_said_with_what_to_do(
    tiny: Held, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    (tmp_path / MODEL).touch()  # it stays, as what a container wrote as root does
    with pytest.raises(LlamaDuoError, match=r"cannot be replaced .*; remove it, and render again"):
        model_folder.write(tiny, "adapter", tmp_path / MODEL, QUIET, dtype="float32")
    assert [path.name for path in tmp_path.iterdir()] == [MODEL]


@pytest.mark.parametrize(
    ("task", "called"),
    [
        ("ticket_triage", "llamaduo-ticket_triage"),
        ("Größe 2.0", "llamaduo-gr-e-2-0"),
        ("é", "llamaduo"),
    ],
)
def test_compose_calls_the_containers_by_a_name_that_it_takes(task: str, called: str) -> None:
    assert project(task) == called


def test_a_folder_of_something_else_is_not_written_into(tiny: Held, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(UsageError, match="holds files that no --render wrote"):
        render(tiny, serving("tgi_l4"), tmp_path, progress=QUIET)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
    with pytest.raises(UsageError, match="it is no folder"):
        render(tiny, serving("tgi_l4"), tmp_path / "thesis.tex", progress=QUIET)


def test_an_engine_without_a_container_is_refused_before_a_file_is_written(
    tiny: Held, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="runs on this machine"):
        render(tiny, serving("transformers"), tmp_path / "out", progress=QUIET)
    assert not (tmp_path / "out").exists()


def test_an_engine_without_a_key_is_sent_none_and_asks_for_no_variable(
    tiny: Held, tmp_path: Path
) -> None:
    open_ = serving("vllm_l4", "serving.key_env=null")
    render(tiny, open_, tmp_path / "out", weights=False, progress=QUIET)
    found = Rendered(tmp_path / "out")
    holds(found)
    assert "SERVING_API_KEY" not in found.example
    assert "api_key: none" in found.text("litellm.yaml")


def test_a_key_of_llama_cpp_is_shown_by_prometheus_and_that_of_others_is_not(
    tiny: Held, tmp_path: Path
) -> None:
    for option in ("llamacpp", "vllm_l4"):
        render(tiny, serving(option), tmp_path / option, weights=False, progress=QUIET)
    jobs = {
        option: yaml.safe_load((tmp_path / option / "prometheus.yml").read_text())[
            "scrape_configs"
        ][0]
        for option in ("llamacpp", "vllm_l4")
    }
    assert "engine_key" in jobs["llamacpp"]["authorization"]["credentials_file"]
    assert "authorization" not in jobs["vllm_l4"]


def test_tgi_is_not_passed_the_penalty_that_it_would_make_another_of(
    tiny: Held, tmp_path: Path
) -> None:
    for option, drops in (("tgi_l4", True), ("vllm_l4", False)):
        render(tiny, serving(option), tmp_path / option, weights=False, progress=QUIET)
        assert ("presence_penalty" in (tmp_path / option / "litellm.yaml").read_text()) is drops


@pytest.mark.parametrize(
    ("words", "listens"),
    [
        (("vllm_l4",), "127.0.0.1:8000"),
        (("sglang",), "127.0.0.1:30000"),
        (("tgi_l4",), "127.0.0.1:8080"),
        (("vllm_l4", "serving.url=https://llm.example.org/gpu"), "127.0.0.1:8080"),
    ],
)
def test_probe_and_load_are_told_to_go_where_the_engine_is_published(
    words: tuple[str, ...], listens: str, tiny: Held, tmp_path: Path
) -> None:
    typed = [f"serving={words[0]}", *words[1:], "home=/a home"]
    render(tiny, serving(*words), tmp_path / "out", weights=False, words=typed, progress=QUIET)
    found = Rendered(tmp_path / "out")
    holds(found)
    assert found.example["ENGINE_LISTEN"] == listens
    for verb in ("probe", "load"):
        [line] = re.findall(f"^    llamaduo {verb} .*", found.text("README.md"), re.MULTILINE)
        form = "serving.delivery=merged"  # wherever it is typed, the form that was rendered
        assert shlex.split(line)[2:] == [f"http://{listens}", f"{MODEL}/1", *typed, form]


def test_the_readme_names_every_file_and_the_verbs_that_a_served_model_takes(
    tiny: Held, tmp_path: Path
) -> None:
    render(tiny, serving("tgi_l4"), tmp_path / "out", weights=False, progress=QUIET)
    page = (tmp_path / "out" / "README.md").read_text()
    for path in (tmp_path / "out").iterdir():
        assert f"`{path.name}" in page or path.name == "README.md", path.name
    typed = set(re.findall(r"^    llamaduo (\w+)", page, re.MULTILINE))
    assert typed == {"serve", "probe", "load", "promote"}
    assert "{{" not in page and "{%" not in page
