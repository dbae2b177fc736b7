"""The loss on dev rows, and the adapter that had the lowest."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from llamaduo.tuner import Watch
from llamaduo.tuner.health import best_step, is_enough
from llamaduo.tuner.rows import Tokens
from llamaduo.tuner.saved import forget_worse, load_best, save_best
from llamaduo.tuner.trainer import answer_loss, put_weights, weights_of

LOSS = "dev_loss"
"""Key of a look's result in the trainer's log, which its checkpoints hold."""


class Dev:
    """Looks at dev every so many steps, keeps the best adapter, and knows when it is enough."""

    def __init__(
        self,
        trainer: Any,
        data: Sequence[Tokens],
        *,
        batch_size: int,
        patience: int | None,
        scratch: Path,
        watch: Watch | None,
    ) -> None:
        """Look with `data`, `batch_size` rows at once; tell `watch` of each look."""
        self.trainer, self.scratch, self.watch = trainer, scratch, watch
        self.patience = patience
        rows = sorted(data, key=lambda row: len(row["input_ids"]))
        self.batches = [rows[i : i + batch_size] for i in range(0, len(rows), batch_size)]

    @property
    def looks(self) -> list[tuple[int, float]]:
        """(step, loss in nats per answer token) of every look, also of those before a kill."""
        return [
            (int(entry["step"]), float(entry[LOSS]))
            for entry in self.trainer.state.log_history
            if LOSS in entry
        ]

    def look(self, step: int) -> float:
        """Measure the loss after `step`, and keep the adapter if it is the best so far."""
        loss = self.loss()
        self.trainer.state.log_history.append({LOSS: loss, "step": step})
        if best_step(self.looks) == step:
            weights = weights_of(self.trainer.model)
            if self.trainer.is_world_process_zero():
                save_best(weights, self.scratch, step)
        if self.watch is not None:
            self.watch(step, loss)
        return loss

    def is_enough(self) -> bool:
        """Whether the last looks found nothing better."""
        return is_enough(self.looks, self.patience)

    def settle(self) -> None:
        """Remove what is no longer the best; a checkpoint now says which is."""
        if self.trainer.is_world_process_zero():
            forget_worse(self.scratch, best_step(self.looks))

    def put_best(self) -> int:
        """Put the best adapter's weights into the model; returns its step."""
        best = best_step(self.looks)
        assert best is not None, "dev is looked at after the last step at the latest"
        if best != self.trainer.state.global_step:
            put_weights(self.trainer.model, load_best(self.scratch, best))
        return best

    def loss(self) -> float:
        """Return the mean loss per answer token over all dev rows, in nats.

        Each process takes its share of the batches; all take as many, as sharded models must.
        """
        import torch

        trainer = self.trainer
        rank, world = trainer.accelerator.process_index, trainer.accelerator.num_processes
        turns = -(-len(self.batches) // world)
        sums = torch.zeros(2, dtype=torch.float64, device=trainer.args.device)
        with _evaluating(trainer.model_wrapped), torch.no_grad():
            for turn in range(turns):
                at = turn * world + rank
                batch = self.batches[at] if at < len(self.batches) else self.batches[0]
                inputs = trainer._prepare_inputs(trainer.data_collator(batch))
                total, _ = answer_loss(trainer.model_wrapped, inputs, reduction="sum")
                if at < len(self.batches):
                    count = sum(label != -100 for row in batch for label in row["labels"])
                    sums += sums.new_tensor([float(total), float(count)])
        if world > 1:  # the same bits in all processes, so that all decide the same
            sums = trainer.accelerator.reduce(sums)
        return float(sums[0] / sums[1])


@contextmanager
def _evaluating(model: Any) -> Iterator[None]:
    model.eval()
    try:
        yield
    finally:
        model.train()
