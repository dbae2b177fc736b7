"""What a run does to its machine: CPU, memory and GPUs, sampled while it is shown."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import psutil

FIRST, LONGEST = 1.0, 60.0
"""Seconds between two samples: of a short run at first, of a long one in the end."""
SHARE = 30
"""A sample is taken whenever the run is longer by 1/`SHARE`; a day has 200, not 86,400."""
FLUSH = 60.0
"""Seconds after which what was sampled is handed on."""

Samples = dict[str, dict[int, float | None]]
"""By name, each by its second since the run was first begun."""


class Machine:
    """Samples in a thread of its own, which ends with `stop`, and at the latest with the process.

    MLflow's own monitor asks the server for the run's status after every sample; this one asks
    nobody, and hands on what it has once a minute.
    """

    def __init__(self, begun: float, send: Callable[[Samples], None]) -> None:
        """Begin.

        Args:
            begun: when the run was, in seconds since the epoch; samples are counted from there.
            send: takes the samples; where it raises, they are kept for the next time.
        """
        self.begun, self.send = begun, send
        self.wanted = threading.Event()
        """Set once there is something new to show: a run that is only read again is not sampled."""
        self._samples: Samples = {}
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._readers = _readers()
        self._thread = threading.Thread(target=self._sample, name="machine", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop sampling, and hand on what is left. Calling it again does nothing."""
        if not self._over.is_set():
            self._over.set()
            self._thread.join()
            self._flush()

    def _sample(self) -> None:
        started = flushed = time.monotonic()
        own = _Own()
        while not self._over.wait(min(max((time.monotonic() - started) / SHARE, FIRST), LONGEST)):
            found = own.read()
            for reader in self._readers:
                with suppress(Exception):  # a figure that the machine does not give
                    reader.collect_metrics()
                    found |= reader.aggregate_metrics()
                    reader.clear_metrics()
            second = int(time.time() - self.begun)
            for name, value in found.items():
                self._samples.setdefault(f"system/{name}", {})[second] = value
            if time.monotonic() - flushed >= FLUSH:
                flushed = time.monotonic()
                self._flush()

    def _flush(self) -> None:
        with self._lock:
            if not self.wanted.is_set() or not self._samples:
                return
            samples = self._samples
            with suppress(Exception):  # a server that is away is asked again
                self.send(samples)
                self._samples = {}


class _Own:
    """Of this process, and of those it started."""

    def __init__(self) -> None:
        self.process = psutil.Process()
        self.at, self.used = time.monotonic(), self._used()[0]

    def read(self) -> dict[str, float]:
        now, (used, resident) = time.monotonic(), self._used()
        share = 100 * max(used - self.used, 0.0) / max(now - self.at, 1e-3)
        self.at, self.used = now, used
        return {
            "process_cpu_percentage": round(share, 1),
            "process_memory_megabytes": round(resident / 1e6, 1),
        }

    def _used(self) -> tuple[float, float]:
        """Return CPU seconds and resident bytes."""
        seconds = resident = 0.0
        for process in [self.process, *self.process.children(recursive=True)]:
            with suppress(psutil.Error):  # it has just ended
                times = process.cpu_times()
                seconds += times.user + times.system
                resident += process.memory_info().rss
        return seconds, resident


def _readers() -> list[Any]:
    """Return MLflow's readers of the whole machine and of its NVIDIA GPUs, where there are any."""
    from mlflow.system_metrics.metrics.cpu_monitor import CPUMonitor
    from mlflow.system_metrics.metrics.gpu_monitor import GPUMonitor

    found: list[Any] = [CPUMonitor()]
    with suppress(Exception):  # no nvidia-ml-py, or no GPU
        found.append(GPUMonitor())
    return found
