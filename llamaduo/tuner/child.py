"""One of several processes that tune together: `python -m llamaduo.tuner.child JOB`.

Says what it does as JSON, one object a line, on standard output:

- `{"stage": [name, total, unit, done]}`, `{"step": [count, note]}`, `{"say": line}` and
  `{"look": [step, dev loss]}`: rank 0's progress;
- `{"finished": true}`: rank 0 has saved the adapter;
- `{"refused": [kind, words]}`: what a user can put right, by the name of its error;
- `{"broke": [rank, words]}`: anything else.
"""

import json
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from llamaduo.errors import LlamaDuoError
from llamaduo.progress import Meter, Progress
from llamaduo.tuner.job import Job, read

PATIENCE = 2.0
"""Seconds a process that broke stays: if another was killed before, the launcher sees that first,
and if none was, the others do not break over its end before it was heard."""

Tell = Callable[..., None]
"""Sends one message, its keys given as keywords."""


class Told(Progress):
    """Progress that the parent shows."""

    def __init__(self, tell: Tell) -> None:
        super().__init__(sys.stderr)
        self.tell = tell

    def say(self, line: str) -> None:
        """Have the parent write one line."""
        self.tell(say=line)

    @contextmanager
    def stage(self, name: str, total: int, unit: str, *, done: int = 0) -> Iterator[Meter]:
        """Have the parent meter a stage."""
        self.tell(stage=[name, total, unit, done])
        yield _Steps(self.tell)


class _Steps:
    def __init__(self, tell: Tell) -> None:
        self.tell = tell

    def step(self, count: int = 1, *, note: str = "") -> None:
        self.tell(step=[count, note])


def main() -> None:
    """Tune as the job says; leave with code 0, or 1 after a message that says why."""
    tell = _channel()
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    rank = int(os.environ["RANK"])
    try:
        _tune(Job.model_validate_json(Path(sys.argv[1]).read_bytes()), rank, tell)
    except LlamaDuoError as error:
        tell(refused=[type(error).__name__, str(error)])
        os._exit(1)  # what waits for the others, on the way out, could wait for long
    except BaseException as error:
        traceback.print_exc()
        sys.stderr.flush()
        first = (str(error).strip().splitlines() or [""])[0]
        tell(broke=[rank, f"{type(error).__name__}: {first}"[:1000]])
        time.sleep(PATIENCE)
        os._exit(1)


def _tune(job: Job, rank: int, tell: Tell) -> None:
    import torch

    from llamaduo.tuner.training import train

    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    first = rank == 0
    tell = tell if first else _silent
    train(
        read(job.tuner),
        read(job.local),
        job.rows,
        dev=job.dev,
        seed=job.seed,
        out=job.out,
        scratch=job.scratch,
        progress=Told(tell),
        watch=lambda step, dev_loss: tell(look=[step, dev_loss]),
    )
    tell(finished=True)
    torch.distributed.destroy_process_group()


def _channel() -> Tell:
    """Keep standard output for messages; what else is printed goes to standard error."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def tell(**message: Any) -> None:
        out.write(json.dumps(message) + "\n")
        out.flush()

    return tell


def _silent(**message: Any) -> None:
    pass


def _leave_with_parent() -> None:
    """End this process when the parent closes standard input, or is no more."""
    while os.read(0, 1):
        pass
    os._exit(1)


if __name__ == "__main__":
    main()
