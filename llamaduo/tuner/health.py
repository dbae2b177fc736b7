"""Whether a training still learns: pure, from the losses so far."""

import math
from collections.abc import Sequence

from llamaduo.errors import CannotLearn

WINDOW = 10
"""Steps whose mean loss is compared; one batch says little."""

GROWTH = 1.0
"""Nats per token by which the loss may be over that of the first steps before it counts as
diverged: e times less likely answers than the model gave untuned."""


def refuse_a_training_that_fails(losses: Sequence[float]) -> None:
    """Raise where going on is wasted.

    Args:
        losses: training loss of every optimiser step so far, in nats per token.

    Raises:
        CannotLearn: if the last loss is not a number, or the mean of the last `WINDOW` is more
            than `GROWTH` over that of the first.
    """
    if not losses:
        return
    if not math.isfinite(losses[-1]):
        raise CannotLearn(
            f"the loss became {losses[-1]} at step {len(losses)}: lower tuner.lr, or raise "
            "tuner.warmup"
        )
    if len(losses) < 2 * WINDOW:
        return
    first, last = (sum(part) / WINDOW for part in (losses[:WINDOW], losses[-WINDOW:]))
    if last > first + GROWTH:
        raise CannotLearn(
            f"tuning diverges: the mean loss of steps {len(losses) - WINDOW + 1} to {len(losses)} "
            f"is {last:.2f}, and of the first {WINDOW} it was {first:.2f}; lower tuner.lr or "
            "tuner.clip, or raise tuner.warmup or tuner.batch_size"
        )


def best_step(dev: Sequence[tuple[int, float]]) -> int | None:
    """Return the step with the lowest dev loss, the first of equals; None where none was taken.

    Args:
        dev: (step, dev loss in nats per token), in order.
    """
    return min(dev, key=_loss_first)[0] if dev else None


def _loss_first(look: tuple[int, float]) -> tuple[float, int]:
    step, loss = look
    return (loss if math.isfinite(loss) else math.inf), step


def is_enough(dev: Sequence[tuple[int, float]], patience: int | None) -> bool:
    """Whether the last `patience` looks at dev found nothing better than before."""
    best = best_step(dev)
    if patience is None or best is None:
        return False
    return sum(step > best for step, _ in dev) >= patience
