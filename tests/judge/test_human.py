"""Answers that a person scored: what is read, and how everything that cannot be is named."""

import json
from pathlib import Path
from typing import Any

import pytest

from llamaduo.errors import DataError
from llamaduo.judge.human import NO_TEXT, SHOWN, read
from llamaduo.records import Score

ROW = {
    "instruction": "Where is it?",
    "target": "Here.",
    "answer": "There.",
    "similarity": 40,
    "precision": 62.5,
}


def file_of(folder: Path, *rows: Any) -> Path:
    """Write `rows`, each as JSON but for the ones that are bytes already."""
    path = folder / "scored.jsonl"
    lines = [row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows]
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return path


def faults(folder: Path, *rows: Any) -> list[str]:
    path = file_of(folder, *rows)
    with pytest.raises(DataError) as caught:
        read(path)
    head, *listed = str(caught.value).split("\n  ")
    assert head == f"{path} cannot be read:"
    return listed


def test_an_instruction_or_a_chat_is_read_with_the_answer_and_the_persons_marks(
    tmp_path: Path,
) -> None:
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Where?"}]
    chat = {key: value for key, value in ROW.items() if key != "instruction"}
    first, second = read(file_of(tmp_path, ROW, b"", {**chat, "messages": turns, "more": 1}))
    answer, score = first
    assert (answer.text, answer.example.target) == ("There.", "Here.")
    assert answer.example.instruction == "Where is it?"
    assert score == Score(similarity=40, precision=62.5)
    assert [message.role for message in second[0].example.messages] == ["system", "user"]
    assert [answer.example.id for answer, _ in (first, second)] == ["person-1", "person-3"]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"similarity": 101}, "similarity: 101 is no number in 0..100"),
        ({"similarity": "80"}, "similarity: '80' is no number in 0..100"),
        ({"precision": True}, "precision: True is no number in 0..100"),
        ({"precision": float("nan")}, "precision: nan is no number in 0..100"),
        ({"precision": None}, "precision: None is no number in 0..100"),
        ({"target": " "}, "target: not a text, or empty"),
        ({"answer": 3}, "answer: not a text, or empty"),
        ({"answer": "\ud800"}, f"answer: {NO_TEXT}"),
        ({"messages": []}, "messages: not a list of turns"),
        ({"messages": ["a"]}, "messages: each needs `role` and `content`"),
        ({"messages": [{"role": "user"}]}, "messages: each needs `role` and `content`"),
        ({"messages": [{"role": "user", "content": "\udc00"}]}, f"messages: {NO_TEXT}"),
    ],
)
def test_what_cannot_be_read_is_named_by_line_and_key(
    tmp_path: Path, change: dict[str, Any], fault: str
) -> None:
    assert faults(tmp_path, ROW, {**ROW, **change}) == [f"line 2: {fault}"]


def test_a_turn_of_no_known_role_is_named(tmp_path: Path) -> None:
    [fault] = faults(tmp_path, {**ROW, "messages": [{"role": "boss", "content": "a"}]})
    assert fault.startswith("line 1: messages: role: Input should be 'system', 'user'")


def test_every_fault_is_listed_at_once(tmp_path: Path) -> None:
    assert faults(tmp_path, {}, b"{", [], b"\xff") == [
        "line 1: instruction: missing (and no `messages`); target: missing; answer: missing; "
        "similarity: missing; precision: missing",
        "line 2: not JSON: Expecting property name enclosed in double quotes: line 2 column 1 "
        "(char 2)",
        "line 3: not a JSON object",
        "line 4: not JSON: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte",
    ]
    many = faults(tmp_path, *[[]] * (SHOWN + 3))
    assert (len(many), many[-1]) == (SHOWN + 1, "and 3 more")
    assert faults(tmp_path, b"") == ["no rows"]
