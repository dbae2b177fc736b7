"""What a promoted model is asked: read as it was meant, or refused."""

from typing import Any

import pytest

from llamaduo.promotion.chats import chats_of
from llamaduo.records import Message

BRIEF = {"role": "system", "content": "Be brief."}
HI = {"role": "user", "content": "hi"}


def test_a_prompt_is_one_turn_and_a_chat_keeps_all_of_its_turns() -> None:
    first, second = chats_of(["0"], [["hi"], [{"messages": [BRIEF, HI]}]])
    assert first == (Message(role="user", content="hi"),)
    assert second == (Message(role="system", content="Be brief."), *first)
    assert chats_of(["messages"], [[[BRIEF, HI]]]) == [second]


@pytest.mark.parametrize(
    ("columns", "row", "says"),
    [
        (["role", "content"], ["user", "hi"], r"2 columns \(role, content\); give a list"),
        (["0", "1"], [BRIEF, HI], "the input has 2 columns"),
        (["0"], [HI], "row 0 is no prompt and no chat"),
        (["0"], [7], "row 0 is no prompt and no chat"),
        (["0"], [{"messages": [{"role": "robot", "content": "hi"}]}], "row 0 is no prompt"),
        (["0"], [{"messages": []}], "row 0 is a chat without a message"),
    ],
)
def test_what_would_lose_a_turn_or_says_nothing_is_refused_with_how_to_ask(
    columns: list[str], row: list[Any], says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        chats_of(columns, [row])
