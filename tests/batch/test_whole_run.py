"""A whole run on batches: the rows of live calls at half the price, a batch a turn."""

from pathlib import Path
from typing import Any

import pytest
from batch_server import Batches, serving
from batch_world import service
from kept import Kept
from small_world import Diary, Played, Scripted, altered, experiment, play

from llamaduo.experiment import Experiment


def says(body: dict[str, Any]) -> str:
    """Mark, write and answer as the small world's service does."""
    kind, *fields = body["messages"][-1]["content"].split("|")
    by = Scripted(diary=Diary())
    if kind == "mark":
        return by._mark(*fields)
    if kind == "write":
        return by._write(body["seed"] % 100_000, *fields)
    return by._answer(kind)


def run(home: Path, server: Batches, mode: str) -> tuple[Experiment, Played]:
    by = service(server, batch_least=1, mode=mode, transport="direct", concurrency=8)
    exp = experiment(home, Diary(), service=by, baselines=("service",), rounds=2)
    judge = altered(exp.judge, service=by, repeats=3)
    exp = altered(exp, judge=judge)
    return exp, play(exp)


def spent(home: Path) -> float:
    usd, reserved = Kept(home, on_server=False).account()
    assert reserved == pytest.approx(0.0, abs=1e-12)
    return usd


def test_a_run_on_batches_gives_the_rows_of_live_calls_at_half_the_price(tmp_path: Path) -> None:
    with serving(Batches(says=says)) as server:
        first, batched = run(tmp_path / "batch", server, "batch")
        assert server.live == []
        asked, half = len(server.batched), server.usd
        second, live = run(tmp_path / "live", server, "live")
    assert first.fingerprint() == second.fingerprint()
    assert len(server.live) == asked
    kinds = {body["messages"][-1]["content"].partition("|")[0][:5] for body in server.batched}
    assert {"mark", "write"} < kinds
    assert 2 * half == pytest.approx(server.usd - half)
    assert spent(tmp_path / "batch") == pytest.approx(half)
    assert {of: list(one.rows) for of, one in batched.judged.items()} == {
        of: list(one.rows) for of, one in live.judged.items()
    }
    assert batched.result.decision == live.result.decision
    assert 2 * batched.result.usd == pytest.approx(live.result.usd)
    stages = {made.about["metadata"]["llamaduo"] for made in server.made.values()}
    assert len(stages) == len(server.made) < asked / 10  # all of a stage's calls go together
