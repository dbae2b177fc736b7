"""The demo over several seeds, and with the synthetic rows' targets shuffled.

    python benchmarks/demo_seeds.py --home DIR --seeds 42 1 2

The shuffled run is the control: the same rows, the same steps, answers that are no answers.
If it reached the goal too, the rows' content would not be what moved the figures. The
shuffling is a switch of this benchmark, not of the product.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

from llamaduo import session
from llamaduo.config import from_overrides
from llamaduo.experiment import Experiment
from llamaduo.findings import Assessment, Result
from llamaduo.progress import Progress
from llamaduo.records import Example
from llamaduo.service import Caller
from llamaduo.synth.self_instruct import SelfInstruct


class Shuffled(SelfInstruct):
    """Hands every fresh row the target of another."""

    def write(
        self,
        seeds: Sequence[Example],
        caller: Caller,
        *,
        topic: str,
        number: int,
        seed: int,
        done: Sequence[Example],
        progress: Progress,
    ) -> Iterator[Example]:
        """Write as the parent does, then shuffle the targets."""
        rows = list(
            super().write(
                seeds, caller, topic=topic, number=number, seed=seed, done=(), progress=progress
            )
        )
        targets = [row.target for row in rows]
        Random(seed).shuffle(targets)
        for row, target in list(zip(rows, targets, strict=True))[len(done) :]:
            yield row.model_copy(update={"target": target})


def shuffled(exp: Experiment) -> Experiment:
    """Return the same experiment with shuffled synthetic targets, and two rounds at most."""
    assert isinstance(exp.synth, SelfInstruct)
    synth = Shuffled.model_validate(dict(exp.synth))
    return exp.model_copy(update={"synth": synth, "rounds": 2})


def main() -> int:
    """Run all, and print a line for every round and every model on the test."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--home", type=Path, default=None)
    asked.add_argument("--seeds", type=int, nargs="+", default=[42, 1, 2])
    asked.add_argument("--plain-only", action="store_true", help="leave the shuffled control out")
    asked.add_argument("overrides", nargs="*", help="settings of the demo to change")
    given = asked.parse_args()
    home = given.home or Path(tempfile.mkdtemp(prefix="llamaduo-seeds-"))
    for seed in given.seeds:
        words = ["experiments=demo", f"seed={seed}", f"home={home}", *given.overrides]
        plain = from_overrides(words)
        kinds = [("plain", plain)]
        if not given.plain_only:
            kinds.append(("shuffled", shuffled(plain)))
        for kind, exp in kinds:
            print("\n".join(describe(kind, seed, session.run(exp, Progress()))), flush=True)
    print(f"home: {home}")
    return 0


def describe(kind: str, seed: int, result: Result) -> list[str]:
    """Return a line for each round on dev and each model on the test."""
    lines = [
        f"{kind} seed {seed} round {r.number}: {r.train_rows} rows, {r.training.steps} steps, "
        f"dev {share(r.assessment)}"
        for r in result.rounds
    ]
    models = [*result.baselines, *([result.test] if result.test else [])]
    lines += [f"{kind} seed {seed} test: {a.name}, {a.steps} steps, {share(a)}" for a in models]
    return [*lines, f"{kind} seed {seed}: stopped by {result.stopped}, {result.decision.verdict}"]


def share(assessment: Assessment) -> str:
    """Return coverage with its interval and n."""
    c = assessment.coverage
    return (
        "nothing judged"
        if c.value is None
        else f"{c.value:.1f} % ({c.low:.1f}-{c.high:.1f}, n = {c.n})"
    )


if __name__ == "__main__":
    sys.exit(main())
