"""Tuning by several processes: started together, listened to, and ended together."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import psutil

from llamaduo.errors import CannotLearn, ModelError
from llamaduo.local import LocalModel, load
from llamaduo.progress import Meter, Progress
from llamaduo.records import Example
from llamaduo.tuner import Watch
from llamaduo.tuner.job import Job, written
from llamaduo.tuner.saved import newest_checkpoint

if TYPE_CHECKING:
    from llamaduo.tuner.qlora import Qlora

GONE = 5.0
"""Seconds to wait until a killed process is no more."""

THEIRS = re.compile(
    r"(ACCELERATE|FSDP|PARALLELISM_CONFIG|TORCHELASTIC|PET)_"
    r"|((LOCAL|GROUP|ROLE)_)?(RANK|WORLD_SIZE)$|MASTER_(ADDR|PORT)$"
)
"""Environment of another launch, which would change this one."""

SHARDED = {
    "version": "2",
    "auto_wrap_policy": "TRANSFORMER_BASED_WRAP",
    "reshard_after_forward": "true",
    "cpu_ram_efficient_loading": "false",  # accelerate does not do it for 4-bit weights
    "offload_params": "false",
    "state_dict_type": "SHARDED_STATE_DICT",
    "activation_checkpointing": "false",  # it draws dropout anew; the trainer's own does not
}
"""accelerate's FSDP settings; version 1 is on its way out of transformers."""


def train(
    tuner: "Qlora",
    local: LocalModel,
    rows: Sequence[Example],
    *,
    dev: Sequence[Example],
    seed: int,
    out: Path,
    scratch: Path,
    progress: Progress,
    watch: Watch | None,
) -> None:
    """Tune by `tuner.processes` processes on this machine, each on its device.

    None outlives this call, or this process. What they write to standard error is kept in
    `processes.log` in `scratch`.

    Raises:
        ModelError: what one of them raised, or which of them ended early, and why.
    """
    newest_checkpoint(scratch)  # broken ones are removed here, before several look at once
    job = Job(
        tuner=written(tuner),
        local=written(local),
        rows=tuple(rows),
        dev=tuple(dev),
        seed=seed,
        out=out.absolute(),
        scratch=scratch.absolute(),
    )
    path, log = scratch / "job.json", scratch / "processes.log"
    path.write_text(job.model_dump_json(), encoding="utf-8")
    line = command(tuner, path, settings(scratch), gpu=load.gpus() > 0)
    with log.open("w+", encoding="utf-8", errors="replace") as errors:
        with _started(line, errors) as (process, messages):
            finished, broke = _listen(messages, progress, watch)
            process.wait()
        if not finished:
            errors.seek(0)
            what = _what_ended(errors.read(), broke, tuner.processes)
            raise ModelError(
                f"tuning ended early: {what}; its {tuner.processes} processes are ended, and the "
                f"next start goes on from the last checkpoint (what they said: {log})"
            )


def command(tuner: "Qlora", job: Path, config: Path, *, gpu: bool) -> list[str]:
    """Return what starts the processes: `accelerate launch`, with nothing left to defaults."""
    threads = os.environ.get("OMP_NUM_THREADS") or (os.cpu_count() or 1) // tuner.processes or 1
    mode = ["--multi_gpu"]  # on a CPU too: with --cpu, accelerate starts one process
    if tuner.sharding == "fsdp":
        mode = ["--use_fsdp", *(word for k, v in SHARDED.items() for word in (f"--fsdp_{k}", v))]
    given = {
        "config_file": config,
        "num_processes": tuner.processes,
        "num_machines": 1,
        "machine_rank": 0,
        "main_process_port": 0,  # a free one: two tunings on a machine do not meet
        "mixed_precision": "bf16" if gpu else "no",
        "dynamo_backend": "no",
        "num_cpu_threads_per_process": threads,
    }
    return [
        *(sys.executable, "-m", "accelerate.commands.launch"),
        *(word for name, value in given.items() for word in (f"--{name}", str(value))),
        *mode,
        *("-m", "llamaduo.tuner.child", str(job)),
    ]


def settings(scratch: Path) -> Path:
    """Write a settings file for accelerate that says nothing: else it reads the user's own."""
    path = scratch / "accelerate.json"
    own = {"compute_environment": "LOCAL_MACHINE", "distributed_type": "MULTI_GPU"}
    path.write_text(json.dumps(own), encoding="utf-8")
    return path


def environment(of: Mapping[str, str]) -> dict[str, str]:
    """Return this process's environment, import path and all, without another launch's."""
    kept = {name: value for name, value in of.items() if not THEIRS.match(name)}
    return {**kept, "PYTHONPATH": os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)}


@contextmanager
def _started(line: list[str], errors: IO[str]) -> Iterator[tuple["subprocess.Popen[str]", IO[str]]]:
    """Start the processes; end all of them on the way out, however that comes.

    Each reads standard input, which ends when this process closes it or is killed.
    """
    process = subprocess.Popen(
        line,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        env=environment(os.environ),
        text=True,
        encoding="utf-8",
        start_new_session=True,  # Ctrl-C comes to this process alone, which ends them
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield process, process.stdout
    finally:
        process.stdin.close()
        if process.poll() is None:
            _kill(process.pid)
        process.stdout.close()
        process.wait()


def _kill(pid: int) -> None:
    """Kill a process, and then those that it started: it can start none again."""
    with suppress(psutil.NoSuchProcess):
        first = psutil.Process(pid)
        family = [first, *first.children(recursive=True)]
        for one in family:
            with suppress(psutil.NoSuchProcess):
                one.kill()
        psutil.wait_procs(family, timeout=GONE)


def _listen(
    messages: IO[str], progress: Progress, watch: Watch | None
) -> tuple[bool, tuple[int, str] | None]:
    """Pass on what the processes say, until they have ended.

    Returns:
        Whether the adapter was saved; and rank and words of the first process that broke.
    """
    finished, broke = False, None
    meter: Meter | None = None
    with ExitStack() as stack:
        for line in messages:
            match _read(line):
                case {"step": [count, note]} if meter is not None:
                    meter.step(count, note=note)
                case {"look": [step, loss]} if watch is not None:
                    watch(step, loss)
                case {"stage": [name, total, unit, done]}:
                    meter = stack.enter_context(progress.stage(name, total, unit, done=done))
                case {"say": said}:
                    progress.say(said)
                case {"finished": True}:
                    finished = True
                case {"refused": [kind, words]}:
                    raise CannotLearn(words) if kind == CannotLearn.__name__ else ModelError(words)
                case {"broke": [rank, words]}:
                    broke = broke or (rank, words)
    return finished, broke


def _read(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError:  # a library of the launcher's that prints
        return None


def _what_ended(errors: str, broke: tuple[int, str] | None, processes: int) -> str:
    """Say which process ended first, and why.

    One that is killed says nothing, and the others break over its silence: what the launcher
    saw end by a signal goes before what any of them said.
    """
    seen = re.search(r"failed \(exitcode: -(\d+)\) local_rank: (\d+)", errors)
    if seen:
        number, rank = map(int, seen.groups())
        kill = ", as a system does that is out of memory" if number == signal.SIGKILL else ""
        name = signal.Signals(number).name
        return f"process {rank} (of 0 to {processes - 1}) was killed by {name}{kill}"
    if broke:
        return f"process {broke[0]} (of 0 to {processes - 1}) broke: {broke[1]}"
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    return lines[-1] if lines else "no process said why"
