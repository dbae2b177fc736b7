"""Whether activations are computed again rather than kept: slower, and less memory."""

from typing import TYPE_CHECKING

from llamaduo.local.shape import Shape
from llamaduo.machine import Machine
from llamaduo.memory import tuning

if TYPE_CHECKING:
    from llamaduo.tuner.qlora import Qlora

MARGIN = 0.8
"""Share of the free memory that the estimate may take before activations are not kept: other
processes come and go, and the estimate was fitted to one model (docs/before-you-start.md)."""


def recomputes(
    tuner: "Qlora", shape: Shape | None, here: Machine, *, length: int, labelled: int
) -> bool:
    """Decide what `gradient_checkpointing` is: as it is set, or what the memory asks for.

    Args:
        shape: of the base model; not known, nothing is kept.
        length: tokens of the longest row.
        labelled: tokens of the longest answer.
    """
    if tuner.gradient_checkpointing != "auto":
        return tuner.gradient_checkpointing
    if shape is None:
        return True
    need = tuning(
        shape,
        r=tuner.r,
        layers=tuner.layers,
        batch=tuner.batch_size // tuner.processes,
        length=length,
        labelled=labelled,
        checkpointing=False,
        dropout=tuner.dropout > 0,
        width=here.width,
        cpu=not here.gpus,
    )
    _, _, free = here.room
    each = free if here.gpus else free / tuner.processes
    return need.total > MARGIN * each
