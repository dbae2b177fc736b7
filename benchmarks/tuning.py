"""Tuning against a bare TRL script: tokens a second, and the loss both end with.

`python benchmarks/tuning.py` tunes SmolLM2-135M by turns with `tuner=qlora` and with the script in
`bare` below, the one its documentation leads to: the same rows, base in NF4, adapter, rate, batch,
steps and type of numbers. Two kinds of rows: the shipped support messages as they are, and with up
to seven messages before them, so that lengths spread. A token counts where it is no padding. The
bare script is measured three times: with TRL's defaults (bf16 autocast, activations computed
again), and with activations kept, as ours keeps them where they fit, with and without autocast.
The fastest of them counts. The loss is measured on rows held out, by one function for all.
"""

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from llamaduo.config import from_overrides
from llamaduo.experiment import Experiment
from llamaduo.local import load
from llamaduo.records import Example
from llamaduo.tuner.qlora import Qlora
from llamaduo.tuner.rows import Tokens, tokens
from llamaduo.tuner.trainer import answer_loss, build, lora_config

HELD = 60
"""Rows the loss is measured on."""
KINDS = {"as shipped": (1,), "spread": (1, 1, 1, 2, 4, 8)}
"""How many messages a row may have; drawn for each."""
BARE = {
    "bare, TRL's defaults": (True, True),
    "bare, activations kept": (True, False),
    "bare, activations kept, no autocast": (False, False),
}
"""Whether bf16 autocast is on, and whether activations are computed again."""


@dataclass(frozen=True)
class Run:
    """What one training came to."""

    rate: float
    """Tokens a second, padding left out."""
    loss: float
    """On the held-out rows, in nats per answer token."""


def main() -> int:
    """Measure and print; 1 if the bare script is faster."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--seeds", type=int, default=2)
    given = parser.parse_args()
    slower = False
    for kind, counts in KINDS.items():
        exp = experiment(given.steps)
        tuner, template = exp.tuner, load.template(exp.local)
        assert isinstance(tuner, Qlora)
        data, _ = tokens(rows(exp, counts), template, tuner.max_length)
        held, data = data[:HELD], data[HELD:]
        runs: dict[str, list[Run]] = {"ours": [], **{name: [] for name in BARE}}
        for seed in range(given.seeds):
            for name, found in runs.items():
                with tempfile.TemporaryDirectory() as folder:
                    how: dict[str, Any] = {
                        "steps": given.steps,
                        "seed": seed,
                        "scratch": Path(folder),
                    }
                    if name == "ours":
                        trainer = build(tuner, exp.local, template, data, **how)
                    else:
                        trainer = bare(tuner, exp, template, data, *BARE[name], **how)
                    found.append(measured(trainer, held, tuner.batch_size))
                    print(f"  {kind}, seed {seed}, {name}: {said(found[-1:])}", flush=True)
        rates = {name: max(run.rate for run in found) for name, found in runs.items()}
        ratio = rates["ours"] / max(rates[name] for name in BARE)
        slower |= ratio < 1
        lengths = sorted(len(row["input_ids"]) for row in data)
        p50, p90 = (lengths[int(share * (len(lengths) - 1))] for share in (0.5, 0.9))
        print(f"{kind}: {len(data)} rows of {p50} tokens (p90 {p90}), {given.steps} steps of")
        print(f"  {tuner.batch_size} rows; best against best {ratio:.2f}x")
        for name, found in runs.items():
            print(f"  {name}: {said(found)}", flush=True)
    return int(slower)


def experiment(steps: int) -> Experiment:
    """Return the demo, with all layers tuned."""
    words = [f"tuner.steps={steps}", "tuner.layers=null", "tuner.max_length=512"]
    return from_overrides(["experiments=demo", *words, "tracker=none"])


def rows(exp: Experiment, counts: Sequence[int]) -> list[Example]:
    """Return the shipped rows, each with so many messages as are drawn from `counts`."""
    there = [placed.example for placed in exp.task.place()]
    draw = random.Random(0)
    draw.shuffle(there)
    made = []
    for row in there:
        before = draw.sample(there, draw.choice(counts) - 1)
        last = row.messages[-1]
        text = "\n".join([*(one.messages[-1].content for one in before), last.content])
        messages = (*row.messages[:-1], last.model_copy(update={"content": text}))
        made.append(row.model_copy(update={"messages": messages}))
    return made


def bare(
    tuner: Qlora,
    exp: Experiment,
    template: load.Template,
    data: Sequence[Tokens],
    autocast: bool,
    recompute: bool,
    *,
    steps: int,
    seed: int,
    scratch: Path,
) -> Any:
    """Return TRL's trainer with TRL's own defaults wherever a setting does not say otherwise."""
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    base = load.nf4(exp.local)
    arguments = SFTConfig(
        output_dir=str(scratch),
        max_steps=steps,
        per_device_train_batch_size=tuner.batch_size,
        gradient_accumulation_steps=tuner.accumulation,
        learning_rate=tuner.lr,
        lr_scheduler_type=tuner.schedule,
        warmup_steps=round(tuner.warmup * steps),
        max_grad_norm=tuner.clip,
        optim="adamw_torch",
        max_length=None,
        gradient_checkpointing=recompute,
        use_cpu=load.device().type == "cpu",
        bf16=autocast,
        save_strategy="no",
        logging_steps=1,
        seed=seed,
        report_to="none",
        disable_tqdm=True,
    )
    return SFTTrainer(
        model=base,
        args=arguments,
        train_dataset=Dataset.from_list(list(data)),
        processing_class=template.tokenizer,
        peft_config=lora_config(tuner, base.config.num_hidden_layers),
    )


def measured(trainer: Any, held: Sequence[Tokens], batch_size: int) -> Run:
    """Train and measure."""
    import torch
    from transformers import PrinterCallback

    trainer.remove_callback(PrinterCallback)
    seen = 0
    step = trainer.training_step

    def counted(model: Any, inputs: Any, *rest: Any, **named: Any) -> Any:
        nonlocal seen
        seen += int(inputs["attention_mask"].sum())
        return step(model, inputs, *rest, **named)

    trainer.training_step = counted
    started = time.perf_counter()
    trainer.train()
    seconds = time.perf_counter() - started
    total, count = 0.0, 0
    trainer.model.eval()
    for start in range(0, len(held), batch_size):
        inputs = trainer.data_collator(list(held[start : start + batch_size]))
        with torch.no_grad():
            total += float(answer_loss(trainer.model, inputs, reduction="sum")[0])
        count += int((inputs["labels"] != -100).sum())
    return Run(seen / seconds, total / count)


def said(runs: Sequence[Run]) -> str:
    """Return runs as text."""
    rates = ", ".join(f"{run.rate:.0f}" for run in runs)
    losses = ", ".join(f"{run.loss:.3f}" for run in runs)
    return f"{rates} tokens/s; held-out loss {losses} (mean {mean(run.loss for run in runs):.3f})"


if __name__ == "__main__":
    sys.exit(main())
