"""Coverage rows: the shapes that are read, and how everything that cannot be is named."""

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from llamaduo.errors import DataError
from llamaduo.task.rows import SHOWN, FileRows, HubRows, Read

PAIR = {"instruction": "Where is it?", "response": "Here."}


def file_of(folder: Path, *rows: Any) -> Path:
    """Write `rows`, each as JSON but for the ones that are bytes already."""
    path = folder / "rows.jsonl"
    lines = [row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows]
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return path


def read(folder: Path, *rows: Any, limit: int | None = None) -> list[Read]:
    return FileRows(path=file_of(folder, *rows), limit=limit).read()


def faults(folder: Path, *rows: Any) -> list[str]:
    path = file_of(folder, *rows)
    with pytest.raises(DataError) as caught:
        FileRows(path=path).read()
    head, *listed = str(caught.value).split("\n  ")
    assert head == f"{path} cannot be read:"
    return listed


def said(row: Read) -> list[tuple[str, str]]:
    return [(message.role, message.content) for message in row[0].messages]


def test_three_shapes_are_read_and_the_turns_of_a_chat_are_kept(tmp_path: Path) -> None:
    system = {"role": "system", "content": "Be brief."}
    user = {"role": "user", "content": "Where is it?"}
    answer = {"role": "assistant", "content": "Here."}
    again = {"role": "user", "content": "Where?"}
    rows = read(
        tmp_path,
        PAIR,
        {"messages": [system, user, answer]},
        {"messages": [system, user, answer, again], "target": "There."},
    )
    assert [row.target for row, _ in rows] == ["Here.", "Here.", "There."]
    assert said(rows[0]) == [("user", "Where is it?")]
    assert said(rows[1]) == [("system", "Be brief."), ("user", "Where is it?")]
    assert [role for role, _ in said(rows[2])] == ["system", "user", "assistant", "user"]
    assert rows[1][0].question == "Where is it?"
    assert {row.origin.by for row, _ in rows} == {"coverage"}


def test_id_category_and_part_are_taken_over_and_other_keys_are_not_read(tmp_path: Path) -> None:
    [first, second, third, bare] = read(
        tmp_path,
        {**PAIR, "id": "a", "prompt_id": "b", "category": "where", "part": "test", "more": 1},
        {**PAIR, "prompt_id": "b", "part": "dev", "category": None},
        {**PAIR, "id": 0, "part": "train"},
        {**PAIR, "id": None, "part": None},
    )
    assert (first[0].id, first[0].category, first[1]) == ("a", "where", "test")
    assert (second[0].id, second[0].category, second[1]) == ("b", "", "dev")
    assert (third[0].id, third[1]) == ("0", "train")
    assert (len(bare[0].id), bare[1]) == (12, None)


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ({"instruction": "a"}, "response: missing"),
        ({"response": "a"}, "instruction: missing"),
        ({}, "instruction, response: missing (and no `messages`)"),
        ({"instruction": 3, "response": "a"}, "instruction: not a text"),
        ({"instruction": "a", "response": None}, "target: not a text, or empty"),
        ({"instruction": "a", "response": " \n"}, "target: not a text, or empty"),
        ({"instruction": " ", "response": "a"}, "messages: no user turn"),
        ({"messages": "hello", "target": "a"}, "messages: not a list"),
        ({"messages": ["hello"], "target": "a"}, "messages: each needs `role` and `content`"),
        ({"messages": [{"role": "user"}], "target": "a"}, "messages: each needs"),
        ({"messages": [{"role": "boss", "content": "a"}], "target": "a"}, "messages: role:"),
        ({"messages": [{"role": "user", "content": 3}], "target": "a"}, "messages: content:"),
        ({"messages": [{"role": "user", "content": "a"}]}, "target: missing"),
        ({"messages": [{"role": "assistant", "content": "a"}]}, "messages: no user turn"),
        ({"messages": [], "target": "a"}, "messages: no user turn"),
        ({**PAIR, "part": "valid"}, "part: 'valid' is none of train, dev, test"),
        ({**PAIR, "part": "out"}, "part: 'out' is none of"),
        ({**PAIR, "category": 3}, "category: not a text"),
        ({**PAIR, "category": 0}, "category: not a text"),
        ([PAIR], "not a JSON object"),
        (b'{"instruction": "a", ', "not JSON: "),
        (b'{"instruction": "caf\xe9", "response": "a"}', "not JSON: 'utf-8' codec"),
        (b'{"instruction": "\\ud83d", "response": "a"}', "messages: half of a surrogate pair"),
        (b'{"instruction": "a", "response": "\\udc00"}', "target: half of a surrogate pair"),
    ],
)
def test_a_fault_is_named_by_file_line_and_key(tmp_path: Path, row: Any, fault: str) -> None:
    [named] = faults(tmp_path, PAIR, row)
    assert named.startswith(f"line 2: {fault}")


def test_all_faults_are_named_at_once_and_blank_lines_are_counted_as_lines(tmp_path: Path) -> None:
    named = faults(tmp_path, {}, b"", PAIR, b"nonsense", b"  ", [])
    assert [fault.partition(":")[0] for fault in named] == ["line 1", "line 4", "line 6"]


def test_more_faults_than_are_shown_are_counted(tmp_path: Path) -> None:
    named = faults(tmp_path, *[{}] * (SHOWN + 3))
    assert len(named) == SHOWN + 1
    assert (named[SHOWN - 1][:8], named[SHOWN]) == (f"line {SHOWN}:", "and 3 more")
    assert len(faults(tmp_path, *[{}] * SHOWN)) == SHOWN


def test_a_line_separator_inside_a_row_does_not_cut_it(tmp_path: Path) -> None:
    text = "one\u2028two\u2029three\x85four\x0bfive"
    row = json.dumps({"instruction": text, "response": "a"}, ensure_ascii=False).encode()
    [(example, _), after] = read(tmp_path, row, PAIR)
    assert example.instruction == text
    assert after[0].target == "Here."


def test_lines_may_end_as_on_windows(tmp_path: Path) -> None:
    [(example, _), _] = read(tmp_path, json.dumps(PAIR).encode() + b"\r", PAIR)
    assert example.target == "Here."


def test_an_id_given_twice_is_a_fault_that_names_both_rows(tmp_path: Path) -> None:
    other = {"instruction": "Who?", "response": "Me."}
    named = faults(tmp_path, {**PAIR, "id": "x"}, {**other, "id": "x"}, {**other, "id": 7})
    assert named == ["line 2: id: 'x' is the id of line 1 too"]


def test_the_same_row_twice_without_an_id_is_two_rows_with_ids_of_their_own(tmp_path: Path) -> None:
    rows = read(tmp_path, PAIR, PAIR, PAIR, {**PAIR, "response": "There."})
    ids = [row.id for row, _ in rows]
    assert len(set(ids)) == 4
    assert ids[1:3] == [f"{ids[0]}-2", f"{ids[0]}-3"]
    assert [row.id for row, _ in read(tmp_path, PAIR)] == ids[:1]


@pytest.mark.parametrize(
    ("limit", "taken"),
    [
        (1, [0]),
        (2, [0, 5]),
        (4, [0, 2, 5, 7]),
        (9, [0, 1, 2, 3, 4, 5, 6, 7, 8]),
        (10, list(range(10))),
        (99, list(range(10))),
        (None, list(range(10))),
    ],
)
def test_a_limit_spreads_evenly_over_the_file(
    tmp_path: Path, limit: int | None, taken: list[int]
) -> None:
    rows = read(tmp_path, *({**PAIR, "id": str(i)} for i in range(10)), limit=limit)
    assert [int(row.id) for row, _ in rows] == taken


def test_a_limit_hides_no_fault_and_names_other_rows_in_the_key(tmp_path: Path) -> None:
    path = file_of(tmp_path, PAIR, PAIR, {})
    with pytest.raises(DataError, match="line 3"):
        FileRows(path=path, limit=1).read()
    assert FileRows(path=path, limit=1).key() != FileRows(path=path, limit=2).key()


def test_an_empty_file_is_a_fault_and_a_missing_one_is_refused_at_once(tmp_path: Path) -> None:
    assert faults(tmp_path) == ["no rows"]
    assert faults(tmp_path, b"", b" ") == ["no rows"]
    with pytest.raises(ValueError, match=r"there is no file .*nowhere\.jsonl"):
        FileRows(path=tmp_path / "nowhere.jsonl")


class Hub:
    """Stands in for `datasets.load_dataset`, the one way to the hub."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **splits: list[dict[str, Any]]) -> None:
        self.splits = splits
        self.asked: list[tuple[str, str, str]] = []
        module = ModuleType("datasets")
        module.load_dataset = self.load  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "datasets", module)

    def load(self, repo: str, *, split: str, revision: str) -> list[dict[str, Any]]:
        self.asked.append((repo, split, revision))
        return self.splits[split]


def chat(question: str, category: str, **more: Any) -> dict[str, Any]:
    turns = [("user", question), ("assistant", "Yes.")]
    messages = [{"role": role, "content": content} for role, content in turns]
    return {"messages": messages, "category": category, **more}


def test_hub_rows_of_one_category_are_read_at_one_commit_and_its_test_split_stays_test(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hub = Hub(
        monkeypatch,
        learn=[chat("one?", "Coding", prompt_id="p1"), chat("two?", "Chat"), chat("3?", "Coding")],
        held=[chat("four?", "Coding"), chat("five?", "Chat")],
    )
    source = HubRows(
        repo="some/rows", revision="abc", train="learn", test="held", category="Coding"
    )
    rows = source.read()
    assert hub.asked == [("some/rows", "learn", "abc"), ("some/rows", "held", "abc")]
    assert [(row.question, part) for row, part in rows] == [
        ("one?", None),
        ("3?", None),
        ("four?", "test"),
    ]
    assert (rows[0][0].id, rows[0][0].target) == ("p1", "Yes.")


def test_hub_rows_without_a_category_are_all_read_and_without_a_test_split_all_shared_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hub = Hub(monkeypatch, learn=[chat("one?", "Coding"), chat("two?", "Chat")])
    rows = HubRows(repo="some/rows", revision="abc", train="learn").read()
    assert [part for _, part in rows] == [None, None]
    assert len(hub.asked) == 1


def test_a_fault_in_hub_rows_is_named_by_split_and_row(monkeypatch: pytest.MonkeyPatch) -> None:
    Hub(monkeypatch, learn=[chat("one?", "Chat"), chat("two?", "Coding"), {"category": "Coding"}])
    with pytest.raises(DataError) as caught:
        HubRows(repo="some/rows", revision="abc", train="learn", category="Coding").read()
    assert "some/rows cannot be read:" in str(caught.value)
    assert "learn row 2: instruction, response: missing" in str(caught.value)


def test_the_same_row_in_both_splits_of_the_hub_has_two_ids(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Hub(monkeypatch, learn=[chat("one?", "Coding")], held=[chat("one?", "Coding")])
    rows = HubRows(repo="some/rows", revision="abc", train="learn", test="held").read()
    assert len({row.id for row, _ in rows}) == 2


def test_a_limit_takes_hub_rows_of_all_splits(monkeypatch: pytest.MonkeyPatch) -> None:
    chats = [chat(f"{n}?", "Coding") for n in range(8)]
    Hub(monkeypatch, learn=chats[:6], held=chats[6:])
    rows = HubRows(repo="some/rows", revision="abc", train="learn", test="held", limit=4).read()
    assert [(row.question, part) for row, part in rows] == [
        ("0?", None),
        ("2?", None),
        ("4?", None),
        ("6?", "test"),
    ]


def test_a_category_without_rows_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    Hub(monkeypatch, learn=[chat("one?", "Chat")])
    with pytest.raises(DataError, match="no rows"):
        HubRows(repo="some/rows", revision="abc", train="learn", category="Coding").read()
