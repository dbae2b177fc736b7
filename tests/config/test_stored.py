"""A run's config, read back from its folder."""

import shutil
from pathlib import Path

import pytest
from conftest import Finished

from llamaduo import runs
from llamaduo.config import from_overrides
from llamaduo.config.build import build
from llamaduo.config.stored import of_run
from llamaduo.errors import UsageError
from llamaduo.options import EXPERIMENTS, options
from llamaduo.resolved import resolved
from llamaduo.tuner.untuned import Untuned


@pytest.mark.parametrize("name", sorted(options(EXPERIMENTS)))
def test_every_experiment_is_built_again_from_what_it_resolves_to(name: str) -> None:
    overrides = [f"experiments={name}"]
    exp = from_overrides(overrides)
    values = resolved(exp)
    del values["_target_"]
    again = build(values)
    assert again == exp
    assert again.fingerprint() == exp.fingerprint()


def test_a_finished_run_is_known_by_its_folder(finished: Finished) -> None:
    assert of_run(finished.place, {}) == finished.exp
    assert runs.newest(finished.home) == finished.place


def test_a_home_that_was_moved_is_the_home(finished: Finished, tmp_path: Path) -> None:
    moved = tmp_path / "moved" / ".llamaduo" / "runs" / finished.place.name
    moved.mkdir(parents=True)
    shutil.copyfile(finished.place / runs.CONFIG, moved / runs.CONFIG)
    assert of_run(moved, {}).home == tmp_path / "moved"


def copy(finished: Finished, under: Path, old: str, new: str) -> Path:
    place = under / "home" / ".llamaduo" / "runs" / finished.place.name
    place.mkdir(parents=True)
    text = (finished.place / runs.CONFIG).read_text(encoding="utf-8")
    assert old in text
    (place / runs.CONFIG).write_text(text.replace(old, new, 1), encoding="utf-8")
    return place


def test_a_config_that_was_changed_is_not_the_run_s(finished: Finished, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="makes another run now"):
        of_run(copy(finished, tmp_path, "seed: 42", "seed: 43"), {})


def test_a_file_does_not_say_what_code_is_trusted(finished: Finished, tmp_path: Path) -> None:
    target = "_target_: llamaduo.dedup.minhash.Minhash"
    place = copy(finished, tmp_path, target, "_target_: antigravity.Minhash")
    with (place / runs.CONFIG).open("a") as file:
        file.write("trusted: [antigravity]\n")
    with pytest.raises(UsageError, match="not of a trusted package"):
        of_run(place, {})


def test_a_config_that_is_gone_is_said(finished: Finished, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the command that made the run writes it anew"):
        of_run(tmp_path / "home" / ".llamaduo" / "runs" / finished.place.name, {})


def test_what_no_yaml_can_say_is_said_and_stops_no_run(finished: Finished, tmp_path: Path) -> None:
    class Odd(Untuned):
        what: object = object()

    place = tmp_path / ".llamaduo" / "runs" / finished.place.name
    place.mkdir(parents=True)
    runs.remember(place, finished.exp.model_copy(update={"tuner": Odd()}), None)
    assert "what: a object cannot be written" in (place / runs.CONFIG).read_text(encoding="utf-8")
    with pytest.raises(UsageError, match="name the run by the key=value"):
        of_run(place, {})
