"""How long answers take, from where it is known: a run's own calls, or a load test of its model."""

import math
from collections.abc import Sequence
from pathlib import Path

from llamaduo.cost.rate import mean_rate
from llamaduo.experiment import Experiment
from llamaduo.loads import ERRORS, FOLDER, AtRate, Latency, newest


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
    lowest rate: without a workload nobody knows how many come at once. It is timed over those
    that were answered, so none counts where so many were not that the rate is not kept up with,
    nor where answers came ever later: of a longer test it would be another.

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
    borne = "" if wanted is None else f"the {wanted:.3g} that the workload has one server bear"
    if found is None:
        most = f"the highest rate measured, {load.rates[-1].rate:g} requests/s, is below {borne}"
        return Latency(p95_ms=None, n=0, source=load.said(), but=most)
    why = f"for {borne}" if borne else "the lowest measured"
    source = f"{load.said()}, at {found.rate:g} requests/s, {why}"
    if but := _against(found):
        return Latency(p95_ms=None, n=found.answered, source=source, but=but)
    if found.whole is None:
        return None
    return Latency(p95_ms=found.whole.p95, n=found.whole.n, source=source)


def _against(found: AtRate) -> str:
    """Say why the p95 of a rate is none to go by; "" where it is."""
    if found.failures >= ERRORS:
        kinds = ", ".join(f"{n} {why}" for why, n in found.failed.items())
        return (
            f"{found.sent - found.answered} of {found.sent} requests were not answered ({kinds}), "
            f"where under {100 * ERRORS:g} % may not be"
        )
    if not found.keeps_pace:
        return (
            "answers came ever later, by "
            f"{found.later:.2g} s or more for each second of requests: the server cannot keep up"
        )
    return ""
