"""Whatever row goes from whatever results: what holds it or came of it goes, and no more."""

import json
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from kept_world import bytes_under, forgotten, question

from llamaduo.lineage import Lineage
from llamaduo.records import Example, Message, Origin, Placed
from llamaduo.store import Store

NAMES = [f"r{i}" for i in range(6)]
STAGES = ("train", "adapter", "answers", "judgements", "audit", "somebodys")


def row(name: str, seeds: tuple[str, ...] = ()) -> Example:
    asked = Message(role="user", content=question(name))
    return Example(id=name, messages=(asked,), target="yes", origin=Origin(seeds=seeds))


RESULT = st.fixed_dictionaries(
    {
        "stage": st.sampled_from(STAGES),
        "holds": st.sets(st.sampled_from(NAMES), max_size=3),
        "seen": st.sets(st.sampled_from(NAMES), max_size=2),
        "of": st.sets(st.integers(0, 7), max_size=2),
        "grown_from": st.none() | st.sampled_from(NAMES),
        "begun": st.booleans(),
    }
)


class Killed(Exception):
    """The making of a result was broken off."""


@settings(max_examples=25, deadline=None)
@given(results=st.lists(RESULT, min_size=1, max_size=8), name=st.sampled_from(NAMES))
def test_what_holds_a_row_or_came_of_it_goes_and_all_else_stays(
    results: list[dict[str, Any]], name: str
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        touched, kept = grown(home, results, name)
        before = bytes_under(home)
        found, proof = forgotten(home, name)
        after = bytes_under(home)
    assert {unit.recipe for unit in found.units} == touched
    assert not proof.left
    assert not [path for path, said in after.items() if question(name).encode() in said]
    for path, said in before.items():
        if "/".join(path.split("/")[2:4]) in kept:
            assert after.pop(path) == said
    assert set(after) == {".llamaduo/forgotten.jsonl"}


def grown(home: Path, results: list[dict[str, Any]], name: str) -> tuple[set[str], set[str]]:
    """Make a store of results; return the recipes that are touched and those that are not."""
    store = Store(home / ".llamaduo/store")
    split = store.rows(
        "split",
        [],
        Placed,
        lambda work, done: (Placed(example=row(n), part="train") for n in NAMES),
    )
    contents: list[str] = []
    hit: dict[str, bool] = {}
    touched, kept = {split.recipe}, set[str]()
    for number, made in enumerate(results):
        of = [contents[at] for at in sorted(made["of"]) if at < len(contents)]
        rows = [row(one) for one in sorted(made["holds"])]
        if made["grown_from"]:
            rows.append(row(f"new{number}", seeds=(made["grown_from"],)))
        said = [one.model_dump(mode="json") for one in rows]

        def make(work: Any, said: Any = said, number: int = number, made: Any = made) -> None:
            lines = [*said, {"number": number}]
            (work.out / "rows.jsonl").write_text("".join(json.dumps(one) + "\n" for one in lines))
            if made["begun"]:
                raise Killed

        seen = tuple(sorted(made["seen"]))
        gone = (
            name in made["holds"]
            or name in made["seen"]
            or name == made["grown_from"]
            or any(hit[content] for content in of)
        )
        try:
            folder = store.folder(made["stage"], [number], make, Lineage(tuple(of), seen))
        except Killed:
            pass
        else:
            contents.append(folder.content)
            hit[folder.content] = gone
        (touched if gone else kept).add(store.wanted[-1])
    return touched, kept
