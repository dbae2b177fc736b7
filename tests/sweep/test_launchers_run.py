"""joblib, submitit and Ray, really launched: one job fails as it runs, and the others are done."""

import shutil
from pathlib import Path

import pytest
from swept import GPUS, Swept, sweep, two_gpus

FAILS = "none of 23 rows fits in tuner.max_length=16 tokens"
PAID = 25
"""Judge calls of one job: 9 answers of dev and 16 of test."""


@pytest.fixture(scope="module")
def by_joblib(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Swept]:
    """Two jobs side by side, of which one cannot tune, on a machine with two stand-in GPUs."""
    home = tmp_path_factory.mktemp("joblib")
    words = ["tuner.max_length=512,16", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]
    return home, sweep(home, cache, *words, **two_gpus(home))


def test_joblib_goes_on_when_a_job_fails_and_shows_the_jobs_own_error(
    by_joblib: tuple[Path, Swept],
) -> None:
    home, swept = by_joblib
    good, bad = swept.ends
    assert (swept.code, good.code, bad.code) == (1, 0, 1)
    assert (good.said, bad.said) == ("keep the service", FAILS)
    assert f"job 1 ended: {FAILS}" in swept.err
    assert "Traceback" not in swept.err and "hydra" not in swept.err.lower()
    assert good.calls_now == PAID and good.part == "test"
    assert len(list(home.glob(".llamaduo/runs/*/report.md"))) == 1


def test_the_table_has_a_line_for_each_job_and_dollars_once(
    by_joblib: tuple[Path, Swept],
) -> None:
    _, swept = by_joblib
    good, _ = swept.ends
    head, first, second, *rest = [line for line in swept.out.split("\n") if line]
    assert head.split()[:3] == ["job", "what", "differs"]
    assert first.startswith("0    tuner.max_length=512  keep the service")
    assert good.fingerprint[:8] in first and "test, n=16" in first
    assert second.startswith(f"1    tuner.max_length=16   {FAILS}")
    assert "2 jobs, 1 not done; the same command tries them again, and only them" in rest
    usd = f"${good.spent_now:.4f}"
    assert f"the sweep rests on {PAID} calls for {usd}; {usd} of it spent now" in rest


def test_jobs_beside_each_other_are_on_gpus_of_their_own(by_joblib: tuple[Path, Swept]) -> None:
    _, swept = by_joblib
    assert {card for card in GPUS for job in (0, 1) if f"on {card}\n" in swept.log(job)} == {*GPUS}


@pytest.mark.parametrize(
    "launcher",
    [
        ["hydra/launcher=submitit_local"],
        ["hydra/launcher=ray", "hydra.launcher.ray.init.num_cpus=2"],
    ],
    ids=["submitit_local", "ray"],
)
def test_the_same_jobs_again_by_another_launcher_make_and_pay_only_what_is_not_there(
    launcher: list[str], by_joblib: tuple[Path, Swept], cache: Path, tmp_path: Path
) -> None:
    shutil.copytree(by_joblib[0] / ".llamaduo", tmp_path / ".llamaduo")
    again = sweep(tmp_path, cache, "tuner.max_length=512,16,256", *launcher)
    assert again.code == 1
    there, failed, fresh = again.ends
    assert there.said == "keep the service; nothing to do, all was there"
    assert (there.made_now, there.calls_now) == (0, 0)
    assert failed.said == FAILS and f"job 1 ended: {FAILS}" in again.err
    assert fresh.code == 0 and fresh.made_now
    assert "Traceback" not in again.err and "dashboard" not in again.err
