"""Every try as a row of a Parquet file, whatever the size of the ledger."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet
import pytest
from kept import Kept, claim

from llamaduo.errors import UsageError
from llamaduo.ledger import Ledger
from llamaduo.records import Outcome, Reply, Request, Usage
from llamaduo.service import Heard
from llamaduo.spending import export
from llamaduo.spending.sums import Scope

PRICE = '{"as_of": "2026-11-01", "input": 1.0}'


@pytest.fixture
def ledger(kept: Kept) -> Iterator[Ledger]:
    made = kept.open()
    yield made
    made.close()


def fill(ledger: Ledger, count: int, text: str = "So.") -> None:
    for number in range(count):
        key = f"k{number:04}"
        claim(ledger, key, payee="openai/m")
        failed = Reply(outcome=Outcome.FAILED, cause="RateLimitError: slow down")
        ledger.answer(key, Heard(failed, again=True, status=429), seconds=0.25, last=False)
        usage = Usage(prompt_tokens=10, completion_tokens=2, usd=0.5, cached_tokens=4)
        heard = Heard(
            Reply(outcome=Outcome.OK, text=text, usage=usage, model="m-1"),
            raw=f'{{"text": "{text}"}}',
            status=200,
            headers={"x-request-id": f"req-{number}"},
            price=PRICE,
        )
        ledger.answer(key, heard, seconds=0.5, last=True)


def test_a_row_has_all_that_is_known_of_a_try(ledger: Ledger, tmp_path: Path) -> None:
    before = datetime.now(UTC)
    fill(ledger, 1)
    assert export.write(ledger, tmp_path / "all.parquet") == 2
    table = pyarrow.parquet.read_table(tmp_path / "all.parquet")
    assert table.column_names == list(export.COLUMNS)
    failed, row = table.to_pylist()
    assert (failed["attempt"], failed["outcome"], failed["status"]) == (0, "failed", 429)
    assert failed["cause"] == "RateLimitError: slow down" and failed["usd"] == 0
    assert before < row.pop("at") < datetime.now(UTC)
    assert Request.model_validate_json(row.pop("request")).row == "r1"
    assert row == {
        "key": "k0000",
        "attempt": 1,
        "service": "s",
        "payee": "openai/m",
        "model": "m-1",
        "run": "run",
        "stage": "judge",
        "result": "judge/1",
        "row": "r1",
        "outcome": "ok",
        "cause": "",
        "prompt_tokens": 10,
        "cached_tokens": 4,
        "cache_write_tokens": 0,
        "completion_tokens": 2,
        "thinking_tokens": 0,
        "usd": 0.5,
        "unproven": 0.0,
        "price": PRICE,
        "seconds": 0.5,
        "status": 200,
        "request_id": "req-0",
        "reply": "So.",
        "raw": '{"text": "So."}',
    }


def test_pages_and_groups_hold_every_try_once_in_order(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "PAGE", 7)
    monkeypatch.setattr(export, "MOST", 10)
    fill(ledger, 25)
    assert export.write(ledger, tmp_path / "all.parquet") == 50
    file = pyarrow.parquet.ParquetFile(tmp_path / "all.parquet")
    assert file.metadata.num_row_groups == 5
    rows = file.read(["key", "attempt"]).to_pylist()
    wanted = [(f"k{number:04}", attempt) for number in range(25) for attempt in (0, 1)]
    assert [(row["key"], row["attempt"]) for row in rows] == wanted


def test_long_replies_are_written_before_many_are_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "GROUP", 4500)
    ledger = Ledger(tmp_path / "ledger.sqlite")
    fill(ledger, 6, text="x" * 1000)
    export.write(ledger, tmp_path / "all.parquet")
    ledger.close()
    groups = pyarrow.parquet.ParquetFile(tmp_path / "all.parquet").metadata
    assert (groups.num_rows, groups.num_row_groups) == (12, 3)


def test_of_a_run_only_what_it_is_about_is_written(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    fill(ledger, 2)
    claim(ledger, "theirs", run="theirs")
    ledger.answer("theirs", Heard(Reply(outcome=Outcome.OK, text="")), seconds=1.0, last=True)
    assert export.write(ledger, tmp_path / "one.parquet", Scope("theirs", ())) == 1
    assert export.write(ledger, tmp_path / "none.parquet", Scope("nobody", ())) == 0
    assert pyarrow.parquet.read_table(tmp_path / "none.parquet").num_rows == 0
    ledger.close()


def test_a_key_that_a_provider_said_again_is_not_in_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "sk-sentinel-0123456789"
    monkeypatch.setenv("OUR_API_KEY", secret)
    ledger = Ledger(tmp_path / "ledger.sqlite")
    fill(ledger, 1, text=f"Your key {secret} is fine.")
    export.write(ledger, tmp_path / "all.parquet")
    ledger.close()
    said = pyarrow.parquet.read_table(tmp_path / "all.parquet").to_pylist()[1]
    assert said["reply"] == "Your key [OUR_API_KEY] is fine."
    assert secret not in str(said)


def test_no_file_is_overwritten_and_none_is_left_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    fill(ledger, 1)
    there = tmp_path / "all.parquet"
    there.write_text("mine")
    with pytest.raises(UsageError, match=r"--export: .*all.parquet is there, and is not overwrit"):
        export.write(ledger, there)
    assert there.read_text() == "mine"
    monkeypatch.setattr(export, "_clean", lambda page: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        export.write(ledger, tmp_path / "new.parquet")
    assert not list(tmp_path.glob("new.parquet*"))
    ledger.close()
