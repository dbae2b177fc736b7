"""The command line as typed: help, version, completion, exit codes."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Finished

import llamaduo
from llamaduo import __main__ as command
from llamaduo.options import EXPERIMENTS, options
from llamaduo.sweep.launchers import EXTRAS
from llamaduo.verbs import VERBS, cost


def typed(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["llamaduo", *words])
    return command.main()


@pytest.mark.parametrize("words", [[], ["-h"], ["--help"], ["help"]])
def test_help_lists_verbs_groups_and_experiments(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed(monkeypatch, *words) == 0
    said = capsys.readouterr().out
    assert all(name in said for name in (*VERBS, "task=", "tuner=", "demo_tiny", "gemma_2b"))


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_the_help_of_run_says_where_it_stops_and_where_jobs_run(
    flag: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed(monkeypatch, "run", flag) == 0
    said = capsys.readouterr().out
    assert said.startswith("usage: llamaduo [run] [key=value ...] [--until data|adapter|answers]")
    assert all(f"hydra/launcher={name}" in said for name in EXTRAS)
    assert "Groups, and what" not in said
    assert max(map(len, said.split("\n"))) < 100


def test_a_group_in_the_singular_is_named_in_the_plural(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed(monkeypatch, "experiment=demo") == 2
    assert "experiment: no such key; did you mean `experiments`?" in capsys.readouterr().err


def piped_to_a_reader_of_nothing(home: Path, errors: str) -> tuple[str, str]:
    """Run `llamaduo ... | head -c 0`; returns the run's exit code and what was kept of errors."""
    line = f"{sys.executable} -m llamaduo experiments=demo_tiny home={home} {errors}"
    script = f"({line}; echo $? >code.txt) | head -c 0"
    subprocess.run(["bash", "-c", script], check=True)
    kept = Path("err.txt")
    return Path("code.txt").read_text(), kept.read_text() if kept.exists() else ""


def test_a_run_is_done_though_nobody_reads_what_it_came_to(finished: Finished) -> None:
    code, errors = piped_to_a_reader_of_nothing(finished.home, "2>err.txt")
    assert code == "0\n"
    assert "Traceback" not in errors and "Exception ignored" not in errors
    assert not (finished.place / "error.json").exists()


def test_a_run_whose_lines_nobody_reads_stops_as_if_it_were_told_to(tmp_path: Path) -> None:
    code, _ = piped_to_a_reader_of_nothing(tmp_path, "tracker=none 2>&1")
    assert code == "141\n"


def test_the_version_is_the_packages(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed(monkeypatch, "--version") == 0
    assert capsys.readouterr().out == f"llamaduo {llamaduo.__version__}\n"


@pytest.mark.parametrize("word", ["tune", "dcotor", "--multirnu", "--experimental-rerun"])
def test_a_word_that_is_neither_verb_nor_override_is_refused(
    word: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed(monkeypatch, word) == 2
    said = capsys.readouterr().err
    assert word in said
    assert "Traceback" not in said


def test_a_verb_that_is_not_there_is_named_with_the_nearest(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed(monkeypatch, "doctr") == 2
    assert capsys.readouterr().err == "llamaduo: doctr: no such verb; did you mean `doctor`?\n"


def test_a_fingerprint_that_begins_with_a_letter_is_no_verb(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed(monkeypatch, "compare", "e838") == 2
    assert "e838: no run under " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["cost", "light"], "light: not of the form key=value; did you mean `workload=light`?"),
        (["run", "none"], "`tracker=none` or `tuner=none`?"),
        (["cost", "lite"], "lite: not of the form key=value (quote a value"),
    ],
)
def test_an_option_without_its_group_is_named_with_it(
    words: list[str],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert typed(monkeypatch, *words) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("verb", "its_own"),
    [
        ("compare", ["RUN", "-m", "--all", "--out DIR", "MLflow"]),
        ("cost", ["workload=NAME", "home=DIR"]),
        ("doctor", ["key=value"]),
    ],
)
@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_the_help_of_a_verb_is_about_its_own_arguments(
    verb: str,
    its_own: list[str],
    flag: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert typed(monkeypatch, verb, flag) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"usage: llamaduo {verb} ")
    assert all(word in said for word in (VERBS[verb], *its_own))
    assert "Groups, and what" not in said


@pytest.mark.parametrize("verb", ["cost", "doctor"])
@pytest.mark.parametrize("flag", ["-m", "--multirun"])
def test_a_verb_that_makes_no_sweep_says_so(
    verb: str, flag: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed(monkeypatch, verb, "workload=light", flag) == 2
    assert capsys.readouterr().err.startswith(f"llamaduo: {verb} takes no {flag}: ")


def test_an_error_of_the_users_is_one_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed(monkeypatch, "cost", "workload=hevy") == 2
    said = capsys.readouterr().err
    assert "workload=hevy: no such option; did you mean `heavy`?" in said
    assert "Traceback" not in said


def test_ctrl_c_says_how_to_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stopped(arguments: list[str]) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(cost, "main", stopped)
    assert typed(monkeypatch, "cost") == 130
    assert "the same command goes on" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("llamaduo cos", ["cost"]),
        ("llamaduo com", ["compare"]),
        ("llamaduo doc", ["doctor"]),
        ("llamaduo local=gem", ["local=gemma_2b", "local=gemma_7b"]),
        ("llamaduo cost workload=l", ["workload=light"]),
        ("llamaduo experiments=demo_t", ["experiments=demo_tiny"]),
        ("llamaduo tuner.sched", ["tuner.schedule="]),
    ],
)
def test_tab_completes_verbs_groups_options_and_keys(
    line: str, wanted: list[str], tmp_path: Path
) -> None:
    env = {**os.environ, "COMP_LINE": line, "COMP_POINT": str(len(line))}
    done = subprocess.run(
        [sys.executable, "-m", "llamaduo", "-sc", "query=bash"],
        env=env,
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    assert done.stdout.split() == wanted


def test_what_is_no_verb_has_no_help(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["llamaduo", "reprot", "--help"])
    assert command.main() == 2
    assert "reprot: no such verb; did you mean `report`?" in capsys.readouterr().err


def test_every_name_in_the_help_stands_apart_from_what_it_means(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["llamaduo", "--help"])
    assert command.main() == 0
    said = capsys.readouterr().out
    for name in [*VERBS, *options(EXPERIMENTS)]:
        assert re.search(rf"^  {name} +\S", said, re.MULTILINE), name
