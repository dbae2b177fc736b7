"""Deduplication: what goes, for which reason, and that no row is lost on the way."""

from collections.abc import Callable

import pytest

from llamaduo.dedup.minhash import Minhash
from llamaduo.records import Example, Message, Sifted
from llamaduo.similarity import jaccard, shingles

SIEVE = Minhash(copies=0.7, leaks=0.5)
STORY = [f"word{i}" for i in range(14)]
"""Twelve shingles."""


def row(name: str, text: str, *, system: str = "", target: str = "x") -> Example:
    asked = Message(role="user", content=text)
    above = (Message(role="system", content=system),) if system else ()
    return Example(id=name, messages=(*above, asked), target=target)


def edited(last: int) -> str:
    """Return the story with its last words changed: 2 make 10/14 alike, 4 make 8/16."""
    return " ".join([*STORY[:-last], *(f"new{i}" for i in range(last))])


def likeness(a: str, b: str) -> float:
    return jaccard(shingles(a), shingles(b))


def unfit(row: Example) -> str:
    return "" if row.target else "empty"


def sift(
    *fresh: Example,
    train: tuple[Example, ...] = (),
    dev: tuple[Example, ...] = (),
    test: tuple[Example, ...] = (),
    sieve: Minhash = SIEVE,
    why_not: Callable[[Example], str] = unfit,
) -> list[Sifted]:
    return list(sieve.sift(fresh, train=train, dev=dev, test=test, why_not=why_not))


KNOWN = row("known", " ".join(STORY))


def test_a_near_copy_of_each_part_is_dropped_with_the_row_it_copies_and_how_near() -> None:
    fresh = row("fresh", edited(2))
    expected = likeness(edited(2), KNOWN.question)
    assert expected == pytest.approx(10 / 14)
    for part, [found] in {
        "train": sift(fresh, train=(KNOWN,)),
        "dev": sift(fresh, dev=(KNOWN,)),
        "test": sift(fresh, test=(KNOWN,)),
    }.items():
        assert found.dropped == f"near copy of {part}"
        assert (found.nearest, found.similarity) == ("known", expected)


def test_a_row_less_like_a_train_row_is_kept_and_one_as_like_a_sealed_row_is_not() -> None:
    fresh = row("fresh", edited(4))
    assert likeness(edited(4), KNOWN.question) == 0.5
    [by_train] = sift(fresh, train=(KNOWN,))
    [by_dev] = sift(fresh, dev=(KNOWN,))
    [by_test] = sift(fresh, test=(KNOWN,))
    assert [by_train.dropped, by_dev.dropped, by_test.dropped] == [
        "",
        "near copy of dev",
        "near copy of test",
    ]
    assert (by_train.nearest, by_train.similarity) == ("known", 0.5)


def test_the_limits_are_reached_at_the_similarity_itself() -> None:
    just = likeness(edited(2), KNOWN.question)
    for copies, dropped in ((just, "near copy of train"), (just + 1e-9, "")):
        [found] = sift(
            row("fresh", edited(2)), train=(KNOWN,), sieve=Minhash(copies=copies, leaks=0.5)
        )
        assert found.dropped == dropped


def test_leaks_above_copies_hold_too() -> None:
    strict = Minhash(copies=0.5, leaks=0.9)
    [kept] = sift(row("fresh", edited(2)), test=(KNOWN,), sieve=strict)
    [dropped] = sift(row("fresh", edited(2)), train=(KNOWN,), sieve=strict)
    assert (kept.dropped, dropped.dropped) == ("", "near copy of train")


def test_a_copy_of_test_and_train_is_said_to_be_one_of_test() -> None:
    near = row("near", edited(2))
    [found] = sift(row("fresh", edited(2)), train=(near,), dev=(near,), test=(KNOWN,))
    assert (found.dropped, found.nearest) == ("near copy of test", "known")
    assert found.similarity == likeness(edited(2), KNOWN.question) < 1


def test_a_fresh_row_that_says_an_earlier_one_again_is_dropped() -> None:
    found = sift(row("first", edited(2)), row("second", edited(2)), row("third", "something else"))
    assert [one.dropped for one in found] == ["", "near copy of train", ""]
    assert (found[1].nearest, found[1].similarity) == ("first", 1.0)


def test_a_dropped_row_drops_no_other() -> None:
    found = sift(row("bad", edited(2), target=""), row("good", edited(2)))
    assert [one.dropped for one in found] == ["empty", ""]
    chain = sift(row("a", " ".join(STORY[2:])), row("b", " ".join(STORY[4:])), train=(KNOWN,))
    assert (
        likeness(" ".join(STORY[2:]), " ".join(STORY[4:]))
        >= 0.7
        > likeness(" ".join(STORY[4:]), KNOWN.question)
    )
    assert [one.dropped for one in chain] == ["near copy of train", ""]


def test_what_is_no_row_goes_for_that_reason_and_still_shows_what_it_was_near() -> None:
    [found] = sift(row("fresh", edited(2), target=""), test=(KNOWN,))
    assert (found.dropped, found.nearest) == ("empty", "known")
    assert found.nearest_test == likeness(edited(2), KNOWN.question)


def test_every_row_comes_back_in_order() -> None:
    fresh = [row(f"f{i}", edited(1 + i % 5), target="x" if i % 3 else "") for i in range(20)]
    found = sift(*fresh, train=(KNOWN,), dev=(row("d", "a b c d"),))
    assert [one.example for one in found] == fresh
    assert {bool(one.dropped) for one in found} == {True, False}


def test_the_similarity_to_test_is_that_to_the_most_similar_test_row() -> None:
    tests = (row("t0", "nothing alike at all"), row("t1", " ".join(STORY[:7])), KNOWN)
    [kept, none] = sift(
        row("fresh", edited(5)), row("far", "other words here"), train=(KNOWN,), test=tests
    )
    expected = max(likeness(edited(5), one.question) for one in tests)
    assert expected == likeness(edited(5), tests[1].question) > likeness(edited(5), KNOWN.question)
    assert (kept.dropped, kept.nearest, kept.nearest_test) == ("", "t1", expected)
    [copy] = sift(row("fresh", edited(2)), train=(KNOWN,), test=tests[:2])
    assert (copy.similarity, copy.nearest_test) == (10 / 14, 5 / 12)
    assert (none.dropped, none.nearest, none.similarity, none.nearest_test) == ("", "", 0.0, 0.0)


def test_a_system_turn_that_rows_share_makes_no_copies() -> None:
    above = "Sort this message into one of eight categories and reply with JSON alone"
    found = sift(
        row("fresh", "my card was charged twice", system=above),
        train=(row("known", "how do I change my name", system=above),),
        test=(row("sealed", "where has the parcel gone", system=above),),
    )
    assert [one.dropped for one in found] == [""]
    known = row("known", " ".join(STORY), system=above)
    for [copy] in (
        sift(row("fresh", edited(2)), train=(known,)),
        sift(row("fresh", edited(2)), dev=(known,)),
        sift(row("fresh", edited(2)), test=(known,)),
    ):
        assert copy.similarity == likeness(edited(2), KNOWN.question)
