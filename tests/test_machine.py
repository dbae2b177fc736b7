"""What this machine has."""

from pathlib import Path

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
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda index: (10, 20))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda index: "GPU")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda index: (8, 9))
    here = machine.look()
    assert here.gpus == (machine.Gpu("GPU", 20, 10, (8, 9)),)
    assert here.room == ("the GPU (GPU)", 20, 10)
    assert (here.width, here.adapter_width) == (2, 2)
