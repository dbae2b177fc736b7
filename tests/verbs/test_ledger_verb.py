"""`llamaduo ledger`: what was paid, and for what; and the run that asks again."""

import shutil
from pathlib import Path

import pyarrow.parquet
import pytest
from conftest import Finished

from llamaduo.errors import UsageError
from llamaduo.ledger import Ledger
from llamaduo.verbs import ledger, run


@pytest.fixture
def place(finished: Finished, tmp_path: Path) -> Path:
    """The folder of the finished run, in a copy of its home."""
    shutil.copytree(finished.home / ".llamaduo", tmp_path / ".llamaduo")
    return tmp_path / ".llamaduo" / "runs" / finished.place.name


def said(words: list[str], capsys: pytest.CaptureFixture[str]) -> list[str]:
    capsys.readouterr()
    assert ledger.main(words) == 0
    return capsys.readouterr().out.splitlines()


def test_the_whole_ledger_is_shown_by_stage_model_and_day(
    place: Path, finished: Finished, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = said([], capsys)
    assert lines[0].startswith("the ledger: ")
    assert f"${finished.result.usd:.4f} paid" in lines[0]
    heads = [line.split()[0] for line, before in zip(lines[1:], lines, strict=False) if not before]
    assert heads[:3] == ["stage", "model", "day"]
    assert any(line.startswith("synthetic  ") for line in lines)
    assert lines[-1] == "what a simulated service was paid is play money"


def test_of_a_run_each_stage_says_of_which_round_it_is(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = said([place.name[:6], "--prices"], capsys)
    assert lines[0].startswith(f"run {place.name}: ")
    assert lines[1].startswith("bought by this run: $")
    assert lines[1].endswith("; it has no budget_usd")
    assert lines[3].startswith("stage       round ")
    assert lines[4].startswith("judgements  round 0, dev ")
    assert any("price" in line for line in lines)


def test_one_table_is_by_what_is_asked_for(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = said(["--by", "service,outcome"], capsys)
    assert lines[2].split()[:2] == ["service", "outcome"]
    assert {line.split()[0] for line in lines[3:] if line}.issuperset({"simulated-teacher"})
    with pytest.raises(UsageError, match=r"--by stag: there is stage, .* did you mean `stage`"):
        ledger.main(["--by", "stag"])
    with pytest.raises(UsageError, match="--by round: rounds are those of one run; name it"):
        ledger.main(["--by", "round"])


def test_every_try_is_written_to_a_file(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    [line] = said([place.name, "--export", "new/tries.parquet"], capsys)
    rows = pyarrow.parquet.read_table(tmp_path / "new/tries.parquet").num_rows
    assert line == f"written: new/tries.parquet, {rows:,} tries" and rows > 10
    with pytest.raises(UsageError, match="is not overwritten; name another file"):
        ledger.main(["--export", "new/tries.parquet"])
    with pytest.raises(UsageError, match="is there, and is not overwritten"):
        ledger.main(["--export", "new/../new/tries.parquet"])
    with pytest.raises(UsageError, match=r"--export tries.csv: .* one that ends in .parquet"):
        ledger.main(["--export", "tries.csv"])
    for more in (["--by", "stage"], ["--prices"]):
        with pytest.raises(UsageError, match="and no table: leave out --by and --prices"):
            ledger.main(["--export", "more.parquet", *more])
    assert not list(tmp_path.glob("*.csv")) + list(tmp_path.glob("*.parquet"))


def test_a_run_says_the_budget_it_last_had_and_values_beside_it_are_refused(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = place / "config.yaml"
    text = config.read_text()
    assert "budget_usd: null" in text
    config.write_text(text.replace("budget_usd: null", "budget_usd: 7"))
    words = ["experiments=demo_tiny", "tracker=none"]
    for of in ([place.name[:6]], words):
        assert "; of budget_usd $7.00, $" in said(of, capsys)[1]
    assert "; of budget_usd $5.00, $" in said([*words, "budget_usd=5"], capsys)[1]
    assert said([*words, "budget_usd=null"], capsys)[1].endswith("it has no budget_usd")
    with pytest.raises(UsageError, match="budget_usd=5 says nothing of a run that has its own"):
        ledger.main([place.name[:6], "budget_usd=5"])


def test_where_nothing_was_asked_no_ledger_is_made(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"ledger: there is none under .*; home=DIR names another"):
        ledger.main([])
    assert not (tmp_path / ".llamaduo").exists()
    Ledger(tmp_path / ".llamaduo/ledger.sqlite").close()
    assert ledger.main([]) == 0


def test_the_report_says_how_to_ask_again_and_the_command_does(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["experiments=demo_tiny", "tracker=none"]
    kept = Ledger(tmp_path / ".llamaduo/ledger.sqlite")
    with kept.transaction() as db:  # as if two marks could not have been read
        db.execute("update replies set outcome = 'ok' where outcome = 'unreadable'")
        for (key,) in db.execute(
            "select key from calls where stage like 'judgements/%' order by key limit 2"
        ).fetchall():
            db.execute("update replies set outcome = 'unreadable' where key = ?", (key,))
    kept.close()
    assert run.main(["--retry", "refused,failed", *words]) == 0
    ends = "none of its calls ended as refused or failed"
    assert capsys.readouterr().out == f"run {place.name}: {ends}; nothing was done\n"
    assert run.main(words) == 0
    told = capsys.readouterr().out
    assert "\nOf the calls, 2 unreadable.\n" in told
    command = "to ask these again: llamaduo run --retry unreadable experiments=demo_tiny"
    assert f"\n{command} tracker=none\n" in told
    report = (place / "report.md").read_text()
    assert "`llamaduo run --retry unreadable`, with the values of this run, asks for them" in report
    assert run.main(["--retry", "unreadable", *words]) == 0
    shown = capsys.readouterr()
    assert "retry: 2 calls are asked again, 2 of `judgements`, for $" in shown.err
    assert "spent now: $0.0" in shown.out and "--retry" not in shown.out
    assert "--retry" not in (place / "report.md").read_text()
