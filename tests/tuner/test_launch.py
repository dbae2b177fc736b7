"""Tuning by two processes on the tiny model: the same adapter, and none left behind."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from llamaduo.config import from_overrides
from llamaduo.errors import ConfigError, ModelError
from llamaduo.local import load
from llamaduo.local.adapter import WEIGHTS
from llamaduo.progress import Progress
from llamaduo.records import Example, Message, Training
from llamaduo.store import _hashes as hashes
from llamaduo.tuner import Watch, launch
from llamaduo.tuner.job import Job, read, written
from llamaduo.tuner.qlora import Qlora

TINY = ["experiments=demo_tiny", "tracker=none"]
SHARED = ["tuner.processes=2", "tuner.batch_size=4", "tuner.accumulation=2"]
LENGTH = ["tuner.steps=10", "tuner.save_steps=2", "tuner.eval_steps=2", "tuner.dropout=0"]


def row(n: int, target: str = "yes") -> Example:
    return Example(id=str(n), messages=(Message(role="user", content=f"say {n}"),), target=target)


ROWS = [row(n, "yes, " * (n % 4 + 1)) for n in range(13)]  # the last batch of an epoch is one row
DEV = [row(n, "yes, " * (n % 3 + 1)) for n in range(20, 27)]


def tune(into: Path, overrides: list[str], watch: Watch | None = None) -> Training:
    exp = from_overrides([*TINY, *LENGTH, *overrides])
    out, scratch = into / "out", into / "work"
    for folder in (out, scratch):
        folder.mkdir(parents=True, exist_ok=True)
    exp.tuner.tune(
        exp.local,
        ROWS,
        dev=DEV,
        seed=1,
        out=out,
        scratch=scratch,
        progress=Progress(),
        watch=watch,
    )
    return Training.model_validate_json((out / "training.json").read_bytes())


def family() -> dict[str, psutil.Process]:
    """Return what tunes in this test session, whoever started it, by rank; the launcher by ``."""
    found = {}
    for process in psutil.process_iter():
        try:
            if "llamaduo.tuner.child" in process.cmdline() and alive(process):
                its = process.environ()
                if its.get("XDG_CACHE_HOME") == os.environ["XDG_CACHE_HOME"]:
                    found[its.get("RANK", "")] = process
        except psutil.Error:  # gone meanwhile
            continue
    return found


def alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@dataclass(frozen=True)
class Tuned:
    folder: Path
    facts: Training
    looks: tuple[tuple[int, float], ...]

    def weights(self) -> dict[str, Any]:
        from safetensors.torch import load_file

        found: dict[str, Any] = load_file(self.folder / "out" / WEIGHTS)
        return found


@pytest.fixture(scope="module")
def cached(cache: Path) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(cache))
        patch.setenv("OMP_NUM_THREADS", "1")
        yield


@pytest.fixture(scope="module")
def by_two(cached: None, tmp_path_factory: pytest.TempPathFactory) -> Tuned:
    """Two processes, from the first step to the last, undisturbed."""
    looks = []
    folder = tmp_path_factory.mktemp("two")
    facts = tune(folder, SHARED, lambda step, loss: looks.append((step, loss)))
    return Tuned(folder, facts, tuple(looks))


@pytest.fixture(scope="module")
def by_one(cached: None, tmp_path_factory: pytest.TempPathFactory) -> Tuned:
    looks = []
    folder = tmp_path_factory.mktemp("one")
    facts = tune(
        folder, [*SHARED, "tuner.processes=1"], lambda step, loss: looks.append((step, loss))
    )
    return Tuned(folder, facts, tuple(looks))


def test_two_processes_leave_what_one_leaves(by_one: Tuned, by_two: Tuned) -> None:
    one, two = (sorted(p.name for p in (t.folder / "out").iterdir()) for t in (by_one, by_two))
    assert one == two
    identity = [(t.folder / "out/identity.json").read_bytes() for t in (by_one, by_two)]
    assert identity[0] == identity[1]


def test_two_processes_tune_on_the_same_rows_to_nearly_the_same_adapter(
    by_one: Tuned, by_two: Tuned
) -> None:
    same = ("rows", "steps", "tokens", "too_long", "dtype", "dev_rows", "kept_step")
    for name in same:
        assert getattr(by_one.facts, name) == getattr(by_two.facts, name), name
    assert by_two.facts.loss == pytest.approx(by_one.facts.loss, rel=1e-3)
    assert [step for step, _ in by_two.looks] == [2, 4, 6, 8, 10]
    for (_, one), (_, two) in zip(by_one.looks, by_two.looks, strict=True):
        assert two == pytest.approx(one, rel=1e-3)
    one_by_name, two_by_name = by_one.weights(), by_two.weights()
    moved = sum(w.float().norm() ** 2 for n, w in one_by_name.items() if "lora_B" in n) ** 0.5
    apart = sum(
        (w.float() - two_by_name[n].float()).norm() ** 2
        for n, w in one_by_name.items()
        if "lora_B" in n
    )
    assert float(apart**0.5 / moved) < 0.01  # of how far training moved them


@pytest.mark.usefixtures("cached")
def test_a_tuning_one_of_whose_processes_is_killed_goes_on_to_the_same_bytes(
    by_two: Tuned, tmp_path: Path
) -> None:
    found: dict[str, psutil.Process] = {}

    def kill_the_second(step: int, dev_loss: float) -> None:
        found.update(family() if step == 2 else {})
        if step == 4:
            found["1"].kill()

    with pytest.raises(ModelError, match=r"process 1 \(of 0 to 1\) was killed by SIGKILL"):
        tune(tmp_path, SHARED, kill_the_second)
    assert not family()
    looks: list[int] = []
    assert tune(tmp_path, SHARED, lambda step, loss: looks.append(step)) == by_two.facts
    assert 2 not in looks  # it went on from a checkpoint
    assert hashes(tmp_path / "out") == hashes(by_two.folder / "out")


@pytest.mark.usefixtures("cached")
def test_what_a_process_refuses_arrives_in_its_own_words(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"^the loss became (nan|inf) at step \d: lower tuner\.lr"):
        tune(tmp_path, [*SHARED, "tuner.lr=1e30", "tuner.clip=1e30"])
    assert not family()


@pytest.mark.parametrize("ends", [InterruptedError, KeyboardInterrupt])
def test_what_the_watch_raises_passes_and_ends_all_processes(
    ends: type[BaseException], tmp_path: Path
) -> None:
    started: list[psutil.Process] = []

    def stop(step: int, dev_loss: float) -> None:
        [child] = psutil.Process(process.pid).children()
        started.extend([psutil.Process(process.pid), child])
        raise ends

    with (
        (tmp_path / "log").open("w") as log,
        pytest.raises(ends),
        launch._started([sys.executable, "-c", FAMILY], log) as (process, messages),
    ):
        launch._listen(messages, Progress(), stop)
    assert len(started) == 2
    assert not any(alive(one) for one in started)


FAMILY = """
import json, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print(json.dumps({"look": [2, 0.5]}), flush=True)
time.sleep(60)
"""


def test_no_process_outlives_a_parent_that_is_killed(tmp_path: Path) -> None:
    exp = from_overrides([*TINY, *LENGTH, *SHARED])
    job = Job(
        tuner=written(exp.tuner),
        local=written(exp.local),
        rows=tuple(ROWS),
        dev=(),
        seed=1,
        out=tmp_path,
        scratch=tmp_path,
    )
    (tmp_path / "job.json").write_text(job.model_dump_json())
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path)], env=launch.environment(os.environ)
    )
    until(lambda: set(family()) == {"", "0", "1"}, seconds=60)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    until(lambda: not family(), seconds=20)


PARENT = """
import sys
from pathlib import Path
from llamaduo.tuner import launch
from llamaduo.tuner.job import Job, read
at = Path(sys.argv[1])
job = Job.model_validate_json((at / "job.json").read_bytes())
tuner = read(job.tuner)
with (at / "log").open("w") as errors:
    line = launch.command(tuner, at / "job.json", launch.settings(at), gpu=False)
    with launch._started(line, errors) as (process, messages):
        process.wait()
"""


def until(true: Any, *, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_components_come_out_of_a_job_as_they_went_in() -> None:
    exp = from_overrides([*TINY, *SHARED])
    for component in (exp.tuner, exp.local, exp.judge, exp.service, exp.task):
        assert read(json.loads(json.dumps(written(component)))) == component


def test_a_job_builds_nothing_but_components() -> None:
    with pytest.raises(TypeError, match="subprocess:Popen is not a llamaduo Component"):
        read({"_target_": "subprocess:Popen", "args": "true"})


def sharded(**fields: Any) -> Qlora:
    tuner = from_overrides(TINY).tuner
    assert isinstance(tuner, Qlora)
    return tuner.model_copy(update={"processes": 2, "batch_size": 4, "sharding": "fsdp", **fields})


def parsed(tuner: Qlora, tmp_path: Path, *, gpu: bool) -> Any:
    from accelerate.commands import launch as accelerate

    words = launch.command(tuner, tmp_path / "job.json", launch.settings(tmp_path), gpu=gpu)
    parser = accelerate.launch_command_parser()
    given, _, _ = accelerate._validate_launch_command(parser.parse_args(words[3:]))
    return given


def test_accelerate_takes_the_command_and_nothing_of_the_users_own_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from accelerate.commands import launch as accelerate
    from accelerate.commands.config import config_args

    theirs = tmp_path / "default_config.yaml"
    theirs.write_text(
        "compute_environment: LOCAL_MACHINE\ndistributed_type: DEEPSPEED\nnum_machines: 3\n"
        "mixed_precision: fp16\nuse_cpu: true\ngpu_ids: '7'\nmachine_rank: 2\ndebug: true\n"
        "enable_cpu_affinity: true\nmain_training_function: theirs\n"
    )
    for module in (accelerate, config_args):
        monkeypatch.setattr(module, "default_config_file", str(theirs))
    given = parsed(sharded(sharding="none"), tmp_path, gpu=False)
    assert (given.num_processes, given.num_machines, given.machine_rank) == (2, 1, 0)
    assert (given.multi_gpu, given.use_fsdp, given.use_deepspeed) == (True, False, False)
    assert (given.mixed_precision, given.gpu_ids, given.debug) == ("no", "all", False)
    assert (given.module, given.training_script) == (True, "llamaduo.tuner.child")
    assert given.training_script_args == [str(tmp_path / "job.json")]


def test_accelerate_takes_the_command_that_shards(tmp_path: Path) -> None:
    from accelerate.utils.launch import prepare_multi_gpu_env

    given = parsed(sharded(), tmp_path, gpu=True)
    assert (given.multi_gpu, given.use_fsdp, given.mixed_precision) == (False, True, "bf16")
    environment = prepare_multi_gpu_env(given)
    assert environment["ACCELERATE_USE_FSDP"] == "true"
    assert environment["FSDP_VERSION"] == "2"
    assert environment["FSDP_AUTO_WRAP_POLICY"] == "TRANSFORMER_BASED_WRAP"
    assert environment["FSDP_ACTIVATION_CHECKPOINTING"] == "false"
    assert environment["FSDP_CPU_RAM_EFFICIENT_LOADING"] == "false"
    assert int(environment["OMP_NUM_THREADS"]) >= 1


def test_accelerates_plugin_takes_what_the_command_sets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from accelerate import FullyShardedDataParallelPlugin
    from accelerate.utils.launch import prepare_multi_gpu_env

    for name, value in prepare_multi_gpu_env(parsed(sharded(), tmp_path, gpu=True)).items():
        if name.startswith("FSDP_"):
            monkeypatch.setenv(name, value)
    plugin = FullyShardedDataParallelPlugin()
    assert plugin.fsdp_version == 2
    assert plugin.reshard_after_forward is True
    assert plugin.activation_checkpointing is False
    assert "SHARDED" in str(plugin.state_dict_type)


def test_each_process_takes_its_share_of_a_batch_and_recomputes_with_its_dropout(
    tmp_path: Path,
) -> None:
    from llamaduo.tuner.trainer import arguments

    by = sharded(gradient_checkpointing=True)
    made = arguments(by, steps=3, seed=0, scratch=tmp_path, gpu=False, recompute=True)
    assert made.per_device_train_batch_size == 2
    assert made.activation_checkpointing is True  # not FSDP's: it draws dropout anew
    assert made.activation_checkpointing_kwargs == {"use_reentrant": False}


def test_a_base_to_be_sharded_is_packed_in_the_type_it_is_computed_in() -> None:
    local = from_overrides(TINY).local
    for sharded_, dtype in ((False, "torch.uint8"), (True, str(load.compute_dtype()))):
        model = load.nf4(local, sharded=sharded_)
        weights = model.get_parameter("model.layers.0.mlp.up_proj.weight")
        assert str(weights.dtype) == dtype


def test_weights_spread_over_devices_are_gathered_and_put_back(tmp_path: Path) -> None:
    import torch
    from peft import get_peft_model
    from safetensors.torch import load_file
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard
    from torch.distributed.tensor import DTensor

    from llamaduo.tuner.trainer import lora_config, put_weights, trained, weights_of

    model = get_peft_model(load.dense(from_overrides(TINY).local), lora_config(sharded(), 2))
    before = {name: weights.clone() for name, weights in weights_of(model).items()}
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{tmp_path}/meet", rank=0, world_size=1
    )
    try:
        fully_shard(model, mesh=init_device_mesh("cpu", (1,)))
        assert any(isinstance(weights, DTensor) for weights in model.parameters())
        assert not any(isinstance(weights, DTensor) for weights in trained(model).values())
        other = {name: weights + 1 for name, weights in before.items()}
        assert put_weights(model, other) == []
        after = weights_of(model)
        assert all(torch.equal(after[name], weights) for name, weights in other.items())
        model.save_pretrained(str(tmp_path / "saved"), state_dict=trained(model))
        saved = load_file(tmp_path / "saved" / WEIGHTS)
        assert set(saved) == set(other)
        assert all(torch.equal(saved[name], weights) for name, weights in other.items())
    finally:
        torch.distributed.destroy_process_group()


def test_rows_that_cannot_be_shared_evenly_and_sharding_of_one_are_refused() -> None:
    with pytest.raises(ConfigError, match="batch_size=4 rows cannot be shared evenly by proc"):
        from_overrides([*TINY, "tuner.batch_size=4", "tuner.processes=3"])
    with pytest.raises(ConfigError, match="sharding=fsdp needs two processes or more"):
        from_overrides([*TINY, "tuner.sharding=fsdp"])


def test_devices_that_are_not_there_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    local = from_overrides(TINY).local
    monkeypatch.setattr(load, "gpus", lambda: 0)
    assert sharded(sharding="none").faults(local) == []
    [fault] = sharded().faults(local)
    assert fault.startswith("tuner.sharding: fsdp needs GPUs, and there are none")
    monkeypatch.setattr(load, "gpus", lambda: 2)
    assert sharded().faults(local) == []
    [fault] = sharded(processes=4).faults(local)
    assert fault == (
        "tuner.processes: 4, and this machine shows 2 GPUs; set tuner.processes=2 at most"
    )


def test_what_ended_first_is_said_before_what_it_brought_down() -> None:
    seen = "E1123 api.py:1003] failed (exitcode: -9) local_rank: 1 (pid: 7) of binary: python\n"
    broke = (0, "RuntimeError: Connection closed by peer")
    assert launch._what_ended(seen, broke, 2) == (
        "process 1 (of 0 to 1) was killed by SIGKILL, as a system does that is out of memory"
    )
    own = "E1123 api.py:1003] failed (exitcode: 1) local_rank: 1 (pid: 7) of binary: python\n"
    oom = (1, "OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB")
    assert launch._what_ended(own, oom, 2) == f"process 1 (of 0 to 1) broke: {oom[1]}"
    assert launch._what_ended("one\nValueError: no\n\n", None, 2) == "ValueError: no"


def test_another_number_of_processes_is_another_adapter() -> None:
    keys = [sharded(sharding="none", processes=n).key() for n in (1, 2)]
    assert keys[0] != keys[1]
    assert sharded().key() != keys[1]


def test_another_launchs_environment_is_left_behind() -> None:
    theirs = {"RANK": "3", "LOCAL_RANK": "3", "MASTER_PORT": "1", "ACCELERATE_USE_FSDP": "true"}
    kept = launch.environment({**theirs, "HF_HOME": "/hub", "MASTER_KEY": "stays"})
    assert set(kept) == {"HF_HOME", "MASTER_KEY", "PYTHONPATH"}
