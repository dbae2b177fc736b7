"""Finished runs whose figures are invented, as plain files and records: no model, no service."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from llamaduo import scores
from llamaduo.comparison import Finished
from llamaduo.decision import decide
from llamaduo.experiment import Goal
from llamaduo.findings import Assessment, Result, Round
from llamaduo.metrics import mean, share
from llamaduo.records import Part, Tally, Training, Usage
from llamaduo.scores import ScoreRow

PROMPTS = 60
"""On dev, and as many on test."""
GOAL = Goal(at_least=90, similarity=80, precision=80)


def marks(good: float, *, bias: float, seed: int, n: int = PROMPTS) -> list[tuple[float, float]]:
    """Return invented marks, two humps: a share `good` of prompts near 92, the rest near 45.

    The same seed draws the same prompts, so that two judges or models differ by `bias` or
    `good` alone; the more are good the more of the same prompts are.
    """
    random = np.random.default_rng(seed)
    hard = random.random(n)
    noise = random.normal(0, 5, size=(n, 2))
    middle = np.where(hard < good, 92, 45)[:, None]
    whole = np.clip(middle + np.array([0, 3]) + noise + bias, 0, 100)
    return [(float(a), float(b)) for a, b in whole]


def rows_of(model: str, part: Part, found: Sequence[tuple[float, float]]) -> list[ScoreRow]:
    return [
        ScoreRow(
            model=model,
            part=part,
            id=f"{part}{i}",
            category="",
            similarity=a,
            precision=b,
            covered=a >= GOAL.similarity and b >= GOAL.precision,
            answers=1,
            cut=0,
        )
        for i, (a, b) in enumerate(found)
    ]


def assessment(name: str, rows: Sequence[ScoreRow]) -> Assessment:
    there = [row for row in rows if row.similarity is not None and row.precision is not None]
    return Assessment(
        name=name,
        prompts=len(rows),
        coverage=share("coverage %", sum(bool(row.covered) for row in there), len(there)),
        similarity=mean("similarity", [row.similarity or 0.0 for row in there]),
        precision=mean("precision", [row.precision or 0.0 for row in there]),
        unjudged=len(rows) - len(there),
        answers=len(rows),
        cut=0,
        checks={},
        steps=10,
    )


def run(
    fingerprint: str,
    *,
    judge: str = "judge-a",
    bias: float = 0.0,
    local: str = "toy-1b",
    volumes: Sequence[int] = (100, 200, 400),
    good: Sequence[float] = (0.4, 0.6, 0.8),
    adapter: str = "",
    **changed: Any,
) -> Finished:
    """Return a run whose rounds were tuned on `volumes` and cover about `good` of the prompts.

    Args:
        bias: what this judge adds to every mark.
        adapter: what tells its models from those of other runs; "" where they are the same.
        changed: fields of the result.
    """
    kept: list[ScoreRow] = []
    rounds = []
    for number, (rows, share_good) in enumerate(zip(volumes, good, strict=True)):
        dev = rows_of(f"round {number}", "dev", marks(share_good, bias=bias, seed=1))
        kept += dev
        rounds.append(
            Round(
                number=number,
                train_rows=rows,
                synthetic_rows=rows - volumes[0],
                dropped={},
                adapter=f"{local}{adapter}{rows}",
                train=f"{adapter}{rows}",
                training=Training(rows=rows, too_long=(), steps=10, loss=0.5),
                assessment=assessment(f"round {number}", dev),
                usd=0.01 * rows,
            )
        )
    last = f"round {len(rounds) - 1}"
    test = rows_of(last, "test", marks(good[-1], bias=bias, seed=2))
    untuned = rows_of("untuned", "test", marks(0.05, bias=bias, seed=2))
    kept += [*test, *untuned]
    decided = assessment(last, test)
    fields: dict[str, Any] = {
        "fingerprint": fingerprint,
        "task": "sorting",
        "service": "teacher",
        "judge": judge,
        "local": local,
        "licence": "MIT",
        "simulated": False,
        "goal": GOAL.at_least,
        "similarity": GOAL.similarity,
        "precision": GOAL.precision,
        "rows": {"train": volumes[0], "dev": PROMPTS, "test": PROMPTS, "out": 0},
        "test_set": "5e7",
        "steered_on": "dev",
        "rounds": tuple(rounds),
        "stopped": "rounds",
        "test": decided,
        "baselines": (assessment("untuned", untuned),),
        "decision": decide(decided, GOAL),
        "tallies": (Tally(stage="judge", calls=1, outcomes={}, usage=Usage(usd=rounds[-1].usd)),),
    }
    return Finished(Result.model_validate({**fields, **changed}), tuple(kept))


def write(home: Path, *runs: Finished) -> None:
    """Put runs where a home keeps them."""
    for one in runs:
        place = home / ".llamaduo" / "runs" / one.result.fingerprint
        place.mkdir(parents=True)
        (place / "result.json").write_text(one.result.model_dump_json(indent=1), encoding="utf-8")
        scores.write_scores(place / scores.FILE, one.scores)
