"""What this machine has: GPUs, memory, disks. Read once, handed on as plain figures."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from llamaduo.local.load import CPU_BF16

DEVICES = ("/dev/nvidiactl", "/dev/nvidia0", "/dev/dxg", "/dev/kfd")
"""One of these is there where CUDA or ROCm can be; without it torch need not be imported."""

LIMITS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    (
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
        "/sys/fs/cgroup/memory/memory.usage_in_bytes",
    ),
)
"""A container's limit and use, by version of control groups; psutil sees the host's."""


@dataclass(frozen=True)
class Gpu:
    """One GPU that this process may use."""

    name: str
    memory: int
    """Bytes in all."""
    free: int
    """Bytes that no process has, and those that this one has and does not use. Of another GPU
    than this process's own all of it: it is not asked."""
    capability: tuple[int, int]
    """CUDA's compute capability: (8, 9) is an L4."""


@dataclass(frozen=True)
class Machine:
    """What a run can have here."""

    gpus: Sequence[Gpu]
    """The first is this process's own."""
    memory: int
    """Bytes of RAM, or of the container's limit where that is less."""
    free: int
    bf16: bool
    """Whether models are computed in bf16; in fp32 otherwise."""

    @property
    def width(self) -> int:
        """Bytes of a number of a model that is not quantised."""
        return 2 if self.gpus or self.bf16 else 4

    @property
    def adapter_width(self) -> int:
        """Bytes of a number of an adapter that is tuned: bf16 on a GPU, fp32 on a CPU."""
        return 2 if self.gpus else 4

    @property
    def room(self) -> tuple[str, int, int]:
        """Return what models stand in, its size and what of it is free: the first GPU, or RAM."""
        if self.gpus:
            return f"the GPU ({self.gpus[0].name})", self.gpus[0].memory, self.gpus[0].free
        return "memory", self.memory, self.free


def look() -> Machine:
    """Look at this machine; under 5 ms where there is no GPU."""
    import psutil

    ram = psutil.virtual_memory()
    memory, free = ram.total, ram.available
    for limit, used in LIMITS:
        most, now = _number(Path(limit)), _number(Path(used))
        if most is not None and now is not None and most < memory:
            memory, free = most, min(free, max(most - now, 0))
    return Machine(gpus=_gpus(), memory=memory, free=free, bf16=_cpu_bf16())


def free_disk(folder: Path) -> tuple[int, int]:
    """Return the file system that `folder` stands or will stand on, and its free bytes."""
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    return there.stat().st_dev, shutil.disk_usage(there).free


def _gpus() -> tuple[Gpu, ...]:
    if not any(Path(device).exists() for device in DEVICES):
        return ()
    import torch

    if not torch.cuda.is_available():
        return ()
    own = torch.cuda.current_device()
    others = [index for index in range(torch.cuda.device_count()) if index != own]
    found = []
    for index in (own, *others):
        of = torch.cuda.get_device_properties(index)
        free = of.total_memory
        if index == own:  # to ask another takes some hundred MiB of it
            free, _ = torch.cuda.mem_get_info(own)
            free += torch.cuda.memory_reserved(own) - torch.cuda.memory_allocated(own)
        found.append(Gpu(of.name, of.total_memory, free, (of.major, of.minor)))
    return tuple(found)


def _cpu_bf16() -> bool:
    """Find what `load.compute_dtype` asks torch, by the kernel's list where there is one."""
    try:
        said = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        import torch

        return any(torch.cpu.get_capabilities().get(name) for name in CPU_BF16)
    flags = next((line for line in said.splitlines() if line.startswith(("flags", "Features"))), "")
    known = {flag.replace("svebf16", "sve_bf16") for flag in flags.split()}
    return any(name in known for name in CPU_BF16)


def _number(file: Path) -> int | None:
    try:
        return int(file.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
