"""QLoRA: NF4 base, LoRA adapters on top, by TRL's SFTTrainer."""

import json
import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from llamaduo.component import Component
from llamaduo.errors import ModelError
from llamaduo.local import LocalModel, load, template_digest
from llamaduo.progress import Meter, Progress
from llamaduo.records import Example, Training

PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
"""All linear layers of a block: what TGI can apply an adapter to, if every layer has all."""


class Qlora(Component):
    """LoRA on a 4-bit base (Dettmers et al. 2023); loss on the answer only."""

    operational: ClassVar[frozenset[str]] = frozenset({"save_steps", "gradient_checkpointing"})

    r: int = Field(ge=1)
    """Rank of the adapter: what it can learn, and its size."""
    alpha: float = Field(gt=0)
    """Its weight is alpha / r."""
    dropout: float = Field(ge=0, lt=1)
    lr: float = Field(gt=0)
    schedule: Literal["cosine", "linear", "constant_with_warmup"]
    warmup: float = Field(ge=0, lt=1)
    """Share of the steps in which the rate grows to `lr`."""
    epochs: float | None = Field(None, gt=0)
    """Passes over the rows. More rows are then more steps. Give this or `steps`."""
    steps: int | None = Field(None, ge=1)
    """Optimiser steps, however many rows there are. Give this or `epochs`."""
    batch_size: int = Field(ge=1)
    """Rows in memory at once."""
    accumulation: int = Field(1, ge=1)
    """Batches in one optimiser step."""
    clip: float = Field(1.0, gt=0)
    """Largest norm of the gradient."""
    max_length: int = Field(ge=8)
    """Tokens of prompt and answer; a longer row is left out, and counted."""
    layers: int | None = Field(None, ge=1)
    """Tune only the last so many layers: faster, but the adapter must then be merged to
    be served by TGI. None: all."""
    group_by_length: bool = True
    """Batch rows of like length: less padding, a less random order."""
    gradient_checkpointing: bool = True
    """Recompute activations: less memory, about a third slower."""
    save_steps: int = Field(100, ge=1)
    """Steps between checkpoints; a killed run repeats at most so many."""

    @model_validator(mode="after")
    def _has_one_length(self) -> "Qlora":
        if (self.epochs is None) == (self.steps is None):
            raise ValueError("give epochs or steps, one of the two, and null for the other")
        return self

    def for_steps(self, steps: int) -> "Qlora":
        """Return the same tuner with another length; itself if that is its length."""
        return self.model_copy(update={"steps": steps, "epochs": None})

    def tune(
        self,
        local: LocalModel,
        rows: Sequence[Example],
        *,
        seed: int,
        out: Path,
        scratch: Path,
        progress: Progress,
    ) -> None:
        """Tune, or go on tuning from the newest whole checkpoint in `scratch`."""
        checkpoint = newest_checkpoint(scratch)
        template = load.template(local)
        data, too_long = tokens(rows, template, self.max_length)
        if not data:
            raise ModelError(
                f"none of {len(rows)} rows fits in tuner.max_length={self.max_length} tokens"
            )
        steps = self.steps or math.ceil(
            math.ceil(len(data) / (self.batch_size * self.accumulation)) * (self.epochs or 1)
        )
        done = int(checkpoint.name.rpartition("-")[2]) if checkpoint else 0
        with progress.stage("tune", steps, "steps", done=done) as meter:
            trainer = self._trainer(local, template, data, steps, seed, scratch, meter)
            trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
        loss = sum(losses[-10:]) / len(losses[-10:])
        if not math.isfinite(loss):
            raise ModelError(f"the loss became {loss}: lower tuner.lr or raise tuner.warmup")
        facts = Training(
            rows=len(data),
            too_long=tuple(too_long),
            steps=trainer.state.global_step,
            loss=round(loss, 6),
            dtype=str(load.compute_dtype()).removeprefix("torch."),
        )
        save(trainer.model, template.tokenizer, local, facts, out)

    def _trainer(
        self,
        local: LocalModel,
        template: load.Template,
        data: list[dict[str, list[int]]],
        steps: int,
        seed: int,
        scratch: Path,
        meter: Meter,
    ) -> Any:
        import torch
        from datasets import Dataset
        from peft import LoraConfig
        from transformers import PrinterCallback
        from trl import SFTConfig

        from llamaduo.tuner.order import EpochOrder

        gpu = load.device().type == "cuda"
        base = load.nf4(local)
        count = base.config.num_hidden_layers
        lora = LoraConfig(
            r=self.r,
            lora_alpha=self.alpha,
            lora_dropout=self.dropout,
            target_modules=list(PROJECTIONS),
            layers_to_transform=None
            if self.layers is None
            else list(range(max(count - self.layers, 0), count)),
            task_type="CAUSAL_LM",
        )
        arguments = SFTConfig(
            output_dir=str(scratch),
            max_steps=steps,
            per_device_train_batch_size=self.batch_size,
            gradient_accumulation_steps=self.accumulation,
            learning_rate=self.lr,
            lr_scheduler_type=self.schedule,
            warmup_steps=round(self.warmup * steps),
            max_grad_norm=self.clip,
            weight_decay=0.0,
            optim="adamw_torch",
            max_length=None,  # rows were measured above; TRL would cut or drop them unsaid
            activation_checkpointing=self.gradient_checkpointing,
            use_cpu=not gpu,
            bf16=gpu,  # on a CPU the weights' own type does, and autocast costs more than it saves
            save_strategy="steps",
            save_steps=self.save_steps,
            save_total_limit=2,
            logging_steps=1,
            logging_nan_inf_filter=False,  # it would log a diverged step as a loss of 0
            seed=seed,
            report_to="none",
            disable_tqdm=True,
        )
        if gpu:
            arguments._n_gpu = 1  # a second GPU would double the rows of a step, unsaid
        group = self.batch_size * self.accumulation if self.group_by_length else None
        order = EpochOrder([len(row["input_ids"]) for row in data], seed=seed, group=group)
        trainer = _answer_trainer(order)(
            model=base,
            args=arguments,
            train_dataset=Dataset.from_list(data),
            processing_class=template.tokenizer,
            peft_config=lora,
            callbacks=[_callback(meter)],
        )
        trainer.remove_callback(PrinterCallback)
        if len(trainer.train_dataset) != len(data):
            raise ModelError(f"the trainer dropped {len(data) - len(trainer.train_dataset)} rows")
        if not gpu:  # TRL casts adapters on a 4-bit base to bf16, which a CPU is slow at
            for weights in trainer.model.parameters():
                if weights.requires_grad:
                    weights.data = weights.data.to(torch.float32)
        return trainer


def tokens(
    rows: Sequence[Example], template: load.Template, max_length: int
) -> tuple[list[dict[str, list[int]]], list[str]]:
    """Return input ids and labels of the rows that fit, and the ids of those that do not.

    The prompt's labels are -100: no loss on it. The last label is the end of turn.
    """
    data, too_long = [], []
    for row in rows:
        prompt, answer = template.prompt(row.messages), template.answer(row.target)
        if len(prompt) + len(answer) > max_length:
            too_long.append(row.id)
        else:
            data.append({"input_ids": prompt + answer, "labels": [-100] * len(prompt) + answer})
    return data, too_long


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
    return max(whole, key=lambda folder: int(folder.name.rpartition("-")[2]), default=None)


def save(model: Any, tokenizer: Any, local: LocalModel, facts: Training, out: Path) -> None:
    """Fill `out` with the adapter (safetensors), its tokenizer, and what it belongs to.

    The same training gives the same bytes: no path of this machine, no set order.
    """
    model.save_pretrained(out, safe_serialization=True)
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
        "licence": local.licence,
    }
    _write(out / "identity.json", identity)
    _write(out / "training.json", facts.model_dump(mode="json"))


def _write(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _answer_trainer(order: Any) -> Any:
    """Return an SFTTrainer that takes rows in `order`, and logits only where a label stands.

    A prompt has no loss, so its logits (the vocabulary is wide) are work for nothing; the
    loss is the same number. Most of a row is prompt, in most tasks.
    """
    from torch.nn.functional import cross_entropy
    from trl import SFTTrainer

    class AnswerTrainer(SFTTrainer):  # type: ignore[misc]
        """Takes the loss of answers, and nothing else, from the model."""

        def _get_train_sampler(self, train_dataset: Any = None) -> Any:
            return order

        def compute_loss(
            self,
            model: Any,
            inputs: dict[str, Any],
            return_outputs: bool = False,
            num_items_in_batch: Any = None,
        ) -> Any:
            labels = inputs["labels"][:, 1:]
            keep = (labels != -100).any(dim=0).nonzero().squeeze(1)
            out = model(
                input_ids=inputs["input_ids"],
                attention_mask=inputs["attention_mask"],
                logits_to_keep=keep,
                use_cache=False,
            )
            kept = labels[:, keep].flatten()
            total = cross_entropy(out.logits.flatten(0, 1).float(), kept, reduction="sum")
            count = (kept != -100).sum() if num_items_in_batch is None else num_items_in_batch
            loss = total / count
            return (loss, out) if return_outputs else loss

    return AnswerTrainer


def _callback(meter: Meter) -> Any:
    from transformers import TrainerCallback

    class Steps(TrainerCallback):  # type: ignore[misc]
        """Tells the meter of every step, and keeps no checkpoint of the last."""

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            if logs and "loss" in logs:
                meter.step(note=f"loss {logs['loss']:.3f}")

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.global_step >= state.max_steps:  # resumed from there, it would go one further
                control.should_save = False

    return Steps()
