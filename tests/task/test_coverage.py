"""The split: shares, near copies together, and that rows added later move nothing sealed."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from llamaduo.component import Component
from llamaduo.config import from_overrides
from llamaduo.errors import DataError
from llamaduo.records import Example, Message, Part, Placed
from llamaduo.similarity import groups, jaccard, shingles
from llamaduo.task.coverage import CoverageTask, Split
from llamaduo.task.rows import Read

THIRDS = Split(train=0.4, dev=0.3, test=0.3)
STORY = [f"word{i}" for i in range(12)]
PARTS: tuple[Part, ...] = ("train", "dev", "test")


class Listed(Component):
    """Rows out of memory, in place of a file."""

    rows: list[Any]

    def read(self) -> list[Read]:
        return self.rows


def row(number: int, text: str, category: str = "", part: Part | None = None) -> Read:
    message = Message(role="user", content=text)
    return Example(id=str(number), messages=(message,), target="x", category=category), part


def unlike(number: int) -> str:
    """Return a text that shares no shingle with another number's."""
    return " ".join(f"n{number}w{i}" for i in range(6))


def place(rows: list[Read], split: Split = THIRDS) -> list[Placed]:
    task = CoverageTask(name="sorting", rows=Listed(rows=rows), split=split, max_new_tokens=8)
    return list(task.place())


def parts(texts: list[str], split: Split = THIRDS) -> list[Part]:
    placed = place([row(i, text) for i, text in enumerate(texts)], split)
    assert [int(one.example.id) for one in placed] == list(range(len(texts)))
    return [one.part for one in placed]


FILLERS = [unlike(i) for i in range(30)]
MIXED = st.lists(st.lists(st.sampled_from("abcde"), max_size=8).map(" ".join), max_size=20)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.integers(10, 60), min_size=1, max_size=4),
    st.sampled_from([(0.2, 0.2, 0.6), (0.6, 0.2, 0.2), (0.5, 0.25, 0.25), (0.34, 0.33, 0.33)]),
    st.integers(0, 5),
)
def test_each_category_is_shared_out_as_asked_to_a_row_or_two(
    sizes: list[int], shares: tuple[float, float, float], seed: int
) -> None:
    split = Split(train=shares[0], dev=shares[1], test=shares[2], seed=seed)
    names = [str(kind) for kind, size in enumerate(sizes) for _ in range(size)]
    names = [name for _, name in sorted((i * 7919 % 101, name) for i, name in enumerate(names))]
    placed = place([row(i, unlike(i), name) for i, name in enumerate(names)], split)
    count = Counter((one.example.category, one.part) for one in placed)
    for kind, size in enumerate(sizes):
        for part, share in zip(PARTS, shares, strict=True):
            assert share * size - 2 < count[str(kind), part] < share * size + 1


@settings(max_examples=30, deadline=None)
@given(MIXED)
def test_near_copies_never_straddle_two_parts(texts: list[str]) -> None:
    texts = [*FILLERS, *texts]
    found = parts(texts)
    for j in range(len(FILLERS), len(texts)):
        for i in range(len(FILLERS), j):
            if jaccard(shingles(texts[i]), shingles(texts[j])) >= THIRDS.near:
                assert found[i] == found[j]


@settings(max_examples=30, deadline=None)
@given(MIXED, MIXED)
def test_rows_added_at_the_end_leave_the_parts_of_all_others(
    first: list[str], added: list[str]
) -> None:
    first = [*FILLERS, *first]
    before, after = parts(first), parts([*first, *added])
    of, _ = groups(first, threshold=THIRDS.near)
    later, _ = groups([*first, *added], threshold=THIRDS.near)
    for i, part in enumerate(before):
        # Only a group that an added row joins to an earlier one may move, to that one's part.
        assert after[i] == (part if later[i] == of[i] else before[later[i]])


def test_a_row_that_joins_two_groups_moves_the_later_one_and_no_other() -> None:
    left, right, bridge = " ".join(STORY[:8]), " ".join(STORY[4:]), " ".join(STORY)
    for seed in range(20):  # until the two stand in parts of their own
        split = THIRDS.model_copy(update={"seed": seed})
        before = parts([left, right, *FILLERS], split)
        if before[0] != before[1]:
            break
    after = parts([left, right, *FILLERS, bridge], split)
    assert before[0] != before[1]
    assert (after[0], after[1], after[-1]) == (before[0],) * 3
    assert after[2:-1] == before[2:]


def test_another_seed_is_another_split_and_the_same_one_the_same() -> None:
    assert parts(FILLERS) == parts(FILLERS)
    assert parts(FILLERS) != parts(FILLERS, THIRDS.model_copy(update={"seed": 1}))


def test_a_rows_target_and_system_turn_do_not_make_it_a_near_copy() -> None:
    system = Message(role="system", content=" ".join(f"rule{i}" for i in range(60)))
    rows: list[Read] = []
    for i, text in enumerate(FILLERS):
        chat = (system, Message(role="user", content=text))
        rows.append((Example(id=str(i), messages=chat, target="the same for all"), None))
    assert {one.part for one in place(rows)} == {"train", "dev", "test"}


def test_rows_that_their_source_put_in_a_part_stay_there() -> None:
    named: list[Part] = ["test", "dev", "train", "test"]
    rows = [row(i, unlike(i), part=part) for i, part in enumerate(named)]
    assert [one.part for one in place(rows)] == named


def test_near_copies_of_preset_test_rows_go_out_wherever_else_they_stand() -> None:
    story, copy = " ".join(STORY), " ".join([*STORY[:-1], "changed"])
    rows = [
        row(0, copy),
        row(1, copy, part="train"),
        row(2, story, part="test"),
        row(3, copy, part="test"),
        row(4, copy, part="dev"),
        *(row(5 + i, text) for i, text in enumerate(FILLERS)),
    ]
    placed = place(rows, Split(train=0.5, dev=0.5, test=0))
    assert [one.part for one in placed[:5]] == ["out", "out", "test", "test", "out"]
    assert Counter(one.part for one in placed)["test"] == 2
    assert Counter(one.part for one in placed)["out"] == 3


def test_preset_rows_take_no_share_from_the_others() -> None:
    alone = [row(i, text) for i, text in enumerate(FILLERS)]
    preset = [row(50 + i, unlike(50 + i), part="test") for i in range(20)]
    assert [one.part for one in place([*preset, *alone])[20:]] == [one.part for one in place(alone)]


def test_a_preset_test_row_added_later_puts_its_near_copy_out_and_moves_no_other() -> None:
    story, copy = " ".join(STORY), " ".join([*STORY[:-1], "changed"])
    rows = [row(0, story), *(row(1 + i, text) for i, text in enumerate(FILLERS))]
    before = [one.part for one in place(rows)]
    after = [one.part for one in place([*rows, row(99, copy, part="test")])]
    assert (after[0], after[-1]) == ("out", "test")
    assert after[1:-1] == before[1:]


def test_near_copies_of_a_preset_dev_row_go_with_it() -> None:
    story, copy = " ".join(STORY), " ".join([*STORY[:-1], "changed"])
    rows = [row(0, copy), row(1, story, part="dev")]
    placed = place([*rows, *(row(2 + i, text) for i, text in enumerate(FILLERS))])
    assert [one.part for one in placed[:2]] == ["dev", "dev"]


@pytest.mark.parametrize("shares", [(0.5, 0.5, 0.5), (0.5, 0.2, 0.2), (0, 0, 0)])
def test_a_split_that_does_not_add_up_to_1_is_refused(shares: tuple[float, float, float]) -> None:
    with pytest.raises(ValidationError, match="has to be 1"):
        Split(train=shares[0], dev=shares[1], test=shares[2])


def test_shares_that_add_up_to_1_but_for_rounding_are_taken() -> None:
    assert Split(train=0.7, dev=0.2, test=0.1).test == 0.1


def test_a_part_without_rows_is_named_with_the_counts() -> None:
    with pytest.raises(DataError, match=r"sorting: 30 rows leave none for dev and test .*30"):
        parts(FILLERS, Split(train=1, dev=0, test=0))
    with pytest.raises(DataError, match="leave none for test"):
        parts(FILLERS, Split(train=0.5, dev=0.5, test=0))


def test_the_shipped_task_has_prompts_of_each_category_enough_to_show_something() -> None:
    placed = from_overrides([]).task.place()
    count = Counter(one.part for one in placed)
    assert count["dev"] >= 60
    assert count["test"] >= 120
    for part in PARTS:
        assert len({one.example.category for one in placed if one.part == part}) == 8


def in_volume(volume: int | None, kinds: str = "aab", count: int = 60, seed: int = 0) -> list[Part]:
    rows = [row(i, unlike(i), kinds[i % len(kinds)]) for i in range(count)]
    split = THIRDS.model_copy(update={"seed": seed})
    task = CoverageTask(
        name="sorting", rows=Listed(rows=rows), split=split, max_new_tokens=8, volume=volume
    )
    return [one.part for one in task.place()]


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 15), st.integers(0, 4))
def test_a_volume_takes_so_many_train_rows_and_leaves_dev_and_test_alone(
    volume: int, seed: int
) -> None:
    whole, some = in_volume(None, seed=seed), in_volume(volume, seed=seed)
    assert some.count("train") == volume
    assert some.count("out") == whole.count("train") - volume
    for before, after in zip(whole, some, strict=True):
        assert after == before or (before, after) == ("train", "out")


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 14), st.integers(0, 4))
def test_a_larger_volume_holds_a_smaller_one(volume: int, seed: int) -> None:
    small, large = in_volume(volume, seed=seed), in_volume(volume + 1, seed=seed)
    assert all(b == "train" for a, b in zip(small, large, strict=True) if a == "train")


def test_every_volume_has_its_share_of_each_category() -> None:
    whole = in_volume(None, count=300)
    of_a = [i for i, part in enumerate(whole) if part == "train" and i % 3 < 2]
    share = len(of_a) / whole.count("train")
    for volume in range(1, whole.count("train") + 1):
        some = in_volume(volume, count=300)
        got = sum(some[i] == "train" for i in of_a)
        assert abs(got - share * volume) <= 1


def test_a_volume_is_drawn_and_not_the_first_rows_of_the_file() -> None:
    drawn = {tuple(in_volume(8, "a", seed=seed)) for seed in range(3)}
    assert len(drawn) == 3
    whole, some = in_volume(None, "a"), in_volume(8, "a")
    train = [i for i, part in enumerate(whole) if part == "train"]
    assert [i for i in train if some[i] == "train"] != train[:8]


def test_more_than_the_train_part_has_is_refused_with_what_there_is() -> None:
    there = in_volume(None).count("train")
    assert in_volume(there) == in_volume(None)
    with pytest.raises(DataError, match=rf"task.volume={there + 1} asks for more .* has, {there};"):
        in_volume(there + 1)


def test_another_volume_is_another_run() -> None:
    names = {from_overrides([f"task.volume={v}"]).fingerprint() for v in ("null", "8", "16")}
    assert len(names) == 3
