"""Jobs that do nothing but show themselves, for tests that start many: `many.py HOME URI N`.

All N are forked from one interpreter that has imported MLflow, and so they begin at once.
"""

import os
import sys
import traceback
from importlib import import_module
from pathlib import Path

from llamaduo.findings import Assessment, Measure, Round
from llamaduo.records import Answer, Example, Judgement, Message, Training
from llamaduo.started import Sweep
from llamaduo.tracker.mlflow import MlflowTracker

SWEEP = Sweep(id="0123456789abcdef", name="-m seed=1,2,3")
ROUNDS = 2


def round_(number: int) -> Round:
    share = Measure(name="share", value=50.0 + number, low=40, high=60, n=2)
    return Round(
        number=number,
        train_rows=1,
        synthetic_rows=0,
        dropped={},
        adapter="a" * 16,
        train="f" * 64,
        training=Training(rows=1, too_long=(), steps=3, loss=0.5),
        assessment=Assessment(
            name=f"round {number}",
            prompts=2,
            coverage=share,
            similarity=share,
            precision=share,
            unjudged=0,
            answers=2,
            cut=0,
            checks={},
            steps=3,
        ),
        usd=0.25,
    )


ROW = Example(id="1", messages=(Message(role="user", content="hi"),), target="yes")
JUDGED = Judgement(answer=Answer(example=ROW, text="yes"), score=None)


def main(home: Path, uri: str | None, number: str) -> None:
    """Show a run of two rounds in the sweep, from nothing."""
    adapter = home / f"adapter {number}"
    adapter.mkdir()
    (adapter / "adapter_model.safetensors").write_bytes(b"weights")
    curve = '{"step": [1, 2, 3], "loss": [3.0, 2.0, 1.0], '
    curve += '"learning_rate": [0.1, 0.1, 0.1], "grad_norm": [1.0, 1.0, 1.0]}'
    (adapter / "curve.json").write_text(curve)
    config = adapter / "config.yaml"
    config.write_text("seed: 1\n")
    run = MlflowTracker(uri=uri).open(
        home=home,
        fingerprint=f"f{number}",
        task="many",
        name=f"job {number}",
        params={"seed": number},
        tags={"llamaduo.fingerprint": f"f{number}"},
        sweep=SWEEP,
    )
    run.begin(config, {"dev": [ROW], "test": [ROW]})
    for at in range(ROUNDS):
        run.round(round_(at), train=[ROW], adapter=adapter, judgements=[JUDGED])
    assert not run.late, run.where
    run.client.set_terminated(run.id, "FINISHED")
    run.leave()


def job(home: Path, uri: str | None, number: str) -> int:
    """Fork, and show a run there; returns the process's id."""
    child = os.fork()
    if child:
        return child
    try:
        main(home, uri, number)
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(1)


if __name__ == "__main__":
    from llamaduo.tracker import database

    database.be_patient()
    for name in ("mlflow.tracking", "pandas", "pyarrow.parquet", "sqlalchemy.orm"):
        import_module(name)
    jobs = [job(Path(sys.argv[1]), sys.argv[2] or None, str(n)) for n in range(int(sys.argv[3]))]
    codes = [os.waitpid(one, 0)[1] for one in jobs]
    sys.exit(any(codes))
