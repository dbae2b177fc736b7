"""How many requests a second one server has to bear by a workload."""

import numpy as np

from llamaduo.loads import Load
from llamaduo.workload import Workload
from llamaduo.workload.ranges import likely
from llamaduo.workload.throughput import keeping_up


def mean_rate(workload: Workload, load: Load) -> float | None:
    """Return it, on average over the hours the servers are on, at likely values.

    None: the workload does not go by a measurement of this model, so that it is of another
    task, and how many tokens its requests have is not known.

    Args:
        load: a measurement of a model, which says how many tokens an answer has.

    Raises:
        UsageError: if what the workload names is no measurement.
    """
    own = None if workload.throughput is None else workload.throughput.load()
    if workload.throughput is None or own is None or own.knee is None:
        return None
    if own.adapter != load.adapter:
        return None
    seconds = 3600 * likely(workload.hours_per_month)
    days = likely(workload.days_per_month)
    read = likely(workload.input_tokens_per_day) * days / seconds
    written = likely(workload.output_tokens_per_day) * days / seconds
    peak = np.array([likely(workload.throughput.peak_to_mean)])
    on = keeping_up(np.array([read]), np.array([written]), own, peak_to_mean=peak)
    servers = float(on[0])
    return written / (own.knee.output_tokens / own.knee.answered) / servers
