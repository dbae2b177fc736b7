"""Captured calls become rows: which, which not, and that none is lost on the way."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rollout_world import failure, jsonl, payload

from llamaduo.config import from_overrides
from llamaduo.errors import DataError, UsageError
from llamaduo.rollout.rows import Imported, bring_in
from llamaduo.task.rows import FileRows


def brought(tmp_path: Path, *rows: Any) -> Imported:
    calls = tmp_path / "calls.jsonl"
    calls.write_text(jsonl(rows), encoding="utf-8")
    return bring_in([calls], tmp_path / "rows.jsonl")


def answered(**message: Any) -> dict[str, Any]:
    given = copy.deepcopy(payload(2))
    given["response"]["choices"][0]["message"].update(message)
    return given


def ended(finish: str | None) -> dict[str, Any]:
    given = copy.deepcopy(payload(2))
    given["response"]["choices"][0]["finish_reason"] = finish
    return given


def test_a_call_is_a_row_with_its_system_and_earlier_turns(tmp_path: Path) -> None:
    turns = [
        {"role": "developer", "content": "Sort."},
        {"role": "user", "content": [{"type": "text", "text": "a\u2028b"}]},
        {"role": "assistant", "content": "which?"},
        {"role": "user", "content": "this"},
    ]
    done = brought(tmp_path, payload(1, messages=turns))
    [(row, part)] = FileRows(path=done.rows).read()
    assert [m.role for m in row.messages] == ["system", "user", "assistant", "user"]
    assert row.messages[1].content == "a\u2028b" and part is None
    assert row.id == "call-1-capture-service-1" and row.target.startswith('{"category"')


LEFT_OUT = {
    "failed": failure(2, "1-capture-service", "500", "APIError"),
    "shadow": payload(2, "2-shadow-local"),
    "shadow by its flag": payload(2, is_silent_experiment=True),
    "shadow by litellm's flag": payload(2, metadata={"is_silent_experiment": True}),
    "local": payload(2, "3-canary-local"),
    "no chat": payload(2, call_type="aembedding"),
    "too long": payload(2, too_long=2_000_000, messages=None),
    "tool call": answered(tool_calls=[{"id": "1"}], content=None),
    "tool call before": payload(2, messages=[{"role": "tool", "content": "42"}]),
    "tools offered": payload(2, model_parameters={"tools": [{"type": "function"}]}),
    "not text": payload(2, messages=[{"role": "user", "content": [{"type": "image_url"}]}]),
    "empty": answered(content=" \n"),
    "refused": answered(provider_specific_fields={"refusal": "I cannot"}),
    "refused by a filter": ended("content_filter"),
    "truncated": ended("length"),
    "unfinished": ended(None),
    "no prompt": payload(2, messages=None),
    "no row": payload(2, messages=[{"role": "system", "content": "only this"}]),
    "no id": payload(2, id="", litellm_call_id=None),
    "no choices": payload(2, response={"choices": []}),
    "2 choices": payload(2, response={"choices": [{}, {}]}),
    "no answer": payload(2, response={"choices": [{"finish_reason": "stop"}]}),
}


@pytest.mark.parametrize("reason", LEFT_OUT)
def test_what_makes_no_row_is_left_out_with_its_line_and_reason(
    reason: str, tmp_path: Path
) -> None:
    done = brought(tmp_path, payload(1), LEFT_OUT[reason])
    assert done.kept == 1
    [one] = [json.loads(line) for line in done.quarantine.read_text().splitlines()]
    said = reason.partition(" by")[0].partition(" before")[0]
    assert one["line"] == 2 and one["reason"].startswith(said)
    assert one["key"] == (LEFT_OUT[reason]["litellm_call_id"] or "")


def test_a_call_that_comes_twice_is_one_row(tmp_path: Path) -> None:
    same_trace = payload(1, id="other", litellm_call_id="other")
    done = brought(tmp_path, payload(1), payload(1), same_trace, payload(2))
    assert (done.kept, done.left_out) == (2, {"twice": 2})
    again = bring_in([tmp_path, tmp_path / "calls.jsonl"], tmp_path / "into" / "rows.jsonl")
    assert again.kept == 2


def test_several_prompts_of_one_trace_are_rows_each(tmp_path: Path) -> None:
    done = brought(tmp_path, payload(1, trace_id="agent"), payload(2, trace_id="agent"))
    assert done.kept == 2


def test_two_answers_of_which_nothing_says_the_copy_are_no_rows(tmp_path: Path) -> None:
    other = payload(1, "another-gateway", model_group="candidate")
    done = brought(tmp_path, payload(1), other, payload(2))
    assert (done.kept, done.left_out) == (1, {"two arms": 2})


def test_nothing_to_learn_from_is_said_with_its_reasons(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none of 2 lines makes a row \(failed: 2\)"):
        brought(tmp_path, *[failure(n, "1-capture-service", "500", "APIError") for n in (1, 2)])
    with pytest.raises(UsageError, match="there is no file or folder"):
        bring_in([tmp_path / "none"], tmp_path / "rows.jsonl")


json_values = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda below: (
        st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=8), below, max_size=3)
    ),
    max_leaves=6,
)
spoilt = st.builds(
    lambda number, key, value: {**payload(number), key: value},
    st.integers(0, 4),
    st.sampled_from(sorted(payload())),
    json_values,
)
inside = st.builds(
    lambda message, finish, turn: {
        **payload(3),
        "response": {"choices": [{"message": message, "finish_reason": finish}]},
        "messages": [{"role": "user", "content": "a question"}, turn],
    },
    st.fixed_dictionaries({"content": json_values, "provider_specific_fields": json_values}),
    st.just("stop") | json_values,
    st.fixed_dictionaries({"role": st.just("user") | json_values, "content": json_values}),
)
raw = st.one_of(
    inside.map(lambda row: json.dumps(row).encode()),
    st.integers(0, 4).map(lambda n: json.dumps(payload(n)).encode()),
    spoilt.map(lambda row: json.dumps(row).encode()),
    json_values.map(lambda value: json.dumps(value).encode()),
    st.binary(min_size=1, max_size=20).filter(lambda b: b"\n" not in b and b.strip() != b""),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(raw, max_size=8))
def test_every_line_is_a_row_or_stands_in_the_quarantine_once(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes]
) -> None:
    folder = tmp_path_factory.mktemp("calls")
    calls, into = folder / "calls.jsonl", folder / "rows.jsonl"
    calls.write_bytes(b"".join(line + b"\n" for line in [json.dumps(payload(9)).encode(), *lines]))
    done = bring_in([calls], into)
    out = [json.loads(line) for line in done.quarantine.read_text().split("\n") if line]
    assert done.kept + len(out) == done.lines == len(lines) + 1
    assert len({one["line"] for one in out}) == len(out)
    assert all(one["reason"] and set(one) == {"file", "line", "key", "reason"} for one in out)
    assert len(FileRows(path=into).read()) == done.kept


def test_the_rows_are_a_task_that_the_loop_takes(tmp_path: Path) -> None:
    done = brought(tmp_path, *[payload(n) for n in range(24)])
    task = from_overrides(["experiments=demo_tiny", f"task.rows.path={done.rows}"]).task
    placed = task.place()
    assert len(placed) == 24 and {row.part for row in placed} >= {"train", "dev", "test"}
    assert {row.example.category for row in placed} == {""}
