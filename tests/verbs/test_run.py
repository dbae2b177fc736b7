"""One run or a sweep: its jobs are isolated, and its exit code is the worst of them."""

import json
from pathlib import Path

import pytest

from llamaduo import config
from llamaduo.config.overrides import check
from llamaduo.errors import ConfigError, UsageError
from llamaduo.records import Outcome
from llamaduo.verbs import run

QUICK = [
    *("experiments=demo_tiny", "tracker=none", "rounds=1", "baselines=[]", "tuner.steps=2"),
    *("samples=1", "judge.audit=0"),
]


def ends(home: Path) -> list[dict[str, object]]:
    paths = sorted(home.glob(".llamaduo/sweeps/*/*/end.json"))
    return [json.loads(path.read_text()) for path in paths]


def test_hydras_flags_keep_their_values() -> None:
    words = ["--cfg", "job", "-p", "tuner", "tuner.r=4", "-m"]
    assert run.split(words) == (["--cfg", "job", "-p", "tuner", "-m"], ["tuner.r=4"])


def test_a_bad_job_leaves_the_others_to_finish_and_gives_its_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run.main(["-m", "judge.repeats=0,1", *QUICK]) == 2
    bad, good = ends(tmp_path)
    assert (bad["code"], good["code"], good["said"]) == (2, 0, "keep the service")
    assert "judge.repeats: Input should be greater than or equal to 1" in str(bad["said"])
    said = capsys.readouterr()
    assert "llamaduo: the config cannot be built:\n  judge.repeats: Input" in said.err
    assert "\n0    judge.repeats=0  judge.repeats: Input should be greater" in said.out
    assert "\n1    judge.repeats=1  keep the service  " in said.out
    assert "verdict: " in said.out
    assert len(list(tmp_path.glob(".llamaduo/runs/*/report.md"))) == 1


@pytest.mark.parametrize("sweep", [[], ["-m", "seed=1,2"]])
def test_a_home_that_cannot_be_is_said_before_hydra_makes_a_folder(sweep: list[str]) -> None:
    with pytest.raises(UsageError, match="home: nothing can be written under /proc/nope/"):
        run.main([*sweep, *QUICK, "home=/proc/nope"])


def test_a_home_that_cannot_be_is_the_fault_of_its_job_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run.main(["-m", f"home=/proc/nope,{tmp_path}", *QUICK]) == 2
    assert [end["code"] for end in ends(tmp_path)] == [2, 0]
    said = capsys.readouterr().err
    assert "home: nothing can be written under /proc/nope/" in said
    assert "Traceback" not in said


def test_a_fault_that_all_jobs_share_is_said_before_any_begins(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="rounds: Input should be greater"):
        run.main(["-m", "tuner.r=4,8", *QUICK, "rounds=0"])
    assert not (tmp_path / ".llamaduo").exists()


@pytest.mark.parametrize(
    "swept",
    [
        ["tuner.epochs=null", "tuner.steps=1,2"],
        ["service=gpt,claude", "service@judge.service=gpt"],
        ["service=openai_compatible", "service.model=a,b", "service.name=n"],
    ],
)
def test_what_only_a_swept_value_makes_whole_is_no_fault(swept: list[str]) -> None:
    price = ["service.price.as_of=2026-01-01", "service.price.source=x"]
    price += ["service.price.input=1", "service.price.output=1", "service.api_base=http://x/v1"]
    more = price if "openai" in swept[0] else []
    config.check_sweep(check([*swept, *more], sweep=True))


def test_a_sweep_of_which_every_job_is_wrong_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no job of this sweep can run:\n  tuner: "):
        run.main(["-m", "tuner.steps=100,200", "seed=1,2,3"])
    assert list(tmp_path.iterdir()) == []


def test_a_config_that_lacks_values_can_be_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main(["--cfg", "job", "-p", "service", "service=openai_compatible"]) == 0
    assert "api_base: ???" in capsys.readouterr().out


def test_a_choice_that_is_not_there_is_not_shown() -> None:
    with pytest.raises(ConfigError, match="did you mean `gpt`"):
        run.main(["--cfg", "job", "service=gtp"])


def test_a_run_that_the_budget_stops_ends_with_3_and_goes_on_with_more(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run.main([*QUICK, "budget_usd=0.003"]) == 3
    said = capsys.readouterr().out
    assert "not enough data" in said
    assert "stopped by the budget" in said
    assert run.main([*QUICK, "budget_usd=1"]) == 0
    assert "verdict: keep the service" in capsys.readouterr().out


def test_only_showing_a_config_runs_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run.main(["--cfg", "job", "-p", "tuner", "experiments=demo_tiny"]) == 0
    assert "_target_: llamaduo.tuner.qlora.Qlora" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_outcomes_to_ask_again_add_up_and_may_have_spaces() -> None:
    words = ["--retry", "filtered, refused", "x=1", "--retry=failed,filtered"]
    wanted = (Outcome.FILTERED, Outcome.REFUSED, Outcome.FAILED)
    assert run.retry_what(words) == (wanted, ["x=1"])


def test_nothing_is_asked_again_of_a_run_that_was_not_begun_here(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run.main(["--retry", "failed", "experiments=demo_tiny", "tracker=none"]) == 2
    said = capsys.readouterr()
    assert "run --retry: the run that this makes (" in said.err
    assert "was not begun here (there are: none); other values make another run" in said.err
    assert "nothing was done" not in said.out
    assert not (tmp_path / ".llamaduo/runs").exists()
