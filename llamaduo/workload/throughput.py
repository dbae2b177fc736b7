"""How many replicas of a model keep up: from what one was measured to do."""

import numpy as np
import numpy.typing as npt
from pydantic import model_validator

from llamaduo.component import Component, DataFile
from llamaduo.errors import UsageError
from llamaduo.loads import Load, read
from llamaduo.workload.ranges import Least1, ends

Numbers = npt.NDArray[np.float64]


SPEEDS = ("output_tokens_per_s", "prompt_tokens_per_s", "sequences", "cache_tokens", "context")
"""What stands in a measurement's file where there is one."""


class Throughput(Component):
    """What one replica was measured to do, and how uneven the load is.

    Either `measured`, or the five speeds and sizes beside `peak_to_mean`.
    """

    measured: DataFile | None = None
    """A file of `llamaduo load`, whose figures at the knee then count. None: those below do."""
    output_tokens_per_s: Least1 | None = None
    """Completion tokens a second that one replica wrote, all its sequences together."""
    prompt_tokens_per_s: Least1 | None = None
    """Prompt tokens a second that one replica read, when it did nothing else."""
    sequences: Least1 | None = None
    """Sequences that it answered at once when `output_tokens_per_s` was measured."""
    cache_tokens: Least1 | None = None
    """Tokens whose keys and values fit beside the weights in a replica's memory."""
    context: Least1 | None = None
    """Tokens of the longest sequence, prompt and answer, for which memory is kept."""
    peak_to_mean: Least1
    """Load of the busiest hour over the mean load; 1 is a load without hours."""

    @model_validator(mode="after")
    def _whole(self) -> "Throughput":
        given = [name for name in SPEEDS if getattr(self, name) is not None]
        if self.measured is not None and given:
            raise ValueError(
                f"measured brings its own figures: set {', '.join(given)} to null, or measured"
            )
        missing = [name for name in SPEEDS if name not in given]
        if self.measured is None and missing:
            raise ValueError(f"needs {', '.join(missing)}; or measured, a file of `llamaduo load`")
        return self

    @model_validator(mode="after")
    def _fits(self) -> "Throughput":
        if self.cache_tokens is None or self.context is None:
            return self
        memory, context = ends(self.cache_tokens)[0], ends(self.context)[1]
        if memory < context:
            raise ValueError(
                f"a sequence of {context:g} tokens does not fit beside the weights, where "
                f"{memory:g} do: lower context, or take a larger server"
            )
        return self

    def load(self) -> Load | None:
        """Return what was measured; None: figures are given.

        Raises:
            UsageError: if the file is none of `llamaduo load`, or has nothing to go by.
        """
        if self.measured is None:
            return None
        found = read(self.measured)
        if found.knee is None:
            raise UsageError(
                f"throughput.measured: {self.measured} has no rate that is known to be kept up "
                "with; measure several: llamaduo load URL --sweep"
            )
        if not found.knee.prompt_tokens or not found.knee.output_tokens:
            raise UsageError(
                f"throughput.measured: {self.measured} has no count of tokens, since the server "
                "gave none; give output_tokens_per_s and the others in its place"
            )
        return found


def keeping_up(read: Numbers, written: Numbers, load: Load, *, peak_to_mean: Numbers) -> Numbers:
    """Return how many replicas answer the busiest hour, by what one did at its knee; at least 1.

    There it read and wrote at once, in the proportion of the task. Whatever of its time each
    took, a load of another proportion takes no more than the larger of the two ratios:
    replicas = ceil(peak_to_mean * max(read / speed read, written / speed written)).

    Args:
        read: prompt tokens a second, on average over the hours the servers are on.
        written: completion tokens a second, the same.
        load: with a knee.
    """
    knee = load.knee
    assert knee is not None, "refused otherwise, when it is read"
    most = np.maximum(read / knee.prompt_tokens_per_s, written / knee.output_tokens_per_s)
    return np.maximum(np.ceil(peak_to_mean * most - 1e-9), 1.0)


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
