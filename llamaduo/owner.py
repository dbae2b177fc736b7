"""Who holds a claim on a call, and whether it still runs."""

import os
import platform
import time

import psutil

LEASE = 3600.0
"""Seconds after which another host's claim is free. A claim is renewed with each try, before and
after the wait for its moment, so it is longer than one try and one wait take: 120 s and 11 min."""

CLOCKS_DIFFER = 2.0
"""Seconds by which two readings of when a process began may differ: the kernel's boot time,
which they are reckoned from, follows the clock in whole seconds."""


def this_process() -> str:
    """Return a name that no other process has had: host, number, when it began."""
    return f"{platform.node()}:{os.getpid()}:{_started(psutil.Process())}"


def _started(process: psutil.Process) -> str:
    """Return when `process` began, in seconds since boot: no step of the clock moves it."""
    return f"{process.create_time() - psutil.boot_time():.2f}"


def alive(owner: str, since: float) -> bool:
    """Whether the process that claimed a call at `since` still runs.

    Of another host (a container of another name) we cannot know: for `LEASE` seconds, yes.
    """
    host, pid, started = owner.rsplit(":", 2)
    if host != platform.node():
        return time.time() - since < LEASE
    try:
        process = psutil.Process(int(pid))
        same = abs(float(_started(process)) - float(started)) < CLOCKS_DIFFER
        return same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
