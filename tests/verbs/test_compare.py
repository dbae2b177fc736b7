"""`llamaduo compare`: which runs it finds, what it says of those it cannot read."""

from pathlib import Path

import pytest
from conftest import Finished as Ran
from invented import run, write

from llamaduo import runs
from llamaduo.errors import ConfigError, LlamaDuoError, UsageError
from llamaduo.tracker.mlflow import MlflowTracker
from llamaduo.verbs import compare

A, B = run("aa11" * 4), run("ab22" * 4, judge="judge-b", bias=-9)
ALL_FILES = {
    "compare.md",
    "figure3.png",
    "spend.png",
    "volume-toy-1b-teacher-judge-a.png",
    "volume-toy-1b-teacher-judge-b.png",
}


def said(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert compare.main(arguments) == 0
    return capsys.readouterr().out


def test_with_nothing_named_all_finished_runs_are_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, B, A)
    text = said([], capsys)
    assert "Against aa11aa11, prompt by prompt" in text
    assert "Judges of toy-1b, tuned on 400 rows" in text
    assert {p.name for p in (tmp_path / ".llamaduo" / "compare").iterdir()} == ALL_FILES


def test_the_first_named_run_is_the_one_others_are_held_against(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, A, B, run("cc33" * 4))
    text = said(["ab2", "aa", "ab22"], capsys)
    assert "Against ab22ab22" in text
    assert "cc33cc33" not in text


def test_baselines_and_another_folder_are_on_demand(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, A)
    assert "untuned" not in said([], capsys)
    assert "untuned" in said(["--all", "--out", "there"], capsys)
    assert (tmp_path / "there" / "compare.md").exists()


def test_flags_may_stand_between_the_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, A, B)
    text = said(["ab", "--all", "aa", "--out", "there"], capsys)
    assert "Against ab22ab22" in text and "aa11aa11" in text and "untuned" in text


def test_a_folder_that_cannot_be_written_to_is_said(tmp_path: Path) -> None:
    write(tmp_path, A)
    (tmp_path / "file").write_text("of mine")
    with pytest.raises(UsageError, match=r"--out: nothing can be written under file \(File exists"):
        compare.main(["--out", "file"])
    assert (tmp_path / "file").read_text() == "of mine"


def test_another_home_is_looked_at(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "elsewhere", A)
    assert "aa11aa11" in said([f"home={tmp_path / 'elsewhere'}"], capsys)


def test_runs_that_cannot_be_read_are_named_and_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, A, B, run("cc33" * 4), run("dd44" * 4), run("ee55" * 4))
    place = tmp_path / ".llamaduo" / "runs"
    (place / ("ab22" * 4) / "result.json").write_text('{"fingerprint": "x", "old": 1}')
    (place / ("cc33" * 4) / "result.json").unlink()
    (place / ("dd44" * 4) / "scores.jsonl").unlink()
    (place / ("ee55" * 4) / "result.json").write_text("{ half")
    text = said([], capsys)
    assert text.startswith("2 of 5 runs are compared:")
    assert f"{'ab22' * 4}: left out, result.json cannot be read (task: Field required)" in text
    assert f"{'cc33' * 4}: left out, it is not finished" in text
    assert f"{'dd44' * 4}: in the tables only, scores.jsonl cannot be read (it is not" in text
    assert f"{'ee55' * 4}: left out, result.json cannot be read (Invalid JSON" in text


@pytest.mark.parametrize("name", ["ff", "zz", "0" * 32, ".."])
def test_a_run_that_is_not_there_is_said_with_those_that_are(name: str, tmp_path: Path) -> None:
    write(tmp_path, A)
    with pytest.raises(UsageError, match=rf"{name}: no run under .*there are: aa11aa11\)"):
        compare.main([name])
    assert not (tmp_path / "mlruns").exists()


def test_a_beginning_that_several_runs_share_is_refused(tmp_path: Path) -> None:
    write(tmp_path, A, B)
    with pytest.raises(UsageError, match="a: 2 runs begin with it"):
        compare.main(["a"])


def test_where_no_run_is_finished_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no run was begun there"):
        compare.main([])
    (tmp_path / ".llamaduo" / "runs" / ("ab" * 8)).mkdir(parents=True)
    with pytest.raises(UsageError, match="it is not finished"):
        compare.main([])
    assert not (tmp_path / ".llamaduo" / "compare").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--al1"], "did you mean `--all`"),
        (["--ou", "x"], "--ou: no such flag; did you mean `--out`"),
        (["--out"], "expected one argument"),
        (["-m", "seed=1"], "-m needs an override with several values"),
        (["seed=1,2"], "add -m"),
        (["-m", "local=gema_2b,tiny"], "did you mean `gemma_2b`"),
    ],
)
def test_what_cannot_be_is_said(arguments: list[str], words: str) -> None:
    with pytest.raises((UsageError, ConfigError), match=words) as error:
        compare.main(arguments)
    assert isinstance(error.value, LlamaDuoError) and error.value.exit_code == 2


def test_overrides_name_the_run_they_made_and_a_sweep_all_of_its_runs(
    finished: Ran, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    at = [f"home={finished.home}", "--out", str(tmp_path)]
    short = finished.exp.fingerprint()[:8]
    text = said(["experiments=demo_tiny", *at], capsys)
    assert short in text and "tiny-random" in text
    text = said(["-m", "experiments=demo_tiny", "seed=42,43", *at], capsys)
    assert text.startswith("1 of 2 runs are compared:")
    assert "not finished or was never begun" in text and short in text


def test_an_mlflow_run_or_a_round_of_it_names_the_run(
    finished: Ran, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{finished.home / 'mlruns' / 'mlflow.db'}")
    [experiment] = [e for e in client.search_experiments() if e.name.startswith("llamaduo/")]
    shown = client.search_runs([experiment.experiment_id])
    assert len(shown) == 1 + len(finished.result.rounds)
    tracker = MlflowTracker()
    for one in shown:
        found = tracker.fingerprint_of(one.info.run_id, home=finished.home)
        assert found == finished.exp.fingerprint()
    assert tracker.fingerprint_of("0" * 32, home=finished.home) is None
    name = shown[0].info.run_id
    text = said([name, f"home={finished.home}", "--out", str(tmp_path)], capsys)
    assert finished.exp.fingerprint()[:8] in text


def test_a_run_keeps_what_each_prompt_scored_as_its_tables_count_it(finished: Ran) -> None:
    [one], left_out = runs.read([finished.place])
    assert left_out == []
    result = finished.result
    assert result.test is not None and result.test_set
    models = {(row.model, row.part) for row in one.scores}
    rounds = {(f"round {r.number}", "dev") for r in result.rounds}
    assert models == rounds | {(a.name, "test") for a in (result.test, *result.baselines)}
    test = [row for row in one.scores if (row.model, row.part) == (result.test.name, "test")]
    assert len(test) == result.test.prompts == result.rows["test"]
    marks = list(one.decided.values())
    assert sum(mark.similarity for mark in marks) / len(marks) == pytest.approx(
        result.test.similarity.value
    )


def test_settings_are_read_from_the_folders_of_the_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, A, B)
    for one, rank in ((A, 4), (B, 8)):
        place = tmp_path / ".llamaduo" / "runs" / one.result.fingerprint
        text = f"seed: 1\ntuner: {{r: {rank}}}\ntracker: {{uri: 'at {rank}'}}\n"
        (place / "config.yaml").write_text(text)
    lines = said([], capsys).split("\n")
    at = lines.index("What they were made with, where it differs:")
    assert [line.split() for line in lines[at + 1 : at + 4]] == [
        ["setting", "aa11aa11", "ab22ab22"],
        ["tuner.r", "4", "8"],
        [],
    ]
