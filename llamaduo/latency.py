"""How long answers take, from where it is known: a run's own calls, or a load test of its model."""

import math
from collections.abc import Sequence
from pathlib import Path

from llamaduo.cost.rate import mean_rate
from llamaduo.experiment import Experiment
from llamaduo.loads import FOLDER, Latency, newest


def of_calls(seconds: Sequence[float]) -> Latency | None:
    """Return the p95 of calls that were timed one by one; None if there were none.

    Args:
        seconds: of each, rising.
    """
    if not seconds:
        return None
    slow = seconds[math.ceil(0.95 * len(seconds)) - 1]
    return Latency(p95_ms=1000 * slow, n=len(seconds), source="the calls of this run")


def of_load(exp: Experiment, private: Path, adapter: str) -> Latency | None:
    """Return the p95 that a load test of a model measured; None if there was none.

    It is that of the lowest rate measured which is no lower than what one server has to bear by
    the workload, where the workload goes by a measurement of this model; else that of the
    lowest rate: without a workload nobody knows how many come at once.

    Args:
        exp: the run.
        private: the folder `.llamaduo` of its home.
        adapter: content digest of the adapter that makes the model.

    Raises:
        UsageError: if a file among the load tests is none.
    """
    load = newest(private / FOLDER, adapter)
    if load is None:
        return None
    wanted = mean_rate(exp.workload, load)
    found = load.at_rate(wanted)
    if found.whole is None:
        return None
    why = (
        "the lowest measured"
        if wanted is None
        else f"for the {wanted:.3g} that the workload has one server bear"
    )
    source = f"{load.said()}, at {found.rate:g} requests/s, {why}"
    return Latency(p95_ms=found.whole.p95, n=found.whole.n, source=source)
