"""Holes filled in one pass, and JSON read out of whatever a service wrote round it."""

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llamaduo.prompt import fill, json_objects, tagged_objects

pieces = st.lists(
    st.sampled_from(["{a}", "{ab}", "{", "}", "{}", "{c}", "{ a }", "\\1", "$a", " ", "\n"])
)
"""Never `a` beside a brace of another piece: joined, they make no new hole."""


def test_every_named_hole_is_filled_each_time_it_stands() -> None:
    assert fill("{a} and {b} and {a}", a="x", b="y") == "x and y and x"


def test_the_braces_of_a_json_example_stay() -> None:
    template = 'Reply as {"score": <{low} to 100>, "of": {}} with {unknown} {0} {{low}}'
    assert fill(template, low="1") == (
        'Reply as {"score": <1 to 100>, "of": {}} with {unknown} {0} {1}'
    )


@settings(deadline=None)
@given(pieces, st.text(), st.text())
def test_holes_are_filled_and_all_else_stays(template: list[str], a: str, ab: str) -> None:
    expected = "".join({"{a}": a, "{ab}": ab}.get(piece, piece) for piece in template)
    assert fill("".join(template), a=a, ab=ab) == expected


@settings(deadline=None)
@given(pieces.map("".join), pieces.map("".join))
def test_what_a_field_says_is_not_filled_again(a: str, ab: str) -> None:
    assert fill("{a}|{ab}|{a}", a=a, ab=ab) == f"{a}|{ab}|{a}"


@pytest.mark.parametrize(
    "reply",
    [
        '{"score": 1}',
        'My assessment:\n{"score": 1}\nI hope this helps.',
        '```json\n{"score": 1}\n```',
        'A set {1, 2}, a hole {}} of {x}: {"score": 1} }{',
        '{"broken": } {"score": 1}',
        '{"unterminated": "... {"score": 1}',
    ],
)
def test_an_object_is_found_in_prose_fences_and_debris(reply: str) -> None:
    assert [found for found in json_objects(reply) if found] == [{"score": 1}]


def test_of_nested_objects_only_the_outermost_is_returned() -> None:
    assert json_objects('{"a": {"b": {"c": 1}}, "d": [{"e": 2}]}') == [
        {"a": {"b": {"c": 1}}, "d": [{"e": 2}]}
    ]


def test_two_objects_are_two_in_their_order() -> None:
    assert json_objects('first {"a": 1} then {"a": 2}{"a": 3}') == [{"a": 1}, {"a": 2}, {"a": 3}]


def test_a_list_is_no_object_but_its_objects_are() -> None:
    assert json_objects('[1, {"a": 1}, {"b": 2}]') == [{"a": 1}, {"b": 2}]


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "9" * 5000])
def test_what_is_no_finite_number_ends_the_object_it_stands_in(number: str) -> None:
    assert json_objects(f'{{"similarity": {number}, "precision": 90}} {{"ok": 1.5}}') == [
        {"ok": 1.5}
    ]


@pytest.mark.parametrize("reply", ["", "none", "{", '{"a": 1', '{"a": "', "{'a': 1}", '"a": 1}'])
def test_a_reply_without_a_whole_object_holds_none(reply: str) -> None:
    assert json_objects(reply) == []


@pytest.mark.parametrize(
    "reply",
    [
        "{" * 1_000_000,
        '{"' * 500_000,
        '{"a":x' * 100_000,
        '{"a":' * 300_000,
        '{"a":[' * 200_000,
        '{"a":' + "[" * 100_000,
    ],
)
def test_no_reply_is_too_deep_to_read(reply: str) -> None:
    began = time.process_time()
    assert json_objects(reply) == []
    assert time.process_time() - began < 5


prose = st.text().map(lambda text: text.replace("{", ""))
inner = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(-1e9, 1e9),
    lambda value: st.lists(value, max_size=3) | st.dictionaries(st.text(), value, max_size=3),
    max_leaves=8,
)


@settings(deadline=None)
@given(st.lists(st.tuples(prose, st.dictionaries(st.text(), inner, max_size=4))), prose)
def test_objects_come_out_as_they_went_in(said: list[tuple[str, dict[str, Any]]], end: str) -> None:
    reply = "".join(text + json.dumps(value) for text, value in said) + end
    assert json_objects(reply) == [value for _, value in said]


@pytest.mark.parametrize(
    "reply",
    [
        '{"tag": "T", "n": 1}',
        '{"n": 1, "tag": "T"}',
        'Tag T: {"n": 2} {"tag": "U"}\n```json\n{"n": 1, "tag": "T"}\n``` Tagged T.',
        '{"open": "{"tag": "T", "n": 1}',
        '{"x": {"tag": "T", "n": 1}}',
        '{"n": 9, "tag": "T" {"tag": "T", "n": 1}',
        '{"n": 9, "n": 9, "tag": "T"} {"tag": "T", "n": 1}',
        "{{{[[" + "{" * 1000 + '{"tag": "T", "n": 1}',
        '{"tag": "TT", "n": 9} {"tag": ["T"], "n": 9} {"tag": "T", "n": 1}',
    ],
)
def test_the_object_that_repeats_the_tag_is_found_whatever_stands_round_it(reply: str) -> None:
    assert tagged_objects(reply, "T") == [{"tag": "T", "n": 1}]


def test_objects_that_repeat_the_tag_come_in_their_order_each_once() -> None:
    reply = '{"tag": "T", "n": 2, "why": "T T T"} or {"n": 1, "o": {"p": {}}, "tag": "T"}'
    assert [found["n"] for found in tagged_objects(reply, "T")] == [2, 1]


@pytest.mark.parametrize(
    "reply", ["", "T", '{"tag": "T"', '{"T": "tag"}', '["tag", "T"]', '{"x": NaN, "tag": "T"}']
)
def test_where_no_whole_object_repeats_the_tag_there_is_none(reply: str) -> None:
    assert tagged_objects(reply, "T") == []
    assert tagged_objects('{"tag": ""}', "") == []


def test_an_object_is_found_behind_as_many_braces_as_it_is_told_to_try() -> None:
    braces = '{"why": "' + "{" * 9 + '", "tag": "T"}'
    assert len(tagged_objects(braces, "T", deepest=10)) == 1
    assert tagged_objects(braces, "T", deepest=9) == []


@pytest.mark.parametrize(
    "piece", ["{", '{"a":', '{"a":"', '{"tag": "T", "a":', 'T{"tag": "T" ', "T"]
)
def test_a_megabyte_before_the_verdict_costs_no_time(piece: str) -> None:
    reply = piece * (1_000_000 // len(piece)) + '\n{"tag": "U", "n": 1}'
    began = time.process_time()
    assert tagged_objects(reply, "U") == [{"tag": "U", "n": 1}]
    assert time.process_time() - began < 2


@settings(deadline=None)
@given(pieces.map("".join), st.dictionaries(st.text(), inner, max_size=4), prose)
def test_a_tagged_object_comes_out_as_it_went_in(
    debris: str, value: dict[str, Any], end: str
) -> None:
    tagged = {**value, "tag": "5ca1ab1e"}
    assert tagged_objects(debris + json.dumps(tagged) + end, "5ca1ab1e") == [tagged]
