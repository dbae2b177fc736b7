"""`llamaduo cost`: what it prints, and which figures it leaves."""

from pathlib import Path

import pytest

from llamaduo.config import from_overrides
from llamaduo.errors import UsageError
from llamaduo.verbs import cost

UNKNOWN = "workload.services=[{name: other, price: {litellm: gpt-4o-minni}}]"


def pictures(home: Path) -> list[str]:
    return sorted(path.name for path in (home / ".llamaduo").glob("*.png"))


def test_a_workload_without_ranges_leaves_one_figure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cost.main(["workload=light", f"home={tmp_path}"]) == 0
    assert pictures(tmp_path) == ["cost-light.png"]
    said = capsys.readouterr().out
    assert "break-even: 1.74 months" in said
    assert f"figure: {tmp_path}/.llamaduo/cost-light.png" in said


def test_a_workload_with_ranges_leaves_a_tornado_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cost.main(["workload=ranges", f"home={tmp_path}"]) == 0
    assert pictures(tmp_path) == ["cost-ranges-tornado.png", "cost-ranges.png"]
    said = capsys.readouterr().out
    assert "in 90 % of 10,000 draws of the ranges: " in said
    assert "what it hangs on" in said


def test_a_home_that_cannot_be_is_said_before_anything_is_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    for home in ("/proc/nope", str(tmp_path / "file")):
        with pytest.raises(UsageError, match=f"home: nothing can be written under {home}/"):
            cost.main(["workload=light", f"home={home}"])
    assert capsys.readouterr().out == ""


def test_a_price_that_is_not_listed_stops_it_and_a_run_before_any_spend(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="did you mean `gpt-4o-mini`"):
        cost.main([UNKNOWN, f"home={tmp_path}"])
    assert pictures(tmp_path) == []
    assert any("workload.services.other.price" in f for f in from_overrides([UNKNOWN]).faults())
