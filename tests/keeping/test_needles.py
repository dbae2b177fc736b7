"""What a row is looked for by, and that it is found however it was written down."""

import html
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llamaduo.keeping import needles
from llamaduo.keeping.needles import Needles, of_rows
from llamaduo.records import Example, Message
from llamaduo.tracker.figures import parquet
from llamaduo.unseen import visible

TEXT = 'My "card" ends in 4711 <b>\\n\n and I am Zoë | O\'Neil \u2028 no. 9'
UNSEEN = " My card\r\nends in 4711 \u200b\u202e\x07and I am \ufeffZoë\r\n"


def utf8(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def row(name: str, text: str, target: str = "yes") -> Example:
    system = Message(role="system", content="You sort tickets of all kinds.")
    asked = Message(role="user", content=text)
    return Example(id=name, messages=(system, asked), target=target)


WAYS: dict[str, Callable[[str], str]] = {
    "as it stands": lambda text: text,
    "JSON": json.dumps,
    "JSON in UTF-8": lambda text: json.dumps(text, ensure_ascii=False),
    "JSON in JSON": lambda text: json.dumps({"request": json.dumps({"content": text})}),
    "JSON in UTF-8, in JSON": lambda text: json.dumps(json.dumps(text, ensure_ascii=False)),
    "JSON in JSON in UTF-8": lambda text: utf8(json.dumps(text)),
    "JSON in UTF-8, in JSON in UTF-8": lambda text: utf8(utf8(text)),
    "a prompt of JSON in a paid call": lambda text: Message(
        role="user", content=utf8([{"instruction": text}])
    ).model_dump_json(),
    "JSON in HTML": lambda text: html.escape(utf8(text)),
    "stripped": str.strip,
    "with the other end of line": lambda text: text.replace("\r\n", "\n"),
    "with CRLF": lambda text: re.sub("\r?\n", "\r\n", text),
    "made visible": visible,
    "made visible, in HTML": lambda text: html.escape(visible(text)),
    "stripped, made visible, in JSON": lambda text: utf8(visible(text.strip())),
    "HTML": html.escape,
    "one line": lambda text: " ".join(text.split()),
    "a cell of a table": lambda text: " ".join(text.split()).replace("|", "\\|"),
    "SQL": lambda text: text.replace("'", "''"),
    "CSV": lambda text: text.replace('"', '""'),
}


@pytest.mark.parametrize("text", [TEXT, UNSEEN], ids=["seen", "unseen"])
@pytest.mark.parametrize("way", WAYS)
def test_a_text_is_found_however_it_was_written(way: str, text: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(f"before {WAYS[way](text)} behind".encode())
    assert Needles((text,), ()).in_file(path)
    assert not Needles((text + "!",), ()).in_file(path)


@given(text=st.text(min_size=16).filter(str.strip), before=st.text(), behind=st.text())
def test_any_text_is_found_in_json_and_in_json_of_json(text: str, before: str, behind: str) -> None:
    sought = Needles((text,), ())
    once = json.dumps(before + text + behind)
    assert sought.in_bytes(once.encode())
    assert sought.in_bytes(json.dumps(once).encode())
    plain = (before + text + behind).encode("utf-8", "replace")
    assert sought.in_bytes(plain)


def test_a_text_across_two_blocks_and_in_a_table_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(needles, "BLOCK", 50)
    path = tmp_path / "file"
    for at in range(60):
        path.write_text("x" * at + TEXT + "x" * 100, encoding="utf-8")
        assert Needles((TEXT,), ()).in_file(path)
    table = tmp_path / "t.parquet"
    parquet([{"id": "1", "messages": [{"role": "user", "content": TEXT}]}], table)
    assert Needles((TEXT,), ()).in_file(table)
    assert Needles((), ("1",)).in_file(table)
    assert not Needles((), ("2",)).in_file(table)


def test_a_short_text_and_an_id_are_found_as_a_whole_and_in_their_place_only() -> None:
    short, name = Needles(("ticket 17",), ()), Needles((), ("17",))
    assert short.in_bytes(b'{"target": "ticket 17"}')
    assert short.in_bytes(rb'"{\"target\": \"ticket 17\"}"')
    assert not short.in_bytes(b'{"target": "ticket 170"}')
    for said in (b'{"id":"17"}', b'{"id": "17"}', b'"seeds":["4","17"]', rb"{\"nearest\": \"17\"}"):
        assert name.in_bytes(said)
    for said in (b'{"target":"17"}', b'{"id":"170"}', b'{"n": 17}', b'"seeds":["170"]', b"17"):
        assert not name.in_bytes(said)


def test_what_other_rows_say_too_is_not_looked_for() -> None:
    mine = row("1", "Where is the parcel of Mr Quill?", "It is at the depot in Leeds.")
    other = row("2", "Another question altogether", "It is at the depot in Leeds.")
    assert of_rows([mine], [other]) == Needles(("Where is the parcel of Mr Quill?",), ("1",))
    spaced = row("1", "Where is\r\nthe parcel  of Mr Quill? ", "yes")
    assert of_rows([spaced], [row("3", f"Asked: {mine.question}")]).texts == ()
    assert of_rows([mine], [row("1", "Of another task, no. 1")]).ids == ()
