"""An adapter one has: tuning goes on from it, or it is judged as it is."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from llamaduo.config import from_overrides
from llamaduo.engine.transformers import TransformersEngine
from llamaduo.errors import ConfigError
from llamaduo.experiment import Experiment
from llamaduo.progress import Progress
from llamaduo.records import Example, Message
from llamaduo.tuner.qlora import Qlora
from llamaduo.tuner.untuned import Untuned

ROWS = [
    Example(id=str(n), messages=(Message(role="user", content=f"say {n}"),), target="yes")
    for n in range(8)
]


def qlora(exp: Experiment, **fields: Any) -> Qlora:
    assert isinstance(exp.tuner, Qlora)
    return exp.tuner.model_copy(update=fields)


def tuned(exp: Experiment, by: Qlora | Untuned, into: Path) -> Path:
    scratch = into.with_name(into.name + "-work")
    for folder in (into, scratch):
        folder.mkdir(parents=True)
    by.tune(exp.local, ROWS, dev=(), seed=1, out=into, scratch=scratch, progress=Progress())
    return into


@pytest.fixture(scope="module")
def first(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter that was tuned: once, for all tests here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(cache))
        exp = from_overrides(["experiments=demo_tiny", "tracker=none"])
        return tuned(exp, qlora(exp, steps=6, lr=0.01), tmp_path_factory.mktemp("tuned") / "first")


@pytest.fixture
def adapter(first: Path, tmp_path: Path) -> Path:
    """A copy of it, to spoil."""
    return Path(shutil.copytree(first, tmp_path / "first"))


def with_adapter(folder: Path, *more: str) -> Experiment:
    words = ["experiments=demo_tiny", "tracker=none", f"local.adapter={folder}", *more]
    return from_overrides(words)


def weights(folder: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    found: dict[str, Any] = load_file(folder / "adapter_model.safetensors")
    return found


def test_tuning_goes_on_from_its_weights(adapter: Path, tmp_path: Path) -> None:
    exp = with_adapter(adapter)
    assert exp.faults() == []
    still = qlora(exp, steps=1, lr=1e-12, schedule="constant_with_warmup", warmup=0.0)
    then = weights(tuned(exp, still, tmp_path / "second"))
    before = weights(adapter)
    assert set(then) == set(before)
    assert all((then[name] - before[name]).abs().max() < 1e-9 for name in before)
    assert any(before[name].abs().max() > 0 for name in before if "lora_B" in name)


def test_untuned_it_answers_as_it_is(adapter: Path, tmp_path: Path) -> None:
    exp = with_adapter(adapter)
    same = tuned(exp, Untuned(), tmp_path / "asis")
    assert weights(same).keys() == weights(adapter).keys()
    none = tmp_path / "none"
    none.mkdir()
    engine = TransformersEngine(temperature=0, batch_size=8)

    def said(folder: Path) -> list[str]:
        how: dict[str, Any] = {"samples": 1, "max_new_tokens": 8, "seed": 1, "done": ()}
        given = engine.answer(exp.local, folder, ROWS, progress=Progress(), **how)
        return [answer.text for answer in given]

    assert said(same) == said(adapter)
    assert said(same) != said(none)


def test_another_adapter_is_another_run_and_a_moved_one_is_the_same(
    adapter: Path, tmp_path: Path
) -> None:
    moved = tmp_path / "elsewhere"
    shutil.copytree(adapter, moved)
    one = with_adapter(adapter).fingerprint()
    assert with_adapter(moved).fingerprint() == one
    assert from_overrides(["experiments=demo_tiny", "tracker=none"]).fingerprint() != one
    config = moved / "adapter_config.json"
    config.write_text(config.read_text() + "\n")
    assert with_adapter(moved).fingerprint() != one


def test_what_is_no_adapter_is_refused_with_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"local\.adapter: .* it has no adapter_model\.safetens"):
        with_adapter(tmp_path)


def test_a_place_beside_an_adapter_leads_to_it(adapter: Path, tmp_path: Path) -> None:
    result = tmp_path / "result"
    result.mkdir()
    shutil.copytree(adapter, result / "out")
    for typed, meant in (
        (result, result / "out"),
        (adapter / "adapter_model.safetensors", adapter),
    ):
        with pytest.raises(ConfigError, match=f"did you mean {meant}\\?"):
            with_adapter(typed)


def test_another_rank_or_alpha_is_said_with_the_key_to_set(adapter: Path) -> None:
    faults = with_adapter(adapter, "tuner.r=4", "tuner.alpha=8").faults()
    assert [fault.partition(":")[0] for fault in faults] == ["tuner.r", "tuner.alpha"]
    assert all("set tuner." in fault for fault in faults)


def test_an_adapter_of_another_base_or_template_is_refused(adapter: Path) -> None:
    [fault] = with_adapter(adapter, "local.seed=1").faults()
    assert "was tuned with revision" in fault
    faults = with_adapter(adapter, "local.template='{{ messages }}<|im_end|>'").faults()
    assert any("was tuned with template" in fault for fault in faults)


def test_untuned_it_is_checked_like_one_that_is_tuned_on(adapter: Path) -> None:
    exp = with_adapter(adapter, "tuner=none", "local.seed=1")
    [fault] = exp.faults()
    assert "was tuned with revision" in fault


def test_what_else_stands_in_its_folder_makes_no_other_run(adapter: Path) -> None:
    before = with_adapter(adapter).fingerprint()
    (adapter / "README.md").write_text("edited")
    (adapter / ".cache").mkdir()
    (adapter / ".cache/stamp").write_text("now")
    assert with_adapter(adapter).fingerprint() == before


def test_an_adapter_from_elsewhere_is_known_by_the_name_of_its_base(adapter: Path) -> None:
    (adapter / "identity.json").unlink()
    path = adapter / "adapter_config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps(config | {"base_model_name_or_path": "/models/Tiny-Random"}))
    assert with_adapter(adapter).faults() == []
    path.write_text(json.dumps(config | {"base_model_name_or_path": "google/gemma-2b"}))
    [fault] = with_adapter(adapter).faults()
    assert "names google/gemma-2b as its base, and this is llamaduo/tiny-random" in fault


@pytest.mark.parametrize("key", ["use_dora", "use_rslora"])
def test_what_is_not_tuned_here_is_refused(adapter: Path, key: str) -> None:
    path = adapter / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: True}))
    [fault] = with_adapter(adapter).faults()
    assert f"has {key}, which is not tuned here" in fault
