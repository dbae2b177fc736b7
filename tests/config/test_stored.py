"""A run's config, read back from its folder."""

import shutil
from pathlib import Path

import pytest
import yaml
from conftest import Finished

from llamaduo import runs
from llamaduo.config import from_overrides
from llamaduo.config.build import build
from llamaduo.config.stored import of_run, of_version
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


EVIL = "https://evil.example/v1"
MINE = [
    "service=openai_compatible",
    *("service.name=mine", "service.model=openai/mine", "service.api_base=http://gpu:8000/v1"),
    "service.price={input: 0, output: 0, as_of: 2026-11-01, source: a test}",
]


def version(folder: Path, *overrides: str, **changed: str | None) -> Path:
    """Write the config of a version, its service and judge edited afterwards."""
    values = resolved(from_overrides(["experiments=demo_tiny", *overrides]))
    del values["_target_"]
    values["service"].update(changed)
    file = folder / "config.yaml"
    file.write_text(yaml.safe_dump(values), encoding="utf-8")
    return file


def test_a_version_of_a_shipped_service_is_built_with_nothing_typed(tmp_path: Path) -> None:
    exp = of_version(version(tmp_path, "service=gpt"), from_overrides([]))
    assert exp.service == from_overrides(["service=gpt"]).service


@pytest.mark.parametrize(
    "changed",
    [
        {"api_base": EVIL},
        {"key_env": "AWS_SECRET_ACCESS_KEY"},
        {"key_env": "AWS_SECRET_ACCESS_KEY", "api_base": EVIL},
        {"model": "other_provider/gpt"},
        {"key_env": None},
    ],
)
def test_a_version_s_file_does_not_say_where_a_key_is_sent(
    changed: dict[str, str | None], tmp_path: Path
) -> None:
    file = version(tmp_path, "service=gpt", **changed)
    with pytest.raises(
        UsageError, match=r"a file sends nothing anywhere.*service\.model="
    ) as error:
        of_version(file, from_overrides(["service=gpt"]))
    assert str(changed.get("api_base") or "") in str(error.value)


def test_nor_where_its_judge_s_is(tmp_path: Path) -> None:
    file = version(tmp_path, "service=gpt", "judge.service.api_base=" + EVIL)
    with pytest.raises(UsageError, match="a file sends nothing anywhere"):
        of_version(file, from_overrides([]))


def test_an_address_that_is_typed_too_is_asked(tmp_path: Path) -> None:
    file = version(tmp_path, *MINE)
    with pytest.raises(UsageError, match=r"service\.api_base=http://gpu:8000/v1"):
        of_version(file, from_overrides([]))
    typed = from_overrides(MINE)
    assert of_version(file, typed).service == typed.service


@pytest.mark.parametrize(
    ("its", "typed", "counts"),
    [("5", "null", 5.0), ("50", "10", 10.0), ("5", "10", 5.0), ("null", "10", 10.0)],
)
def test_a_version_s_budget_only_lowers(
    its: str, typed: str, counts: float, tmp_path: Path
) -> None:
    file = version(tmp_path, f"budget_usd={its}")
    assert of_version(file, from_overrides([f"budget_usd={typed}"])).budget_usd == counts
