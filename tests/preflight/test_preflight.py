"""What is checked before a run starts: what refuses it, what is only said, and how fast."""

import io
import time
from datetime import date, timedelta
from pathlib import Path

import pytest

from llamaduo import machine, preflight
from llamaduo.config import from_overrides
from llamaduo.errors import ConfigError
from llamaduo.experiment import Experiment
from llamaduo.local import load
from llamaduo.local.hub import HubModel
from llamaduo.local.shape import shape_of
from llamaduo.machine import Gpu, Machine
from llamaduo.preflight import disk, hub, model, room, rows
from llamaduo.preflight.finding import look
from llamaduo.preflight.services import services
from llamaduo.progress import Progress
from llamaduo.tuner.qlora import Qlora
from llamaduo.tuner.untuned import Untuned

GIB = 2**30
CPU = Machine(gpus=(), memory=16 * GIB, free=12 * GIB, bf16=False)
L4 = Gpu("NVIDIA L4", 22 * GIB, 21 * GIB, (8, 9))
T4 = Gpu("Tesla T4", 15 * GIB, 14 * GIB, (7, 5))


def with_gpus(*gpus: Gpu) -> Machine:
    return Machine(gpus=gpus, memory=16 * GIB, free=12 * GIB, bf16=False)


@pytest.fixture
def gemma(monkeypatch: pytest.MonkeyPatch) -> Experiment:
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setenv("HF_TOKEN", "hf_x")
    return from_overrides(["local=gemma_7b"])


def refused(exp: Experiment) -> tuple[str, ...]:
    with pytest.raises(ConfigError, match="cannot run here") as error:
        preflight.refuse(exp, Progress(io.StringIO()))
    return error.value.faults


def free(monkeypatch: pytest.MonkeyPatch, size: float, *, one: bool = True) -> None:
    def measured(folder: Path) -> tuple[int, int]:
        return (1 if one else hash(folder)), int(size)

    monkeypatch.setattr(disk, "free_disk", measured)


def test_the_tiny_model_is_let_through_without_a_word_in_a_moment(tiny: Experiment) -> None:
    out = io.StringIO()
    preflight.refuse(tiny, Progress(out))  # imports, once
    began = time.process_time()
    preflight.refuse(tiny, Progress(out))
    assert time.process_time() - began < 0.1
    assert out.getvalue() == ""


def test_weights_that_do_not_fit_refuse_the_run_with_all_else(
    gemma: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = Machine(gpus=(), memory=8 * GIB, free=8 * GIB, bf16=True)
    monkeypatch.setattr(machine, "look", lambda: small)
    paid = gemma.model_copy(update={"service": from_overrides(["service=gpt"]).service})
    faults = "\n".join(refused(paid))
    assert "memory for answering: the weights alone take 15.9 GiB, and memory has 8.0" in faults
    assert "memory for tuning" not in faults, "in 4 bit they fit"
    assert "set OPENAI_API_KEY" in faults


def test_a_run_that_is_here_already_is_not_refused_for_what_its_model_would_take(
    gemma: Experiment, tmp_path: Path
) -> None:
    here = Machine(gpus=(), memory=2**30, free=2**30, bf16=True)
    exp = gemma.model_copy(update={"home": tmp_path})
    first = {line.partition(":")[0]: level for level, line in preflight.quick(exp, here)}
    (tmp_path / ".llamaduo/runs" / exp.fingerprint()).mkdir(parents=True)
    then = {line.partition(":")[0]: level for level, line in preflight.quick(exp, here)}
    assert (first["memory for tuning"], then["memory for tuning"]) == ("MISSING", "look")


def test_data_are_made_without_a_word_on_the_model(gemma: Experiment) -> None:
    here = Machine(gpus=(), memory=2**30, free=2**30, bf16=True)
    said = " ".join(line for _, line in preflight.quick(gemma, here, "data"))
    assert "memory" not in said
    assert "the base model" not in said


def test_what_may_not_fit_is_said_with_both_numbers_and_the_key_to_turn() -> None:
    mistral = from_overrides(["local=mistral_7b", "tuner.max_length=2048"])
    tuning, answering = room.memory(mistral, with_gpus(L4))
    assert (tuning.level, answering.level) == ("ok", "look")
    assert "21.0 GiB of the GPU (NVIDIA L4) are free" in answering.line
    assert "lower engine.batch_size=64" in answering.line
    wide = from_overrides(["local=mistral_7b", "tuner.max_length=2048", "tuner.batch_size=16"])
    again, _ = room.memory(wide, with_gpus(T4))
    assert again.level == "look"
    assert "lower tuner.batch_size=16 and raise tuner.accumulation" in again.line


def test_what_is_not_done_here_needs_no_memory(tiny: Experiment) -> None:
    untuned = tiny.model_copy(update={"tuner": Untuned()})
    assert [f.line.split(":")[0] for f in room.memory(untuned, CPU)] == ["memory for answering"]
    asked = [
        *("engine=openai_endpoint", "tuner=none", "engine.service.name=m"),
        *("engine.service.model=openai/m", "engine.service.api_base=http://127.0.0.1:1/v1"),
        *("engine.service.price.input=0", "engine.service.price.output=0"),
        *("engine.service.price.as_of=2026-01-01", "engine.service.price.source=ours"),
    ]
    endpoint = from_overrides(asked)
    assert list(room.memory(endpoint, CPU)) == list(room.gpus(endpoint, CPU)) == []
    assert list(model.serving(endpoint, CPU)) == []


def test_shown_examples_make_prompts_longer() -> None:
    plain = from_overrides(["experiments=demo", "baselines=[]"])
    shown = from_overrides(["experiments=demo", "baselines=[few_shot]", "shots=4"])
    at_most = [list(room.memory(exp, CPU))[1].line for exp in (plain, shown)]
    assert at_most[0] != at_most[1]


def test_a_shape_that_is_not_known_is_said(gemma: Experiment) -> None:
    local = gemma.local
    assert isinstance(local, HubModel)
    bare = gemma.model_copy(update={"local": local.model_copy(update={"shape": None})})
    [said] = room.memory(bare, CPU)
    assert said.level == "look"
    assert "local.shape" in said.line


@pytest.mark.parametrize(
    ("here", "level", "words"),
    [
        (with_gpus(L4), "ok", "compute capability 8.9"),
        (with_gpus(T4), "look", "bf16 needs 8.0"),
        (CPU, "look", "8.5 billion parameters"),
    ],
)
def test_a_gpu_is_named_and_held_against_what_it_is_for(
    gemma: Experiment, here: Machine, level: str, words: str
) -> None:
    [said] = room.gpus(gemma, here)
    assert said.level == level
    assert words in said.line


def test_of_several_gpus_it_is_said_how_to_use_the_others(gemma: Experiment) -> None:
    _, others = room.gpus(gemma, with_gpus(L4, L4))
    assert "2 GPUs, of which a run uses the first: tuning takes several" in others.line
    both = from_overrides(["local=gemma_7b", "tuner.processes=2"])
    assert len(list(room.gpus(both, with_gpus(L4, L4)))) == 1
    alone, shared = (
        room.tuning_of(exp, exp.tuner, shape, with_gpus(L4, L4))
        for exp in (gemma, both)
        if isinstance(exp.tuner, Qlora) and (shape := shape_of(exp.local))
    )
    assert shared.weights == alone.weights
    assert shared.total < alone.total
    assert "CUDA_VISIBLE_DEVICES" in others.line


@pytest.mark.parametrize(("gibs", "level"), [(100, "ok"), (17, "look"), (10, "MISSING")])
def test_a_download_that_does_not_fit_on_the_disk_refuses_and_checkpoints_warn(
    gemma: Experiment, monkeypatch: pytest.MonkeyPatch, gibs: int, level: str
) -> None:
    free(monkeypatch, gibs * GIB)
    [said] = disk.disk(gemma, CPU)
    assert said.level == level
    assert "15.9 GiB for the base model's download" in said.line
    assert ("HF_HOME" in said.line) == (level != "ok")


def test_two_disks_are_two_lines(gemma: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    free(monkeypatch, 100 * GIB, one=False)
    assert len(list(disk.disk(gemma, CPU))) == 2


def test_a_model_that_is_here_is_not_fetched(
    tiny: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    free(monkeypatch, 100 * 2**20)
    [said] = disk.disk(tiny, CPU)
    assert said.level == "look"
    assert "download" not in said.line
    assert "home=" in said.line


def test_a_service_that_will_be_turned_off_is_said_and_one_that_is_names_its_successor(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "x")
    soon = date.today() + timedelta(days=9)
    exp = from_overrides(["service=gpt_4o", f"service.retired={soon}"])
    key, warned = services(exp)
    assert key == ("ok", "key: OPENAI_API_KEY is set")
    assert warned.level == "look"
    assert f"will be turned off on {soon}" in warned.line
    assert warned.line.endswith("choose service=gpt")
    [fault] = from_overrides(["service=gpt_4o"]).service.faults()
    assert fault.endswith("was retired on 2026-10-23; choose service=gpt")


@pytest.mark.parametrize(
    ("address", "looks"),
    [
        ("https://api.example.com/v1", 0),
        ("http://api.example.com/v1", 1),
        ("http://127.0.0.1:8000/v1", 0),
    ],
)
def test_who_gets_a_key_is_said_and_that_others_could_read_it(
    address: str, looks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "x")
    exp = from_overrides(["service=gpt", f"service.api_base={address}"])
    key, *seen = services(exp)
    host = address.split("/")[2]
    assert key == ("ok", f"key: OPENAI_API_KEY is set, sent to {host}")
    assert [level for level, _ in seen] == ["look"] * looks
    assert all(f"sent to {host} goes over the internet unencrypted" in line for _, line in seen)


def test_what_the_hub_has_to_give_is_said_and_the_hub_is_not_asked(
    gemma: Experiment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    exp = gemma.model_copy(update={"task": from_overrides(["task=coding"]).task})
    assert ["will be downloaded" in line for _, line in hub.hub(exp)] == [True, True]
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    [said] = hub.hub(exp)
    assert said.level == "look", "the model's own faults say that it is missing"
    assert "HF_HUB_OFFLINE" in said.line
    monkeypatch.setattr(hub, "hub_folder", lambda *of: tmp_path)
    monkeypatch.setattr(HubModel, "here", lambda self: tmp_path)
    assert ["in the hub's cache" in line for _, line in hub.hub(exp)] == [True, True]


def test_a_tokenizer_that_is_here_is_tried_and_one_that_is_not_is_left_for_later(
    tiny: Experiment, gemma: Experiment
) -> None:
    nothing, said = model.template(gemma.local)
    assert nothing is None
    assert "checked once the model is here" in said.line
    tiny.local.source()
    found, said = model.template(tiny.local)
    assert found is not None
    assert said.level == "ok"
    assert "<|im_end|>" in said.line


@pytest.mark.parametrize(
    ("update", "words"),
    [
        ({"template": "{{ messages[0]['content'] }}"}, "does not end the answer"),
        ({}, "cannot be read"),
    ],
)
def test_a_template_or_tokenizer_that_cannot_do_makes_a_run_impossible(
    tiny: Experiment,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    update: dict[str, str],
    words: str,
) -> None:
    local = tiny.local.model_copy(update=update)  # type: ignore[attr-defined]
    local.source()
    if not update:
        (tmp_path / "tokenizer.json").write_text("{", encoding="utf-8")
        monkeypatch.setattr(type(local), "source", lambda self: (str(tmp_path), None))
    nothing, said = model.template(local)
    assert nothing is None
    assert said.level == "MISSING"
    assert words in said.line


def lengths(exp: Experiment, most: int) -> preflight.Finding:
    template = load.template(exp.local)
    changed = exp.tuner.model_copy(update={"max_length": most})  # type: ignore[attr-defined]
    *_, last = rows.rows(exp.model_copy(update={"tuner": changed}), template)
    return last


def test_rows_that_are_too_long_are_counted(tiny: Experiment) -> None:
    assert lengths(tiny, 4096).level == "ok"
    some = lengths(tiny, 120)
    assert some.level == "look"
    assert "of 23 rows have more than tuner.max_length=120 tokens" in some.line
    assert lengths(tiny, 8).level == "MISSING"


def test_rows_that_cannot_be_read_or_shown_with_are_said(tmp_path: Path) -> None:
    few = from_overrides(["experiments=demo_tiny", "goal.at_least=90"])
    said = list(rows.rows(few, None))
    assert said[-1].level == "look"
    assert said[-1].line.startswith("goal: 16 test prompts cannot show a coverage of 90 %")
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"nothing": 1}\n', encoding="utf-8")
    [fault] = rows.rows(from_overrides([f"task.rows.path={bad}"]), None)
    assert fault.level == "MISSING"
    assert "line 1" in fault.line


def test_a_large_file_is_left_for_the_run(
    tiny: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "LARGEST", 10)
    [said] = rows.rows(tiny, None)
    assert "read when the run starts" in said.line


def served(*words: str, on: Machine = CPU) -> list[tuple[str, str]]:
    exp = from_overrides(list(words))
    return [(one.level, one.line) for one in (*model.unserved(exp), *model.serving(exp, on))]


def test_the_chosen_engine_comes_first_and_the_others_in_brief(gemma: Experiment) -> None:
    assert served("local=gemma_7b", "serving=tgi_l4") == [
        (
            "look",
            "will be served by TGI: merged: it has no adapter layers for models of type gemma",
        ),
        ("ok", "would be served by vLLM, SGLang, llama.cpp: adapter"),
    ]
    first, *others = served("local=gemma_7b", "serving=vllm_l4")
    assert first == ("ok", "will be served by vLLM: adapter")
    assert [line.split(":")[0] for _, line in others] == [
        "would be served by TGI",
        "would be served by SGLang, llama.cpp",
    ]
    assert served("local=gemma_7b")[0] == (
        "ok",
        "will be served by transformers serve: merged: it takes merged weights only",
    )
    asked = served("local=gemma_7b", "serving=tgi_l4", "serving.delivery=merged")
    assert asked[0] == ("ok", "will be served by TGI: merged: serving.delivery=merged")


def test_an_adapter_that_the_engine_cannot_put_on_is_worth_a_look_and_stops_no_run(
    gemma: Experiment,
) -> None:
    words = ["local=gemma_7b", "serving=tgi_l4", "serving.delivery=adapter"]
    [(level, line), _] = served(*words)
    assert level == "look"
    assert "TGI cannot put the adapter of ticket_triage on: it has no adapter layers" in line
    found = list(preflight.quick(from_overrides(words), CPU))
    assert look(line) in found
    assert not any(one.line == line for one in preflight.quick(gemma, CPU))
    until = list(preflight.quick(from_overrides(words), CPU, "adapter"))
    assert look(line) not in until


def test_a_gpu_without_flash_attention_is_held_against_tgi_alone(gemma: Experiment) -> None:
    words = ["local=mistral_7b", "serving=tgi_l4"]
    assert [level for level, _ in served(*words, on=with_gpus(L4))] == ["ok", "ok"]
    _, (level, line), _ = served(*words, on=with_gpus(T4))
    assert level == "look"
    assert "not on a GPU as here: it needs flash attention for adapters" in line


def test_an_adapter_that_one_brings_is_read(tmp_path: Path, gemma: Experiment) -> None:
    (tmp_path / "adapter_model.safetensors").touch()
    (tmp_path / "adapter_config.json").write_text('{"r": 4, "use_dora": true}', encoding="utf-8")
    assert isinstance(gemma.local, HubModel)
    local = gemma.local.model_copy(update={"adapter": tmp_path})
    planned = model.planned(gemma.model_copy(update={"local": local}))
    assert planned is not None
    assert (planned.r, planned.dora, planned.form) == (4, True, "adapter")


def test_warnings_are_said_and_the_run_goes_on(
    tiny: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    free(monkeypatch, 2**20)
    out = io.StringIO()
    preflight.refuse(tiny, Progress(out))
    [line] = out.getvalue().splitlines()
    assert line.startswith("llamaduo: look: disk: 1 MiB free under")


def test_a_minute_that_has_no_room_for_one_reply_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-0123456789")
    words = ["service=gpt", "service.tokens_per_minute=100", "judge.max_tokens=128"]
    lines = [line for level, line in services(from_overrides(words)) if level == "MISSING"]
    [judge, _] = lines
    assert "tokens_per_minute=100 is less than one reply may have, by judge.max_tokens=128" in judge
    assert "or lower judge.max_tokens" in judge
    words[1] = "service.tokens_per_minute=100000"
    assert not [line for level, line in services(from_overrides(words)) if level == "MISSING"]
