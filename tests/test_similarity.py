"""Likeness of texts: what counts as the same, and that the fast ways agree with the plain one."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from llamaduo.similarity import Index, Sieve, groups, jaccard, shingles

WORDS = st.lists(st.sampled_from("abcdef"), max_size=9)
TEXTS = st.lists(WORDS.map(" ".join), max_size=25)
STORY = [f"word{i}" for i in range(19)]
"""Seventeen shingles."""


def nearest_of(known: list[str], asked: str) -> tuple[str, float]:
    """Compare with every text; the first of equals wins, and no likeness is nobody."""
    best = ("", 0.0)
    for i, text in enumerate(known):
        similarity = jaccard(shingles(asked), shingles(text))
        if similarity > best[1]:
            best = (str(i), similarity)
    return best


@given(WORDS.map(" ".join), WORDS.map(" ".join))
def test_likeness_is_symmetric_and_within_0_and_1(a: str, b: str) -> None:
    one, other = shingles(a), shingles(b)
    assert 0 <= jaccard(one, other) <= 1
    assert jaccard(one, other) == jaccard(other, one)
    assert jaccard(one, one) == (1 if one else 0)
    assert (jaccard(one, other) == 1) == (one == other and bool(one))


def test_likeness_is_shared_over_all_shingles() -> None:
    assert jaccard(shingles("a b c d"), shingles("a b c e")) == 1 / 3
    assert jaccard(shingles("a b c d"), shingles("d c b a")) == 0


def test_case_punctuation_and_space_make_no_difference() -> None:
    assert shingles("Where IS it?!") == shingles("  where\n is,  it ") == {"where is it"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", set()),
        ("\u2615 \u2615", {"\u2615 \u2615"}),
        ("\u6211\u5011\u7684\u8ca8", {"\u6211 \u5011 \u7684", "\u5011 \u7684 \u8ca8"}),
        ("yes", {"yes"}),
        ("yes please", {"yes please"}),
        ("yes please now", {"yes please now"}),
        ("yes please now sir", {"yes please now", "please now sir"}),
    ],
)
def test_shingles_are_of_words_of_signs_or_in_scripts_without_spaces_of_characters(
    text: str, expected: set[str]
) -> None:
    assert shingles(text) == expected


@settings(max_examples=60, deadline=None)
@given(TEXTS, WORDS.map(" ".join))
@example(["a b c", "a b c"], "a b c")
def test_the_index_finds_what_comparing_with_every_text_finds(known: list[str], asked: str) -> None:
    index = Index()
    for i, text in enumerate(known):
        index.add(str(i), text)
    assert index.nearest(asked) == nearest_of(known, asked)


@settings(max_examples=60, deadline=None)
@given(TEXTS, WORDS.map(" ".join))
def test_the_sieve_misses_no_copy_and_never_makes_up_a_similarity(
    known: list[str], asked: str
) -> None:
    sieve = Sieve()
    for i, text in enumerate(known):
        sieve.add(str(i), text)
    name, similarity = sieve.nearest(asked)
    best = nearest_of(known, asked)
    if best[1] >= 0.7:
        assert (name, similarity) == best
    elif name:
        assert similarity == jaccard(shingles(asked), shingles(known[int(name)])) > 0
    else:
        assert similarity == 0


def test_the_sieve_finds_every_copy_at_0_7_among_many_and_says_how_near_it_is() -> None:
    sieve = Sieve()
    originals = [[f"{word}{i}" for word in STORY] for i in range(300)]
    for i, words in enumerate(originals):
        sieve.add(f"row {i}", " ".join(words))
    for i, words in enumerate(originals):
        edited = [*words[:-3], "to", "anyone", "else"]
        expected = jaccard(shingles(" ".join(words)), shingles(" ".join(edited)))
        assert expected == 0.7
        assert sieve.nearest(" ".join(edited)) == (f"row {i}", expected)


def test_nothing_is_near_an_empty_text_and_an_empty_text_near_nothing() -> None:
    index, sieve = Index(), Sieve()
    for known in (index, sieve):
        known.add("empty", "")
        known.add("dots", "...")
        assert known.nearest("") == ("", 0.0)
        assert known.nearest("a b c") == ("", 0.0)
        known.add("letters", "a b c")
        assert known.nearest("a b c") == ("letters", 1.0)
    assert groups(["", "", "a b c", "..."], threshold=0.5) == ([0, 1, 2, 3], [True] * 4)


def test_texts_are_grouped_through_others_and_named_by_the_first() -> None:
    left, right = " ".join(STORY[:11]), " ".join(STORY[5:])
    bridge = " ".join(STORY)
    assert jaccard(shingles(left), shingles(right)) < 0.5
    apart, _ = groups(["elsewhere", left, right], threshold=0.5)
    joined, begins = groups(["elsewhere", left, right, bridge], threshold=0.5)
    assert apart == [0, 1, 2]
    assert joined == [0, 1, 1, 1]
    assert begins == [True, True, True, False]


@settings(max_examples=60, deadline=None)
@given(TEXTS, st.sampled_from([0.5, 0.7, 1.0]))
def test_groups_are_the_connected_parts_of_all_near_pairs(
    texts: list[str], threshold: float
) -> None:
    found = list(range(len(texts)))
    begins = [True] * len(texts)
    for j in range(len(texts)):
        for i in range(j):
            if jaccard(shingles(texts[i]), shingles(texts[j])) >= threshold:
                begins[j] = False
                first, other = sorted((found[i], found[j]))
                found = [first if group == other else group for group in found]
    assert groups(texts, threshold=threshold) == (found, begins)
