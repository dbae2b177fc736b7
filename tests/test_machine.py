"""What this machine has."""

from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
import torch

from llamaduo import machine
from llamaduo.local import load


def test_the_width_of_numbers_is_what_models_are_loaded_with() -> None:
    assert machine.look().width == load.compute_dtype().itemsize


def test_a_containers_limit_goes_before_the_hosts_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit, used = tmp_path / "max", tmp_path / "current"
    monkeypatch.setattr(machine, "LIMITS", ((str(limit), str(used)),))
    host = psutil.virtual_memory().total
    limit.write_text("max\n")
    used.write_text("5\n")
    assert machine.look().memory == host
    limit.write_text("1000\n")
    here = machine.look()
    assert (here.memory, here.free) == (1000, 995)


def test_a_disk_is_measured_where_the_folder_will_be(tmp_path: Path) -> None:
    disk, free = machine.free_disk(tmp_path / "not" / "yet")
    assert disk == tmp_path.stat().st_dev
    assert free > 0


def test_gpus_are_read_where_a_device_says_there_may_be_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "DEVICES", (str(tmp_path),))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 1)
    asked: list[int] = []

    def mem_get_info(index: int) -> tuple[int, int]:
        asked.append(index)
        return 10, 20

    def properties(index: int) -> SimpleNamespace:
        return SimpleNamespace(name=f"GPU {index}", total_memory=20, major=8, minor=9)

    monkeypatch.setattr(torch.cuda, "mem_get_info", mem_get_info)
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda index: 5)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda index: 2)
    monkeypatch.setattr(torch.cuda, "get_device_properties", properties)
    here = machine.look()
    own, other = machine.Gpu("GPU 1", 20, 13, (8, 9)), machine.Gpu("GPU 0", 20, 20, (8, 9))
    assert here.gpus == (own, other)
    assert asked == [1], "a context on another GPU would take some of it"
    assert here.room == ("the GPU (GPU 1)", 20, 13)
    assert (here.width, here.adapter_width) == (2, 2)
