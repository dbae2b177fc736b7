"""How many replicas of a model keep up: from what one was measured to do."""

import numpy as np
import numpy.typing as npt
from pydantic import model_validator

from llamaduo.component import Component
from llamaduo.workload.ranges import Least1, ends

Numbers = npt.NDArray[np.float64]


class Throughput(Component):
    """What one replica was measured to do, and how uneven the load is."""

    output_tokens_per_s: Least1
    """Completion tokens a second that one replica wrote, all its sequences together."""
    prompt_tokens_per_s: Least1
    """Prompt tokens a second that one replica read, when it did nothing else."""
    sequences: Least1
    """Sequences that it answered at once when `output_tokens_per_s` was measured."""
    cache_tokens: Least1
    """Tokens whose keys and values fit beside the weights in a replica's memory."""
    context: Least1
    """Tokens of the longest sequence, prompt and answer, for which memory is kept."""
    peak_to_mean: Least1
    """Load of the busiest hour over the mean load; 1 is a load without hours."""

    @model_validator(mode="after")
    def _fits(self) -> "Throughput":
        memory, context = ends(self.cache_tokens)[0], ends(self.context)[1]
        if memory < context:
            raise ValueError(
                f"a sequence of {context:g} tokens does not fit beside the weights, where "
                f"{memory:g} do: lower context, or take a larger server"
            )
        return self


def replicas(
    read: Numbers,
    written: Numbers,
    *,
    output_tokens_per_s: Numbers,
    prompt_tokens_per_s: Numbers,
    sequences: Numbers,
    cache_tokens: Numbers,
    context: Numbers,
    peak_to_mean: Numbers,
) -> Numbers:
    """Return how many replicas answer the busiest hour; at least 1.

    A replica holds `cache_tokens / context` sequences, rounded down. Where that is fewer
    than it was measured with, it is taken to write slower in proportion; more than those
    make it no faster. Reading and writing share its time, so what both take is added:
    replicas = ceil(peak_to_mean * (read / prompt speed + written / output speed)).

    Args:
        read: prompt tokens a second, on average over the hours the servers are on.
        written: completion tokens a second, the same.
        output_tokens_per_s: and the others as in `Throughput`, of a shape that broadcasts.
    """
    held = np.floor(cache_tokens / context)
    speed = output_tokens_per_s * np.minimum(1.0, held / sequences)
    busy = peak_to_mean * (read / prompt_tokens_per_s + written / speed)
    return np.maximum(np.ceil(busy - 1e-9), 1.0)
