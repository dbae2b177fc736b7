"""What a run is made of, and under what terms."""

from pathlib import Path

import pytest
from conftest import Finished

from llamaduo.component import file_sha256
from llamaduo.config import from_overrides
from llamaduo.local.adapter import FILES
from llamaduo.options import options
from llamaduo.passport import Entry, passport
from llamaduo.records import Training


def entries(finished: Finished, *changes: str) -> dict[str, Entry]:
    words = ["experiments=demo_tiny", f"home={finished.home}", *changes]
    return {one.part: one for one in passport(from_overrides(words), finished.result)}


def test_rows_are_known_by_the_bytes_of_their_file(finished: Finished) -> None:
    rows = entries(finished)["coverage rows"]
    path = finished.exp.task.rows.path  # type: ignore[attr-defined]
    assert rows.identity == f"sha256 {file_sha256(path)}"
    assert rows.rows == sum(n for part, n in finished.result.rows.items() if part != "out")
    assert rows.terms == "Apache-2.0"


def test_every_round_names_what_it_was_tuned_on(finished: Finished) -> None:
    found = entries(finished)
    for one in finished.result.rounds:
        entry = found[f"rows that round {one.number} was tuned on"]
        assert (entry.identity, entry.rows) == (f"sha256 {one.train}", one.train_rows)
        assert not entry.missing


def test_where_nothing_was_tuned_no_rows_are_said_to_have_been(finished: Finished) -> None:
    untuned = Training(rows=0, too_long=(), steps=0, loss=None)
    rounds = tuple(one.model_copy(update={"training": untuned}) for one in finished.result.rounds)
    result = finished.result.model_copy(update={"rounds": rounds})
    found = [one.part for one in passport(finished.exp, result)]
    assert found == ["coverage rows", "teacher and judge", "base model"]


@pytest.mark.parametrize(
    ("tuner", "part"),
    [("none", "adapter that answered"), ("qlora", "adapter that tuning began from")],
)
def test_an_adapter_one_had_is_named_by_its_files_and_its_own_licence(
    tuner: str, part: str, finished: Finished, tmp_path: Path
) -> None:
    folder = tmp_path / "borrowed"
    folder.mkdir()
    for name in FILES:
        (folder / name).write_text(f"{{}} {name}")
    words = [f"tuner={tuner}", f"local.adapter={folder}"]
    assert ("teacher and judge" in entries(finished, *words)) == (tuner == "qlora")
    found = entries(finished, *words)[part]
    digests = [f"{name} sha256 {file_sha256(folder / name)}" for name in FILES]
    assert (found.name, found.identity) == ("borrowed", ", ".join(digests))
    assert found.missing
    (folder / "identity.json").write_text('{"licence": "CC-BY-4.0"}')
    assert entries(finished, *words)[part].terms == "CC-BY-4.0"


def test_a_service_that_teaches_and_judges_is_one(finished: Finished) -> None:
    found = entries(finished)
    assert "simulated service" in found["teacher and judge"].terms
    found = entries(finished, "service@judge.service=simulated_strict")
    assert (found["teacher"].name, found["judge"].name) == ("simulated-teacher", "simulated-strict")


def test_what_the_config_does_not_say_is_missing_and_shown(finished: Finished) -> None:
    found = entries(finished, "service.terms=null", "task.licence=null")
    assert {part for part, one in found.items() if one.missing} == {
        "coverage rows",
        "teacher and judge",
    }


OWN_CONTRACT = ("openai_compatible", "azure", "bedrock", "vertex")
"""Services whose terms are those of one's own server, or of a contract with a cloud."""


@pytest.mark.parametrize("name", [n for n in options("service") if n not in OWN_CONTRACT])
def test_every_service_that_ships_says_what_its_provider_allows(name: str) -> None:
    service = from_overrides([f"service={name}", "allow_simulated=true"]).service
    assert getattr(service, "terms", "")


@pytest.mark.parametrize("change", ["service.terms=other", "task.licence=other"])
def test_a_note_makes_no_other_run(change: str) -> None:
    words = ["experiments=demo_tiny"]
    assert from_overrides(words).fingerprint() == from_overrides([*words, change]).fingerprint()
