"""What names a component: the digest of all that makes its results, and of nothing else."""

import json
from collections.abc import Mapping
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from llamaduo.component import SHIPPED, Component, DataFile, digest, file_sha256, seed_of

KNOWLEDGE = "service/knowledge/ticket_triage.yaml"


class Part(Component):
    size: int = 1


class Twin(Component):
    size: int = 1


class Whole(Component):
    operational: ClassVar[frozenset[str]] = frozenset({"threads"})

    file: DataFile
    threads: int = 1
    weight: float = 0.5
    parts: tuple[Part, ...] = (Part(), Part(size=2))
    named: Mapping[str, Part] = {}


class Open(Component):
    """Takes anything, so that what has no canonical form reaches `key()`."""

    field: Any


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"one row\n")
    return path


def test_moving_a_file_changes_no_key_and_one_byte_does(file: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere" / "other name"
    elsewhere.parent.mkdir()
    elsewhere.write_bytes(file.read_bytes())
    before = Whole(file=file).key()
    assert Whole(file=elsewhere).key() == before
    assert str(tmp_path) not in json.dumps(before)
    file.write_bytes(b"One row\n")
    assert Whole(file=file).key() != before


def test_what_changes_only_speed_or_place_stays_out_of_the_key(file: Path) -> None:
    assert Whole(file=file, threads=8).key() == Whole(file=file).key()
    assert "threads" not in Whole(file=file).key()


def test_every_other_field_is_in_the_key(file: Path) -> None:
    plain = Whole(file=file)
    changed = [
        Whole(file=file, weight=0.25),
        Whole(file=file, parts=(Part(size=2), Part())),
        Whole(file=file, parts=(Part(),)),
        Whole(file=file, named={"a": Part()}),
        Whole(file=file, named={"b": Part()}),
        Whole(file=file, named={"a": Part(size=3)}),
    ]
    assert len({digest(whole) for whole in [plain, *changed]}) == 7


def test_a_raised_version_is_another_key(monkeypatch: pytest.MonkeyPatch) -> None:
    before = Part().key()
    monkeypatch.setattr(Part, "version", 2)
    assert Part().key() == {**before, "version": 2} != before


def test_a_raised_version_of_a_part_is_another_key_of_the_whole(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = Whole(file=file).key()
    monkeypatch.setattr(Part, "version", 2)
    assert Whole(file=file).key() != before


def test_two_classes_with_equal_fields_have_different_keys() -> None:
    assert Part().key() != Twin().key()


def test_a_key_is_plain_json(file: Path) -> None:
    key = Whole(file=file, named={"a": Part()}).key()
    assert json.loads(json.dumps(key, allow_nan=False)) == key


@pytest.mark.parametrize(
    ("value", "place"),
    [
        (date(2026, 1, 2), "field: a date"),
        ({1, 2}, "field: a set"),
        ({"inner": [0, object()]}, r"field\.inner\[1\]: a object"),
    ],
)
def test_a_value_without_canonical_form_is_refused_with_its_place(value: Any, place: str) -> None:
    with pytest.raises(TypeError, match=f"{place} has no canonical form"):
        Open(field=value).key()


def test_a_component_takes_no_unknown_key_and_never_changes() -> None:
    with pytest.raises(ValidationError, match="sise"):
        Part.model_validate({"sise": 2})
    with pytest.raises(ValidationError, match="frozen"):
        Part().size = 2  # type: ignore[misc]


def test_a_shipped_file_is_found_in_the_package() -> None:
    found = Whole.model_validate({"file": SHIPPED + KNOWLEDGE}).file
    assert found == Path(str(files("llamaduo"))) / KNOWLEDGE
    assert found.is_file()


def test_a_relative_file_is_meant_from_the_working_folder(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(file.parent)
    assert Whole.model_validate({"file": file.name}).file == file


def test_a_tilde_is_the_home_folder(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(file.parent))
    assert Whole.model_validate({"file": f"~/{file.name}"}).file == file


@pytest.mark.parametrize("written", ["gone.jsonl", SHIPPED + "task/data/gone.jsonl", "."])
def test_a_file_that_is_not_there_is_named_in_full(
    written: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    looked_in = files("llamaduo") if written.startswith(SHIPPED) else tmp_path
    full = Path(str(looked_in)) / written.removeprefix(SHIPPED)
    with pytest.raises(ValidationError) as fault:
        Whole.model_validate({"file": written})
    assert f"there is no file {full}" in str(fault.value)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
).filter(lambda value: "Infinity" not in json.dumps(value))


def backwards(value: Any) -> Any:
    """The same value with every dict written in the opposite order."""
    if isinstance(value, dict):
        return {name: backwards(inner) for name, inner in reversed(value.items())}
    return [backwards(inner) for inner in value] if isinstance(value, list) else value


@settings(deadline=None)
@given(values)
def test_the_order_of_dict_keys_does_not_matter_to_a_digest(value: Any) -> None:
    assert digest(backwards(value)) == digest(value)


@settings(deadline=None)
@given(values, values)
def test_two_values_share_a_digest_only_if_they_are_the_same_json(a: Any, b: Any) -> None:
    same = json.dumps(a, sort_keys=True) == json.dumps(b, sort_keys=True)
    assert (digest(a) == digest(b)) is same


def test_a_digest_tells_its_parts_apart() -> None:
    different = [digest("ab", "c"), digest("a", "bc"), digest("abc"), digest(["ab", "c"])]
    different += [digest(1), digest("1"), digest(1.0), digest(True), digest(None), digest()]
    assert len(set(different)) == len(different)


def test_nan_has_no_digest() -> None:
    with pytest.raises(ValueError, match="JSON"):
        digest(float("nan"))


def test_digests_and_seeds_are_those_that_stored_results_were_made_under() -> None:
    assert digest("stage", {"b": 1, "a": [None, "é"]}) == "b4af6f18facf3331"
    assert seed_of(42, "row-7", 0) == 863_103_156


@settings(deadline=None)
@given(st.lists(st.integers() | st.text(st.characters(codec="utf-8")), min_size=1, max_size=4))
def test_a_seed_is_31_bits_and_the_same_each_time(parts: list[str | int]) -> None:
    assert 0 <= seed_of(*parts) < 2**31
    assert seed_of(*parts) == seed_of(*parts)


@settings(deadline=None)
@given(st.integers(0, 2**31), st.integers(0, 10**6), st.integers(0, 1000), st.integers(0, 2))
def test_each_part_of_a_seed_changes_it(seed: int, row: int, sample: int, which: int) -> None:
    parts = [seed, row, sample]
    changed = [part + (i == which) for i, part in enumerate(parts)]
    assert seed_of(*parts) != seed_of(*changed)


def test_a_seed_tells_its_parts_apart() -> None:
    assert len({seed_of("ab", "c"), seed_of("a", "bc"), seed_of("abc"), seed_of("abc", "")}) == 4


def test_the_sha256_is_that_of_the_bytes(file: Path) -> None:
    file.write_bytes(b"abc")
    assert file_sha256(file) == ("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
