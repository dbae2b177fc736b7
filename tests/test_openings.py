"""Who has looked at a test is on record."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from llamaduo.findings import Opening
from llamaduo.openings import record
from llamaduo.records import Example, Message


def rows(*numbers: int, target: str = "yes") -> list[Example]:
    asked = {i: (Message(role="user", content=f"question {i}"),) for i in numbers}
    return [Example(id=f"r{i}", messages=m, target=target) for i, m in asked.items()]


TEST = rows(*range(10))


def look(folder: Path, run: str, prompts: Sequence[Example] = TEST, number: int = 0) -> list[str]:
    found = record(folder, prompts, run=run, model=f"round {number}", adapter=f"{run} {number}")
    assert all(isinstance(one, Opening) for one in found)
    return [f"{one.run} {one.model} {one.prompts}" for one in found]


def test_every_look_is_kept_once_and_in_order(tmp_path: Path) -> None:
    assert look(tmp_path / "new", "a") == ["a round 0 10"]
    both = ["a round 0 10", "b round 0 10"]
    assert look(tmp_path / "new", "b") == both
    assert look(tmp_path / "new", "a") == both
    assert look(tmp_path / "new", "a", number=1) == [*both, "a round 1 10"]


def test_a_test_with_other_prompts_has_not_been_looked_at(tmp_path: Path) -> None:
    look(tmp_path, "a")
    assert look(tmp_path, "b", rows(20, 21)) == ["b round 0 2"]
    assert look(tmp_path, "c", rows(1, 2, target="no")) == ["c round 0 2"]


def test_a_test_that_grew_or_shrank_is_no_fresh_one(tmp_path: Path) -> None:
    look(tmp_path, "a")
    assert look(tmp_path, "b", rows(*range(4, 30))) == ["a round 0 6", "b round 0 26"]
    assert look(tmp_path, "c", rows(29)) == ["b round 0 1", "c round 0 1"]


def test_the_order_and_the_ids_of_prompts_are_no_matter(tmp_path: Path) -> None:
    look(tmp_path, "a")
    renamed = [row.model_copy(update={"id": f"x{row.id}"}) for row in reversed(TEST)]
    assert look(tmp_path, "a", renamed) == ["a round 0 10"]


def test_looks_at_the_same_time_are_all_kept(tmp_path: Path) -> None:
    names = [f"run{i}" for i in range(40)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: look(tmp_path, name), names))
    assert len(look(tmp_path, "run0")) == len(names)
