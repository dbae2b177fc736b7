"""Who has looked at a test is on record."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from llamaduo.findings import Opening
from llamaduo.openings import record


def opening(run: str, number: int = 0) -> Opening:
    return Opening(run=run, model=f"round {number}", adapter=f"adapter of {run} {number}")


def test_every_opening_is_kept_once_and_in_order(tmp_path: Path) -> None:
    assert record(tmp_path / "new", "t", opening("a")) == (opening("a"),)
    both = (opening("a"), opening("b"))
    assert record(tmp_path / "new", "t", opening("b")) == both
    assert record(tmp_path / "new", "t", opening("a")) == both
    assert record(tmp_path / "new", "t", opening("a", 1)) == (*both, opening("a", 1))


def test_another_test_set_has_a_record_of_its_own(tmp_path: Path) -> None:
    record(tmp_path, "one", opening("a"))
    assert record(tmp_path, "other", opening("b")) == (opening("b"),)


def test_openings_at_the_same_time_are_all_kept(tmp_path: Path) -> None:
    names = [f"run{i}" for i in range(40)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: record(tmp_path, "t", opening(name)), names))
    found = record(tmp_path, "t", opening("run0"))
    assert sorted(one.run for one in found) == sorted(names)
