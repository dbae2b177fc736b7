"""What each engine is started with, by delivered form and by setting."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from presets import fields, preset
from pydantic import ValidationError

from llamaduo.config import from_overrides
from llamaduo.errors import ConfigError, UsageError
from llamaduo.options import options
from llamaduo.serving import Container, Form, Given, Lengths, Serving
from llamaduo.serving.capability import PLAIN
from llamaduo.serving.contained import Contained

ADAPTER = PLAIN.model_copy(
    update={
        "name": "triage",
        "number": "3",
        "base": "org/base",
        "revision": "abc123",
        "r": 20,
        "lengths": Lengths(n=900, median=40, p99=70, p999=80, longest=90, max_new_tokens=16),
    }
)
MERGED = ADAPTER.model_copy(update={"form": "merged", "r": 0, "targets": ()})
CONTAINERS = ["tgi_l4", "vllm_l4", "sglang", "llamacpp"]
KEY = "${SERVING_API_KEY:?set SERVING_API_KEY in .env}"


def chosen(option: str, **changed: Any) -> Contained:
    found = preset(option, **changed)
    assert isinstance(found, Contained)
    return found


def run(option: str, given: Given = ADAPTER, **changed: Any) -> Container:
    found = chosen(option, **changed)
    assert isinstance(found, Serving)
    return found.container(given)


def after(command: Sequence[str], flag: str) -> str:
    [at] = [number for number, word in enumerate(command) if word == flag]
    return command[at + 1]


def test_the_options_are_these() -> None:
    assert sorted(options("serving")) == sorted([*CONTAINERS, "transformers"])


def test_tgi_puts_an_adapter_on_by_name_without_graphs_and_with_our_template() -> None:
    found = run("tgi_l4")
    assert found.command == ()
    assert found.environment == {
        "MODEL_ID": "org/base",
        "REVISION": "abc123",
        "LORA_ADAPTERS": "triage=/models/triage",
        "CUDA_GRAPHS": "0",
        "TOKENIZER_CONFIG_PATH": "/models/triage/tokenizer_config.json",
        "MAX_INPUT_TOKENS": "80",
        "MAX_TOTAL_TOKENS": "96",
        "MAX_BATCH_PREFILL_TOKENS": "4096",
        "DTYPE": "bfloat16",
        "MAX_CONCURRENT_REQUESTS": "128",
        "CUDA_MEMORY_FRACTION": "1.0",
        "USAGE_STATS": "off",
        "JSON_OUTPUT": "true",
        "API_KEY": KEY,
    }
    assert "tokenizer_config.json" in found.files
    assert any("/models/triage/tokenizer_config.json" in note for note in found.notes)
    assert (found.port, found.metrics, found.gpus, found.shm) == (80, "/metrics", 1, "1g")
    assert found.health[-1] == "http://127.0.0.1:80/health"


def test_tgi_serves_merged_weights_from_their_folder_with_graphs() -> None:
    found = run("tgi_l4", given=MERGED).environment
    assert found["MODEL_ID"] == "/models/triage"
    assert not found.keys() & {"REVISION", "LORA_ADAPTERS", "CUDA_GRAPHS", "HF_TOKEN"}


def test_vllm_gets_adapter_rank_template_ends_and_limit() -> None:
    found = run("vllm_l4")
    command = found.command
    assert command[0] == "org/base"
    assert after(command, "--revision") == after(command, "--tokenizer-revision") == "abc123"
    assert after(command, "--lora-modules") == "triage=/models/triage"
    assert after(command, "--max-lora-rank") == "32"
    assert after(command, "--served-model-name") == "triage-base"
    assert after(command, "--chat-template") == "/models/triage/chat_template.jinja"
    assert after(command, "--generation-config") == "/models/triage"
    assert after(command, "--max-model-len") == "96"
    assert after(command, "--dtype") == "bfloat16"
    assert found.environment == {"VLLM_NO_USAGE_STATS": "1", "VLLM_API_KEY": KEY}
    assert {"chat_template.jinja", "generation_config.json"} <= set(found.files)
    whole = run("vllm_l4", given=MERGED).command
    assert whole[0] == "/models/triage"
    assert after(whole, "--served-model-name") == "triage"
    assert "--enable-lora" not in whole


def test_sglang_gets_adapter_template_and_limit() -> None:
    command = run("sglang").command
    assert command[:3] == ("python3", "-m", "sglang.launch_server")
    assert after(command, "--model-path") == "org/base"
    assert after(command, "--lora-paths") == "triage=/models/triage"
    assert after(command, "--chat-template") == "/models/triage/chat_template.jinja"
    assert after(command, "--sampling-defaults") == "openai"
    assert after(command, "--context-length") == "96"
    assert after(command, "--api-key") == KEY
    whole = run("sglang", given=MERGED).command
    assert after(whole, "--model-path") == "/models/triage"
    assert "--sampling-defaults" not in whole  # the folder's own are as it was judged


def test_llama_cpp_gets_ggufs_and_says_what_makes_them() -> None:
    found = run("llamacpp")
    assert after(found.command, "-m") == "/models/triage/base.gguf"
    assert after(found.command, "--lora") == "/models/triage/adapter.gguf"
    assert after(found.command, "--chat-template-file") == "/models/triage/chat_template.jinja"
    assert after(found.command, "--parallel") == "8"
    assert after(found.command, "-c") == str(96 * 8)
    assert found.environment == {"LLAMA_API_KEY": KEY}
    fetch, base, lora = found.before
    assert fetch.startswith("hf download org/base --revision abc123")
    assert "convert_hf_to_gguf.py /models/triage/base" in base
    assert base.endswith("--outtype bf16")
    assert "convert_lora_to_gguf.py" in lora
    assert "llama.cpp:full-" in lora
    whole = run("llamacpp", given=MERGED)
    assert after(whole.command, "-m") == "/models/triage/model.gguf"
    assert "--lora" not in whole.command
    [only] = whole.before
    assert "--outfile /models/triage/model.gguf" in only
    assert whole.files == ("model.gguf", "chat_template.jinja")


@pytest.mark.parametrize(
    ("option", "changed", "read"),
    [
        ("tgi_l4", {"image": "a/b:1"}, "a/b:1"),
        ("tgi_l4", {"quantize": "eetq"}, "'QUANTIZE': 'eetq'"),
        ("tgi_l4", {"dtype": "float16"}, "'DTYPE': 'float16'"),
        ("tgi_l4", {"memory": 0.5}, "'CUDA_MEMORY_FRACTION': '0.5'"),
        ("tgi_l4", {"requests": 7}, "'MAX_CONCURRENT_REQUESTS': '7'"),
        ("tgi_l4", {"called": "mine"}, "mine=/models/triage"),
        ("tgi_l4", {"key_env": "MY_KEY"}, "'API_KEY': '${MY_KEY:?set MY_KEY in .env}'"),
        ("vllm_l4", {"image": "a/b:1"}, "a/b:1"),
        ("vllm_l4", {"quantize": "fp8"}, "'--quantization', 'fp8'"),
        ("vllm_l4", {"dtype": "float32"}, "'--dtype', 'float32'"),
        ("vllm_l4", {"memory": 0.5}, "'--gpu-memory-utilization', '0.5'"),
        ("vllm_l4", {"prefix_caching": False}, "'--no-enable-prefix-caching'"),
        ("vllm_l4", {"requests": 7}, "'--max-num-seqs', '7'"),
        ("vllm_l4", {"called": "mine"}, "mine=/models/triage"),
        ("vllm_l4", {"key_env": "MY_KEY"}, "'VLLM_API_KEY': '${MY_KEY:?set MY_KEY in .env}'"),
        ("sglang", {"image": "a/b:1"}, "a/b:1"),
        ("sglang", {"quantize": "fp8"}, "'--quantization', 'fp8'"),
        ("sglang", {"dtype": "float16"}, "'--dtype', 'float16'"),
        ("sglang", {"memory": 0.5}, "'--mem-fraction-static', '0.5'"),
        ("sglang", {"prefix_caching": False}, "'--disable-radix-cache'"),
        ("sglang", {"requests": 7}, "'--max-running-requests', '7'"),
        ("sglang", {"called": "mine"}, "mine=/models/triage"),
        ("sglang", {"key_env": "MY_KEY"}, "'--api-key', '${MY_KEY:?set MY_KEY in .env}'"),
        ("llamacpp", {"image": "a/b:1"}, "a/b:1"),
        ("llamacpp", {"converter": "c/d:1"}, "c/d:1"),
        ("llamacpp", {"quantize": "q8_0"}, "--outtype q8_0"),
        ("llamacpp", {"gpus": 0}, "gpus=0"),
        ("llamacpp", {"requests": 7}, "'--parallel', '7'"),
        ("llamacpp", {"called": "mine"}, "'--alias', 'mine'"),
        ("llamacpp", {"key_env": "MY_KEY"}, "'LLAMA_API_KEY': '${MY_KEY:?set MY_KEY in .env}'"),
    ],
)
def test_every_key_shows_in_what_is_started(
    option: str, changed: dict[str, Any], read: str
) -> None:
    assert read in str(run(option, **changed))
    assert read not in str(run(option))


@pytest.mark.parametrize("option", CONTAINERS)
def test_no_argument_holds_a_space_but_a_secrets_and_nothing_else_a_secret(option: str) -> None:
    """TGI's entry point splits at spaces; and a key's value stands nowhere."""
    for given in (ADAPTER, MERGED):
        found = run(option, given=given)
        words = [*found.command, *found.environment.values()]
        assert [word for word in words if " " in word] == [KEY]


@pytest.mark.parametrize("option", CONTAINERS)
def test_without_a_key_none_is_wanted(option: str) -> None:
    assert "API_KEY" not in str(run(option, key_env=None))
    assert "--api-key" not in str(run(option, key_env=None))


@pytest.mark.parametrize("option", ["tgi_l4", "vllm_l4", "sglang"])
def test_the_hubs_token_is_asked_for_where_a_gated_base_is_fetched(option: str) -> None:
    gated = {"gated": True}
    asked = run(option, given=ADAPTER.model_copy(update=gated)).environment
    assert asked["HF_TOKEN"] == "${HF_TOKEN:?set HF_TOKEN in .env}"
    assert "HF_TOKEN" not in run(option, given=MERGED.model_copy(update=gated)).environment


@pytest.mark.parametrize("option", CONTAINERS)
def test_without_lengths_the_engine_sizes_itself_and_that_is_said(option: str) -> None:
    found = run(option, given=ADAPTER.model_copy(update={"lengths": None}))
    said = str((found.command, found.environment))
    limits = ("MAX_INPUT", "MAX_TOTAL", "PREFILL", "--max-model-len", "--context-length", "'-c'")
    assert not any(flag in said for flag in limits)
    assert any("does not say how long its prompts are" in note for note in found.notes)
    assert not any("how long" in note for note in run(option).notes)


def test_what_changes_answers_is_said() -> None:
    judged = ADAPTER.model_copy(update={"dtype": "float32"})
    assert any("judged in float32" in note for note in run("tgi_l4", given=judged).notes)
    assert run("vllm_l4", given=judged).notes == ()  # it takes float32
    assert any("another model" in note for note in run("vllm_l4", quantize="fp8").notes)
    unseen = ADAPTER.model_copy(update={"ends": None})
    assert any("end of turn" in note for note in run("sglang", given=unseen).notes)
    assert run("vllm_l4", given=unseen).notes == ()  # it is told where answers end


@pytest.mark.parametrize(
    ("option", "form", "names"),
    [
        ("tgi_l4", "adapter", ("triage", "tgi")),
        ("tgi_l4", "merged", ("triage", None)),
        ("vllm_l4", "adapter", ("triage", "triage-base")),
        ("vllm_l4", "merged", ("triage", None)),
        ("sglang", "adapter", ("triage-base:triage", "triage-base")),
        ("sglang", "merged", ("triage", None)),
        ("llamacpp", "adapter", ("triage", None)),
        ("llamacpp", "merged", ("triage", None)),
        ("transformers", "merged", ("triage", None)),
    ],
)
def test_a_request_names_model_and_base_as_the_engine_does(
    option: str, form: Form, names: tuple[str, str | None]
) -> None:
    serving = preset(option)
    found = serving.endpoint("triage", form, "http://10.0.0.1:9/v1")
    assert (found.model, found.base) == names
    assert found.url == "http://10.0.0.1:9"
    assert serving.endpoint("triage", form).url.startswith("http://127.0.0.1:")


@pytest.mark.parametrize(
    ("option", "changed", "said"),
    [
        ("tgi_l4", {"quantize": "fp8", "delivery": "adapter"}, "fp8 made"),
        ("sglang", {"quantize": "fp8", "delivery": "adapter"}, "only asked for"),
        ("tgi_l4", {"quantize": "awq"}, "quantised before"),
        ("vllm_l4", {"quantize": "gptq"}, "quantised before"),
        ("tgi_l4", {"called": "tgi", "delivery": "adapter"}, "serving.called"),
        ("transformers", {"delivery": "adapter"}, "merged weights only"),
        ("tgi_l4", {"image": "ghcr.io/x/y"}, "image"),
        ("llamacpp", {"converter": "ghcr.io/x/y"}, "converter"),
        ("vllm_l4", {"key_env": "a b"}, "key_env"),
        ("vllm_l4", {"memory": 1.5}, "memory"),
        ("llamacpp", {"gpus": 2}, "gpus"),
        ("tgi_l4", {"requests": 0}, "requests"),
    ],
)
def test_settings_that_cannot_be_are_a_fault(
    option: str, changed: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValidationError, match=said):
        preset(option, **changed)


def test_a_contradiction_is_said_before_anything_runs_with_the_way_out() -> None:
    with pytest.raises(ConfigError) as error:
        from_overrides(["serving=tgi_l4", "serving.quantize=fp8", "serving.delivery=adapter"])
    said = str(error.value)
    assert "serving: delivery=adapter on TGI: it cannot put one on layers that quantize=fp8" in said
    assert "delivery=auto merges it" in said


def test_fp8_alone_is_no_fault_and_merges() -> None:
    form, why = chosen("tgi_l4", quantize="fp8").delivered(ADAPTER)
    assert (form, "quantize=fp8" in why) == ("merged", True)
    found = run("tgi_l4", MERGED, quantize="fp8").environment
    assert found["QUANTIZE"] == "fp8"
    assert "DTYPE" not in found  # TGI takes both together with bitsandbytes only


def test_where_and_how_patiently_it_is_asked_is_the_presets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MY_KEY", "k" * 12)
    how = {"concurrency": 3, "attempts": 2, "backoff": 0.5, "timeout": 9.0, "key_env": "MY_KEY"}
    service = preset("sglang", url="http://10.0.0.1:9", **how).endpoint("t", "adapter").service()
    assert {name: getattr(service, name) for name in how} == how
    assert (service.api_base, service.model) == ("http://10.0.0.1:9/v1", "openai/t-base:t")


def test_who_scrapes_llama_cpp_is_told_of_the_key() -> None:
    assert any("/metrics asks for the key" in note for note in run("llamacpp").notes)
    assert run("llamacpp", key_env=None).notes == ()


def test_no_option_makes_another_run() -> None:
    served = from_overrides(["serving=vllm_l4"])
    assert isinstance(served.serving, Serving)
    assert served.fingerprint() == from_overrides([]).fingerprint()


@pytest.mark.parametrize("option", [*CONTAINERS, "transformers"])
def test_a_file_says_every_key_of_its_class(option: str) -> None:
    built = preset(option)
    assert isinstance(built, Serving)
    assert set(fields(option)) - {"_target_"} == set(type(built).model_fields)


@pytest.mark.parametrize(
    "changed", [{"requests": 1}, {"key_env": "K"}, {"url": "http://a:1"}, {"concurrency": 2}]
)
def test_what_changes_only_speed_or_place_is_not_in_the_key(changed: dict[str, Any]) -> None:
    assert chosen("vllm_l4", **changed).key() == chosen("vllm_l4").key()
    assert chosen("vllm_l4", dtype="float32").key() != chosen("vllm_l4").key()


def test_only_transformers_and_llama_cpp_run_without_a_container(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for option in ("tgi_l4", "vllm_l4", "sglang"):
        assert chosen(option).process(str(tmp_path), "triage", 8080) is None
    llama = chosen("llamacpp")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="no `llama-server` on PATH"):
        llama.process(str(tmp_path), "triage", 8080)
    program = tmp_path / "llama-server"
    program.touch(mode=0o755)
    with pytest.raises(UsageError, match=r"convert_hf_to_gguf\.py"):
        llama.process(str(tmp_path), "triage", 8080)
    (tmp_path / "model.gguf").touch()
    command = llama.process(str(tmp_path), "triage", 8080)
    assert command is not None
    assert after(command, "-m") == str(tmp_path / "model.gguf")
    assert after(command, "--port") == "8080"
    assert "-c" not in command
    command = llama.process(str(tmp_path), "triage", 8080, MERGED.lengths)
    assert command is not None
    assert after(command, "-c") == after(run("llamacpp", given=MERGED).command, "-c")
