"""What the paper ran: every cell composes, and what tunes it is taken by the real libraries.

No weights of the four models are here. A tiny random model of the same architecture stands in
for each, with a tokenizer that has the special tokens of its family and cuts text in its manner;
template, end of turn and tuner are the recipe's own.
"""

import json
import runpy
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from llamaduo.config import from_overrides
from llamaduo.engine.transformers import TransformersEngine
from llamaduo.experiment import Experiment
from llamaduo.judge.paper import PaperJudge
from llamaduo.local import load
from llamaduo.local.hub import HubModel
from llamaduo.local.tiny import TinyModel
from llamaduo.options import EXPERIMENTS, options
from llamaduo.progress import Progress
from llamaduo.records import Example, Message, Outcome, Reply, Request, Training
from llamaduo.synth.self_instruct import SelfInstruct
from llamaduo.task.coverage import CoverageTask
from llamaduo.tuner.qlora import Qlora
from llamaduo.tuner.rows import tokens
from llamaduo.tuner.trainer import PROJECTIONS, arguments, lora_config
from llamaduo.verbs import run

ROOT = Path(__file__).parent.parent
TASKS = ("summarization", "classification", "coding", "closed_qa")
LOCALS = ("gemma_2b", "gemma_7b", "mistral_7b", "llama3_8b")
FAMILY: dict[str, dict[str, Any]] = {
    "gemma_2b": {
        "architecture": "gemma",
        "marks": ("<eos>", "<unk>", "<start_of_turn>"),
        "begin": "<bos>",
        "pad": "<pad>",
    },
    "mistral_7b": {"architecture": "mistral", "marks": ("<unk>",), "begin": "<s>"},
    "llama3_8b": {
        "architecture": "llama",
        "marks": ("<|eot_id|>", "<|start_header_id|>", "<|end_header_id|>"),
        "begin": "<|begin_of_text|>",
    },
}
"""The special tokens that the published tokenizer of each family has, beside its end of turn."""


def row(n: int) -> Example:
    asked = Message(role="user", content=f"Sum up in a word, no. {n}: all is well " + "so " * n)
    return Example(id=str(n), messages=(asked,), target=f"Well, and {n}.")


ROWS = [row(n) for n in range(8)]


@cache
def made(*overrides: str) -> Experiment:
    """Return what is composed, once for each choice; nothing here hangs on its home."""
    return from_overrides(list(overrides))


def recipe(*overrides: str) -> Experiment:
    return made("experiments=paper_today", "tracker=none", *overrides)


def tuner_of(exp: Experiment, **fields: Any) -> Qlora:
    assert isinstance(exp.tuner, Qlora)
    return exp.tuner.model_copy(update=fields)


def stand_in(name: str) -> TinyModel:
    """Return a tiny model with the template and the end of turn of a recipe."""
    local = recipe(f"local={name}").local
    assert isinstance(local, HubModel)
    assert local.template is not None
    ends = {"template": local.template, "end_of_turn": local.end_of_turn}
    return TinyModel(name=f"tiny-{name}", **FAMILY[name], **ends)


@pytest.mark.parametrize("name", options(EXPERIMENTS))
def test_every_experiment_is_shown_and_is_what_it_builds(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["llamaduo"])
    assert run.main(["--cfg", "job", f"experiments={name}"]) == 0
    shown = yaml.safe_load(capsys.readouterr().out)
    built = from_overrides([f"experiments={name}"])
    assert shown["tuner"]["r"] == tuner_of(built).r
    assert shown["task"]["name"] == built.task.name
    assert shown["rounds"] == built.rounds


@pytest.mark.parametrize("name", ["paper", "paper_today"])
@pytest.mark.parametrize("local", LOCALS)
def test_every_cell_of_the_grid_composes(name: str, local: str) -> None:
    judges = ("gpt", "claude", "gemini_flash", "claude_3_sonnet")
    for task, judge in zip(
        TASKS, judges, strict=True
    ):  # what these choose, no other choice changes
        words = [f"task={task}", f"local={local}", f"service@judge.service={judge}"]
        cell = from_overrides([f"experiments={name}", *words])
        assert cell.task.name == task
        assert cell.judges == (made(f"service={judge}").service,)
        assert cell.local == made(f"local={local}").local


@pytest.mark.parametrize(
    ("name", "r", "length", "epochs"),
    [
        ("gemma_2b", 8, 2048, 15),
        ("gemma_7b", 32, 1024, 10),
        ("mistral_7b", 32, 1024, 10),
        ("llama3_8b", 32, 1024, 10),
    ],
)
def test_a_model_brings_the_papers_settings_for_it(
    name: str, r: int, length: int, epochs: int
) -> None:
    tuner = tuner_of(recipe(f"local={name}"))
    assert (tuner.r, tuner.alpha, tuner.max_length, tuner.epochs) == (r, 2 * r, length, epochs)
    assert (tuner.batch_size, tuner.accumulation, tuner.steps) == (4, 2, None)
    assert (tuner.lr, tuner.schedule, tuner.warmup, tuner.dropout) == (2e-4, "cosine", 0.1, 0.05)
    assert tuner.layers is None  # all of them, or TGI would drop the adapter


@pytest.mark.parametrize(
    ("tuner", "rows", "r"),
    [("qlora", 16_000, 8), ("qlora_r16", 32_000, 16), ("paper_gemma_7b", 64_000, 32)],
)
def test_the_rank_of_gemma_7b_grows_with_the_volume(tuner: str, rows: int, r: int) -> None:
    exp = from_overrides(["experiments=paper_volume", f"tuner={tuner}", f"synth.rows={rows}"])
    assert (exp.local.name, tuner_of(exp).r, tuner_of(exp).alpha) == ("gemma-7b", r, 2 * r)


@pytest.mark.parametrize("task", TASKS)
def test_answers_and_judgements_are_as_many_as_the_papers(task: str) -> None:
    exp = recipe(f"task={task}")
    assert isinstance(exp.engine, TransformersEngine)
    assert isinstance(exp.judge, PaperJudge)
    assert (exp.samples, exp.engine.temperature, exp.task.max_new_tokens) == (4, 0.4, 1024)
    assert (exp.judge.repeats, exp.judge.early_stop, exp.judge.on) == (10, False, "test")
    assert (exp.goal.similarity, exp.goal.precision) == (90, 90)


def test_the_papers_services_are_on_record_and_refused_and_their_successors_are_not() -> None:
    record = from_overrides(["experiments=paper"])
    assert record.service.name == "gpt-4o-2024-05-13"
    assert [one.name for one in record.judges] == ["claude-3-sonnet-20240229"]
    assert sum("retired" in fault for fault in record.faults()) == 2
    assert not [fault for fault in recipe().faults() if "retired" in fault]


class Asked:
    """Keeps what is asked for, and answers nothing of use."""

    name, spend, at_once = "asked", "", 256

    def __init__(self) -> None:
        self.requests: list[Request] = []

    def ask(
        self,
        requests: Sequence[Request],
        reads: Callable[[Request, str], str] = lambda request, text: "",
    ) -> list[Reply]:
        self.requests += requests
        return [Reply(outcome=Outcome.REFUSED) for _ in requests]


def test_a_larger_volume_asks_for_what_a_smaller_one_has_paid_for() -> None:
    asked = []
    for volume in (1000, 4000):
        synth = from_overrides(["experiments=paper_volume", f"synth.rows={volume}"]).synth
        assert isinstance(synth, SelfInstruct)
        caller = Asked()
        given: dict[str, Any] = {"topic": "t", "number": 0, "seed": 42, "done": ()}
        assert not list(synth.write(ROWS, caller, progress=Progress(), **given))
        asked.append(caller.requests)
    smaller, larger = asked
    assert (len(smaller), len(larger)) == (200, 800)
    assert larger[:200] == smaller


def test_all_but_a_few_coverage_rows_are_tuned_on() -> None:
    rows = from_overrides(["task.rows.limit=245"]).task  # as many as closed QA has
    split = recipe("task=closed_qa").task
    assert isinstance(rows, CoverageTask)
    assert isinstance(split, CoverageTask)
    one_kind = [e.model_copy(update={"category": ""}) for e, _ in rows.rows.read()]

    from llamaduo.task.coverage import _share_out

    parts = list(_share_out(one_kind, [True] * len(one_kind), split.split).values())
    assert set(parts) == {"train", "dev"}
    assert 1 <= parts.count("dev") <= 5


@pytest.mark.parametrize("tuner", [name for name in options("tuner") if name != "none"])
@pytest.mark.parametrize("name", LOCALS)
@pytest.mark.parametrize("gpu", [False, True])
def test_the_real_trainer_and_the_real_adapter_take_a_recipes_settings(
    gpu: bool, name: str, tuner: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from peft import LoraConfig
    from transformers import training_args
    from trl import SFTConfig

    if gpu:  # the one thing that it asks the machine
        monkeypatch.setattr(training_args, "is_torch_bf16_gpu_available", lambda: True)
    by = tuner_of(recipe(f"local={name}", f"tuner={tuner}"))
    given = arguments(by, steps=1000, seed=42, scratch=tmp_path, gpu=gpu, recompute=True)
    assert isinstance(given, SFTConfig)
    assert (given.bf16, given.use_cpu) == (gpu, not gpu)
    assert given.per_device_train_batch_size * given.gradient_accumulation_steps == 8
    assert (given.learning_rate, given.lr_scheduler_type, given.warmup_steps) == (
        2e-4,
        "cosine",
        100,
    )
    assert given.activation_checkpointing
    adapter = lora_config(by, 28)
    assert isinstance(adapter, LoraConfig)
    assert (adapter.r, adapter.lora_alpha, adapter.lora_dropout) == (by.r, 2 * by.r, 0.05)
    assert adapter.target_modules == set(PROJECTIONS)
    assert (adapter.modules_to_save, adapter.layers_to_transform) == (None, None)


@pytest.mark.parametrize("name", FAMILY)
def test_a_recipe_tunes_two_steps_and_answers(name: str, tmp_path: Path) -> None:
    exp, model = recipe(f"local={name}"), stand_in(name)
    template = load.template(model)
    known = len(template.tokenizer)
    data, too_long = tokens(ROWS, template, tuner_of(exp).max_length)
    assert not too_long
    end = template.tokenizer.convert_tokens_to_ids(model.end_of_turn)
    assert {labels["labels"][-1] for labels in data} == {end}
    assert all(labels["labels"].count(end) == 1 for labels in data)

    from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

    pad = template.tokenizer.pad_token_id  # the end of turn itself, where the family has no other
    batch = DataCollatorForLanguageModeling(pad_token_id=pad)(data)
    assert (batch["labels"] == end).sum() == len(data)
    assert batch["attention_mask"].sum() == sum(len(one["input_ids"]) for one in data)

    out, scratch = tmp_path / "out", tmp_path / "work"
    out.mkdir()
    scratch.mkdir()
    by = tuner_of(exp, epochs=None, steps=2)
    by.tune(model, ROWS, dev=(), seed=42, out=out, scratch=scratch, progress=Progress())
    facts = Training.model_validate_json((out / "training.json").read_bytes())
    assert (facts.rows, facts.steps) == (8, 2)
    assert facts.loss is not None

    from safetensors import safe_open

    with safe_open(out / "adapter_model.safetensors", "pt") as saved:
        names = set(saved.keys())
    assert all(any(f".{p}.lora_" in one for p in PROJECTIONS) for one in names)
    assert len(names) == 2 * len(PROJECTIONS) * model.layers  # A and B: no embedding, no head
    assert len(json.loads((out / "tokenizer.json").read_text())["model"]["vocab"]) <= known

    assert isinstance(exp.engine, TransformersEngine)
    answers = list(
        exp.engine.answer(
            model,
            out,
            ROWS[:2],
            samples=exp.samples,
            max_new_tokens=3,
            seed=42,
            done=(),
            progress=Progress(),
        )
    )
    assert len(answers) == 2 * exp.samples
    assert {answer.finish for answer in answers} <= {"stop", "length"}


def test_the_page_shows_what_is_worked_out_from_the_configs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    runpy.run_path(str(ROOT / "benchmarks/experiment_needs.py"), run_name="__main__")
    printed = capsys.readouterr().out.strip()
    page = (ROOT / "experiments/README.md").read_text(encoding="utf-8")
    shown = page.partition("<!-- begin -->")[2].partition("<!-- end -->")[0].strip()
    assert shown == printed, "paste what benchmarks/experiment_needs.py prints"


def test_the_page_names_every_experiment_and_the_lengths_it_was_worked_out_with() -> None:
    page = (ROOT / "experiments/README.md").read_text(encoding="utf-8")
    assert all(f"| `{name}` |" in page for name in options(EXPERIMENTS))
    needs = runpy.run_path(str(ROOT / "benchmarks/experiment_needs.py"))
    for rows in needs["TASKS"].values():
        assert f"{rows.instruction + rows.response:,}" in page
