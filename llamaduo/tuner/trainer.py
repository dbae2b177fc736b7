"""TRL's trainer, set up: its arguments, the adapter's, and the loss on answers alone."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llamaduo import machine
from llamaduo.errors import ModelError
from llamaduo.local import LocalModel, load
from llamaduo.local.shape import shape_of
from llamaduo.tuner.recompute import recomputes
from llamaduo.tuner.rows import NOTHING, Tokens

if TYPE_CHECKING:
    from llamaduo.tuner.qlora import Qlora

PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
"""All linear layers of a block: what TGI can apply an adapter to, if every layer has all."""


def lora_config(tuner: "Qlora", layers: int) -> Any:
    """Return PEFT's LoraConfig for a base model of so many layers."""
    from peft import LoraConfig

    last = None if tuner.layers is None else list(range(max(layers - tuner.layers, 0), layers))
    return LoraConfig(
        r=tuner.r,
        lora_alpha=tuner.alpha,
        lora_dropout=tuner.dropout,
        target_modules=list(PROJECTIONS),
        layers_to_transform=last,
        task_type="CAUSAL_LM",
    )


def arguments(
    tuner: "Qlora", *, steps: int, seed: int, scratch: Path, gpu: bool, recompute: bool
) -> Any:
    """Return TRL's SFTConfig for a training of `steps` optimiser steps.

    Args:
        recompute: whether activations are computed again rather than kept.
    """
    from trl import SFTConfig

    made = SFTConfig(
        output_dir=str(scratch),
        max_steps=steps,
        per_device_train_batch_size=tuner.batch_size // tuner.processes,
        gradient_accumulation_steps=tuner.accumulation,
        learning_rate=tuner.lr,
        lr_scheduler_type=tuner.schedule,
        warmup_steps=round(tuner.warmup * steps),
        max_grad_norm=tuner.clip,
        weight_decay=0.0,
        optim="adamw_torch",
        max_length=None,  # rows were measured before; TRL would cut or drop them unsaid
        activation_checkpointing=recompute,
        activation_checkpointing_kwargs={"use_reentrant": False},
        ddp_find_unused_parameters=False,  # every adapter's weights are used in every step
        use_cpu=not gpu,
        bf16=gpu,  # on a CPU the weights' own type does, and autocast costs more than it saves
        save_strategy="steps",
        save_steps=tuner.save_steps,
        save_total_limit=2,
        logging_steps=1,
        logging_nan_inf_filter=False,  # it would log a diverged step as a loss of 0
        include_num_input_tokens_seen="non_padding",
        seed=seed,
        report_to="none",
        disable_tqdm=True,
    )
    if gpu:
        made._n_gpu = 1  # a second GPU would double the rows of a step, unsaid
    return made


def build(
    tuner: "Qlora",
    local: LocalModel,
    template: load.Template,
    data: Sequence[Tokens],
    *,
    steps: int,
    seed: int,
    scratch: Path,
) -> Any:
    """Load the base in 4 bit, put an adapter on it, and return the trainer of the two.

    Raises:
        ModelError: if the trainer drops rows, the adapter to begin from does not fit, or
            another number of processes came together than was asked for.
    """
    import torch
    from datasets import Dataset
    from transformers import PrinterCallback

    from llamaduo.tuner.order import EpochOrder, Shares

    gpu = load.device().type == "cuda"
    again = recomputes(
        tuner,
        shape_of(local),
        machine.look(),
        length=max(len(row["input_ids"]) for row in data),
        labelled=max(sum(label != -100 for label in row["labels"]) for row in data),
    )
    base = load.nf4(local, sharded=tuner.sharding == "fsdp")
    group = tuner.batch_size * tuner.accumulation if tuner.group_by_length else None
    order = EpochOrder([len(row["input_ids"]) for row in data], seed=seed, group=group)
    args = arguments(tuner, steps=steps, seed=seed, scratch=scratch, gpu=gpu, recompute=again)
    rank, world = args.process_index, args.world_size
    if world != tuner.processes:
        raise ModelError(f"tuner.processes is {tuner.processes}, and {world} came together")
    shares = Shares(order, batch_size=tuner.batch_size, rank=rank, world=world)
    trainer = _answer_trainer(data, shares)(
        model=base,
        args=args,
        train_dataset=Dataset.from_list(list(data)),
        processing_class=template.tokenizer,
        peft_config=lora_config(tuner, base.config.num_hidden_layers),
    )
    trainer.remove_callback(PrinterCallback)
    if len(trainer.train_dataset) != len(data):
        raise ModelError(f"the trainer dropped {len(data) - len(trainer.train_dataset)} rows")
    if not gpu:  # TRL casts adapters on a 4-bit base to bf16, which a CPU is slow at
        for weights in trainer.model.parameters():
            if weights.requires_grad:
                weights.data = weights.data.to(torch.float32)
    if local.adapter is not None:
        _begin_from(trainer.model, local.adapter)
    torch.manual_seed(seed + rank)  # the adapters are made: each process drops out its own
    return trainer


def weights_of(model: Any) -> dict[str, Any]:
    """Return the adapter's weights, by the names they are saved under.

    All processes must ask at once: of a sharded model each has a part of every weight.
    """
    return {name: _whole(weights) for name, weights in _own(model).items()}


def trained(model: Any) -> dict[str, Any]:
    """Return the adapter's weights, by their names in `model`; all processes must ask at once."""
    found = model.state_dict().items()
    return {name: _whole(weights) for name, weights in found if "lora_" in name}


def put_weights(model: Any, weights: dict[str, Any]) -> list[str]:
    """Put an adapter's weights into `model`; returns names that found no place there."""
    from peft import set_peft_model_state_dict
    from torch.distributed.tensor import DTensor, distribute_tensor

    parts = {name: own for name, own in _own(model).items() if isinstance(own, DTensor)}
    shared = {
        name: distribute_tensor(whole.to(parts[name].device), *_layout(parts[name]))
        for name, whole in weights.items()
        if name in parts
    }
    return list(set_peft_model_state_dict(model, {**weights, **shared}).unexpected_keys)


def _own(model: Any) -> dict[str, Any]:
    from peft import get_peft_model_state_dict

    found: dict[str, Any] = get_peft_model_state_dict(model, save_embedding_layers=False)
    return found


def _whole(weights: Any) -> Any:
    from torch.distributed.tensor import DTensor

    return weights.full_tensor() if isinstance(weights, DTensor) else weights


def _layout(weights: Any) -> tuple[Any, Any]:
    return weights.device_mesh, weights.placements


def _begin_from(model: Any, adapter: Path) -> None:
    from peft.utils import load_peft_weights

    given = load_peft_weights(str(adapter), device="cpu")
    shapes = {name: tuple(weights.shape) for name, weights in given.items()}
    wanted = {name: tuple(weights.shape) for name, weights in weights_of(model).items()}
    if shapes != wanted or put_weights(model, given):
        missing, beyond = wanted.keys() - shapes.keys(), shapes.keys() - wanted.keys()
        other = sum(shapes[name] != wanted[name] for name in shapes.keys() & wanted.keys())
        raise ModelError(
            f"local.adapter: {adapter} does not fit this tuner's adapter: {len(missing)} weights "
            f"are not in it, {len(beyond)} have no place, {other} are of another shape"
        )


def answer_loss(
    model: Any, inputs: dict[str, Any], count: Any = None, *, reduction: str = "mean"
) -> tuple[Any, Any]:
    """Return the loss on the labels of a batch and how many there are, and the model's output.

    Logits are made only in columns where a label stands: a prompt has no loss, and most of a
    row is prompt, in most tasks, while the vocabulary is wide. The loss is the same number.

    Args:
        count: labels to divide by, those of all batches of a step; None: this batch's.
        reduction: `mean` divides, `sum` does not.
    """
    from torch.nn.functional import cross_entropy

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
    if reduction == "sum":
        return total, out
    return total / ((kept != -100).sum() if count is None else count), out


def _answer_trainer(data: Sequence[Tokens], shares: Any) -> Any:
    """Return an SFTTrainer that takes `shares` of `data`, and the loss from their answers."""
    import torch
    from accelerate.data_loader import prepare_data_loader
    from torch.utils.data import DataLoader
    from trl import SFTTrainer

    class AnswerTrainer(SFTTrainer):  # type: ignore[misc]
        """Takes the loss of answers, and nothing else, from the model."""

        def get_train_dataloader(self) -> Any:
            loader: Any = DataLoader(
                [*data, NOTHING],  # type: ignore[arg-type]
                batch_sampler=shares,
                collate_fn=self.data_collator,
                pin_memory=self.args.device.type == "cuda",
            )
            return prepare_data_loader(  # each process has its share: there is none to make
                loader, self.args.device, num_processes=1, process_index=0, put_on_device=True
            )

        def _save_rng_state(self, output_dir: str) -> None:
            super()._save_rng_state(output_dir)
            self.accelerator.wait_for_everyone()  # what says that a checkpoint is whole comes next

        def _track_num_input_tokens(self, inputs: dict[str, Any]) -> None:
            if not (inputs["labels"] != -100).any():
                inputs = {**inputs, "attention_mask": torch.zeros_like(inputs["input_ids"])}
            super()._track_num_input_tokens(inputs)

        def compute_loss(
            self,
            model: Any,
            inputs: dict[str, Any],
            return_outputs: bool = False,
            num_items_in_batch: Any = None,
        ) -> Any:
            loss, out = answer_loss(model, inputs, num_items_in_batch)
            if num_items_in_batch is not None:  # it counts all processes; their gradients average
                loss = loss * self.accelerator.num_processes
            return (loss, out) if return_outputs else loss

    return AnswerTrainer
