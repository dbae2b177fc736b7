"""Prompts that begin with examples of train."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from llamaduo.records import Example, Message
from llamaduo.task.shots import examples_for, with_examples


def row(name: str, category: str = "", system: str = "") -> Example:
    above = (Message(role="system", content=system),) if system else ()
    asked = Message(role="user", content=f"question {name}")
    return Example(id=name, messages=(*above, asked), target=f"answer {name}", category=category)


TRAIN = [row(f"{kind}{i}", kind) for kind in "abc" for i in range(5)]


def test_examples_come_from_as_many_categories_as_there_are() -> None:
    assert Counter(e.category for e in examples_for(TRAIN, 6, 42)) == {"a": 2, "b": 2, "c": 2}
    assert len({e.category for e in examples_for(TRAIN, 2, 42)}) == 2


def test_with_fewer_rows_than_asked_for_all_are_shown() -> None:
    assert {e.id for e in examples_for(TRAIN[:3], 8, 1)} == {e.id for e in TRAIN[:3]}


@given(st.integers(0, 15), st.integers(0, 1000))
def test_examples_are_drawn_once_each_and_the_same_for_a_seed(count: int, seed: int) -> None:
    drawn = examples_for(TRAIN, count, seed)
    assert len({e.id for e in drawn}) == len(drawn) == count
    assert drawn == examples_for(TRAIN, count, seed)


def test_examples_stand_as_earlier_turns_between_the_system_turn_and_the_question() -> None:
    found = with_examples(row("x", system="Be brief."), [row("a0", system="Other.")])
    assert [(m.role, m.content) for m in found.messages] == [
        ("system", "Be brief."),
        ("user", "question a0"),
        ("assistant", "answer a0"),
        ("user", "question x"),
    ]
    assert (found.id, found.target) == ("x", "answer x")


def test_without_examples_a_prompt_is_as_it_was() -> None:
    assert with_examples(row("x", system="s"), []) == row("x", system="s")
