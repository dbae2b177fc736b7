"""Checks that need no judge: what each lets pass."""

import pytest
from pydantic import ValidationError

from llamaduo.records import Example, Message
from llamaduo.task import Check
from llamaduo.task.checks import Exact, JsonKeys, Matches, OneOf

ROW = Example(id="a", messages=(Message(role="user", content="?"),), target='{"label": "no"}\n')


@pytest.mark.parametrize(
    ("check", "answer", "expected"),
    [
        (Exact(), ' {"label": "no"}', True),
        (Exact(), '{"label":"no"}', False),
        (Exact(), '{"label": "No"}', False),
        (Exact(), "", False),
        (JsonKeys(keys=("label",)), ' {"label": 3}\n', True),
        (JsonKeys(keys=("label",)), '{"label": 3} Done.', False),
        (JsonKeys(keys=("label",)), '```json\n{"label": 3}\n```', False),
        (JsonKeys(keys=("label",)), "{}", False),
        (JsonKeys(keys=("label",)), '{"label": 3, "why": ""}', False),
        (JsonKeys(keys=("label", "why")), '{"why": "", "label": 3}', True),
        (JsonKeys(keys=("label",)), '["label"]', False),
        (JsonKeys(keys=("label",)), '"label"', False),
        (JsonKeys(keys=()), "{}", True),
        (JsonKeys(keys=()), "[" * 100_000, False),
        (OneOf(values=("yes", "no")), " no\n", True),
        (OneOf(values=("yes", "no")), "No", False),
        (OneOf(values=("yes", "no")), "yes no", False),
        (OneOf(values=("yes", "no")), "", False),
        (Matches(pattern=r"\d{3}"), " 123\n", True),
        (Matches(pattern=r"\d{3}"), "1234", False),
        (Matches(pattern=r"\d{3}"), "x123", False),
        (Matches(pattern=r"a.*b"), "a\nb", True),
    ],
)
def test_a_check_passes_just_what_it_says(check: Check, answer: str, expected: bool) -> None:
    assert check.passes(answer, ROW) is expected


def test_a_pattern_that_is_no_regular_expression_is_refused() -> None:
    with pytest.raises(ValidationError, match="not a regular expression"):
        Matches(pattern="(")


def test_what_a_check_wants_is_part_of_its_key() -> None:
    assert OneOf(values=("a",)).key() != OneOf(values=("b",)).key()
    assert Exact().key() == Exact().key() != JsonKeys(keys=()).key()
