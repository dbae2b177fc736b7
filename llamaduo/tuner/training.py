"""One training from rows to a saved adapter, in this process or as one of several."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llamaduo.errors import CannotLearn
from llamaduo.local import LocalModel, load
from llamaduo.progress import Meter, Progress
from llamaduo.records import Example, Training
from llamaduo.tuner import Watch
from llamaduo.tuner.dev import Dev
from llamaduo.tuner.health import refuse_a_training_that_fails
from llamaduo.tuner.rows import tokens
from llamaduo.tuner.saved import newest_checkpoint, save, step_of
from llamaduo.tuner.trainer import build, trained

if TYPE_CHECKING:
    from llamaduo.tuner.qlora import Qlora


def train(
    tuner: "Qlora",
    local: LocalModel,
    rows: Sequence[Example],
    *,
    dev: Sequence[Example],
    seed: int,
    out: Path,
    scratch: Path,
    progress: Progress,
    watch: Watch | None,
) -> None:
    """Tune, or go on tuning from the newest whole checkpoint in `scratch`."""
    checkpoint = newest_checkpoint(scratch)
    template = load.template(local)
    data, too_long = tokens(rows, template, tuner.max_length)
    held, unseen = tokens(dev, template, tuner.max_length) if tuner.looks_at_dev else ([], [])
    if unseen:
        progress.say(
            f"{len(unseen)} of {len(dev)} dev rows have more than tuner.max_length="
            f"{tuner.max_length} tokens: the loss on dev is measured without them"
        )
    for some, what in ((data, rows), *(((held, dev),) if tuner.looks_at_dev else ())):
        if not some:
            raise CannotLearn(
                f"none of {len(what)} {'rows' if what is rows else 'dev rows'} fits in "
                f"tuner.max_length={tuner.max_length} tokens"
            )
    steps = tuner.steps or math.ceil(
        math.ceil(len(data) / (tuner.batch_size * tuner.accumulation)) * (tuner.epochs or 1)
    )
    trainer = build(tuner, local, template, data, steps=steps, seed=seed, scratch=scratch)
    look = (
        Dev(
            trainer,
            held,
            batch_size=tuner.batch_size // tuner.processes,
            patience=tuner.patience,
            scratch=scratch,
            watch=watch,
        )
        if tuner.eval_steps
        else None
    )
    done = step_of(checkpoint) if checkpoint else 0
    with progress.stage("tune", steps, "steps", done=done) as meter:
        trainer.add_callback(_callback(meter, look, tuner.eval_steps))
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    losses = _losses(trainer.state)[-10:]
    kept = look.put_best() if look else trainer.state.global_step
    facts = Training(
        rows=len(data),
        too_long=tuple(too_long),
        steps=trainer.state.global_step,
        loss=round(sum(losses) / len(losses), 6),
        dtype=str(load.compute_dtype()).removeprefix("torch."),
        tokens=int(trainer.state.num_input_tokens_seen),
        kept_step=kept,
        dev_rows=len(held),
        dev_loss=round(dict(look.looks)[kept], 6) if look else None,
        looks=tuple((step, round(loss, 6)) for step, loss in look.looks) if look else (),
    )
    weights = trained(trainer.model)
    if trainer.is_world_process_zero():
        history = trainer.state.log_history
        save(trainer.model, weights, template.tokenizer, local, facts, history, out)
    trainer.accelerator.wait_for_everyone()


def _losses(state: Any) -> list[float]:
    return [entry["loss"] for entry in state.log_history if "loss" in entry]


def _callback(meter: Meter, dev: Dev | None, eval_steps: int | None) -> Any:
    from transformers import TrainerCallback

    class Steps(TrainerCallback):  # type: ignore[misc]
        """Tells the meter of every step, ends what fails, and looks at dev."""

        losses: list[float] = []
        note = ""

        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            self.losses = _losses(state)

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            if logs and "loss" in logs:
                self.losses.append(logs["loss"])
                refuse_a_training_that_fails(self.losses)
                meter.step(note=f"loss {logs['loss']:.3f}{self.note}")

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            step, last = state.global_step, state.global_step >= state.max_steps
            if dev and eval_steps and (step % eval_steps == 0 or last):
                self.note = f", dev {dev.look(step):.3f}"
                if dev.is_enough():
                    last = control.should_training_stop = True
            if last:  # resumed from there, it would go one further
                control.should_save = False

        def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if dev:
                dev.settle()

    return Steps()
