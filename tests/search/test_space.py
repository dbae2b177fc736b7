"""A space: what may stand in it, and all that is wrong with it, said at once."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from search_world import searching
from small_world import Diary

from llamaduo.config import from_overrides
from llamaduo.errors import ConfigError
from llamaduo.search.space import Dimension, flat, grid, points, with_values


def refused(overrides: Sequence[str]) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as error:
        from_overrides(["search=qlora", *overrides])
    return error.value.faults


def test_every_fault_of_a_space_is_said_at_once_beside_those_elsewhere() -> None:
    faults = refused(
        [
            "search.space.tuner.rr={choices: [3]}",
            "search.space.tuner.r.choices=[8, 0]",
            "search.space.judge.repeats={low: 1, high: 9}",
            "search.space.tuner.schedule={choices: [cosine, cosin]}",
            "search.space.tuner.dropout={low: 0.0, high: 1.5}",
            "search.objective=dev_loss",
            "tuner.lr=1.0",
            "rounds=0",
        ]
    )
    where = [fault.partition(": ")[0] for fault in faults]
    assert sorted(where) == [
        "rounds",
        "search.objective",
        "search.space.judge.repeats",
        "search.space.tuner.dropout",
        "search.space.tuner.lr",
        "search.space.tuner.r",
        "search.space.tuner.rr",
        "search.space.tuner.schedule",
    ]
    said = "\n".join(faults)
    assert "no such key; did you mean `tuner.r`?" in said
    assert "not of the tuner" in said
    assert "0: Input should be greater than or equal to 1" in said
    assert "1.5: Input should be less than 1" in said
    assert "'cosin': Input should be 'cosine'" in said
    assert "tuner.lr is 1.0, which is not in it" in said
    assert "set tuner.eval_steps" in said


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("search.space.tuner.lr.lowe=3", "search.space.tuner.lr.lowe: no such key; did you mean"),
        ("search.space.tuner.lr.high=1e-6", "search.space.tuner.lr: low has to be under high"),
        ("search.space.tuner.lr.step=0.1", "search.space.tuner.lr: log needs a low over 0"),
        ("search.space.tuner.r.low=3", "search.space.tuner.r: give choices, or low and high, not"),
        ("search.space.tuner.clip={}", "search.space.tuner.clip: give choices, or low and high"),
        ("search.trials=0", "search.trials: Input should be greater than or equal to 1"),
        ("search.prune=[tuning]", "search.prune: tuning is stopped by the loss on dev"),
        ("tuner=none", "search: this tuner has no settings to search; choose tuner=qlora"),
    ],
)
def test_a_fault_is_said_at_its_place(override: str, said: str) -> None:
    faults = refused([override])
    assert any(fault.startswith(said) for fault in faults), faults


def test_one_end_of_a_range_can_be_set_on_the_command_line() -> None:
    exp = from_overrides(["search=qlora", "search.space.tuner.lr.high=1e-3"])
    assert exp.search is not None
    assert exp.search.space["tuner.lr"].high == 1e-3
    without = from_overrides(["search=qlora", "~search.space.tuner.dropout"])
    assert without.search is not None
    assert set(without.search.space) == {"tuner.lr", "tuner.r", "tuner.alpha"}


def test_without_a_search_a_run_keeps_its_name_and_limits_of_a_search_keep_it_too() -> None:
    plain, search = from_overrides([]).fingerprint(), from_overrides(["search=qlora"])
    assert search.fingerprint() != plain
    more = from_overrides(["search=qlora", "search.trials=9", "search.storage=postgresql"])
    assert more.fingerprint() == search.fingerprint()
    other = from_overrides(["search=qlora", "search.startup=9"])
    assert other.fingerprint() != search.fingerprint()


def test_settings_are_put_in_at_any_depth_and_checked_anew(tmp_path: Path) -> None:
    exp = searching(tmp_path / "home", Diary())
    changed = with_values(exp, {"tuner.lr": 0.01, "goal.at_least": 50, "rounds": 2})
    assert (changed.tuner.lr, changed.goal.at_least, changed.rounds) == (0.01, 50, 2)  # type: ignore[attr-defined]
    assert (exp.tuner.lr, exp.goal.at_least) == (1e-5, 90)  # type: ignore[attr-defined]
    with pytest.raises(ValidationError, match="greater than 0"):
        with_values(exp, {"tuner.lr": 0})
    with pytest.raises(ValidationError, match="Extra inputs"):
        with_values(exp, {"tuner.rl": 1})


def test_an_experiment_built_without_yaml_is_held_to_the_same(tmp_path: Path) -> None:
    space = {"tuner.lr": {"low": 1e-4, "high": 1e-2}, "tuner.q": {"choices": [1]}}
    with pytest.raises(ValidationError) as error:
        searching(tmp_path / "home", Diary(), space=space)
    assert "tuner.lr is 1e-05, which is not in it" in str(error.value)
    assert "tuner.q: no such key" in str(error.value)


@pytest.mark.parametrize(
    ("fields", "count"),
    [
        ({"choices": [None, 8, 16]}, 3),
        ({"low": 1, "high": 7, "step": 2}, 4),
        ({"low": 2, "high": 64, "log": True}, 63),
        ({"low": 0.0, "high": 0.2, "step": 0.05}, 5),
        ({"low": 0.0, "high": 0.2}, None),
    ],
)
def test_what_can_be_counted_is(fields: dict[str, Any], count: int | None) -> None:
    dimension = Dimension.model_validate(fields)
    assert points({"a": dimension}) == count
    if count is not None:
        made = list(grid({"a": dimension}))
        assert len(made) == count
        assert all(dimension.holds(point["a"]) for point in made)


def test_a_setting_is_held_where_it_is_a_point_and_nowhere_else() -> None:
    dropout = Dimension.model_validate({"low": 0.0, "high": 0.2, "step": 0.05})
    assert dropout.holds(0.15)
    assert not dropout.holds(0.12)
    assert not dropout.holds(None)
    whole = Dimension.model_validate({"low": 8, "high": 64})
    assert whole.holds(16.0)
    assert whole.point(16.0) == 16
    assert isinstance(whole.point(16.0), int)
    assert not whole.holds(16.5)
    yes = Dimension.model_validate({"choices": [1, 2]})
    assert not yes.holds(True), "a yes is not the number 1"


def test_a_space_may_stand_in_steps_or_by_dotted_keys() -> None:
    steps = {"tuner": {"lr": {"low": 1, "high": 2}, "r": {"choices": [1]}}}
    assert flat(steps) == {"tuner.lr": {"low": 1, "high": 2}, "tuner.r": {"choices": [1]}}
    assert flat(flat(steps)) == flat(steps)


def test_a_server_needs_its_address_in_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LLAMADUO_SEARCH_URL", raising=False)
    exp = searching(tmp_path / "home", Diary(), storage="postgresql")
    [fault] = exp.faults()
    assert fault.startswith("search.storage: set LLAMADUO_SEARCH_URL in the environment")
    monkeypatch.setenv("LLAMADUO_SEARCH_URL", "postgresql://somebody@localhost/trials")
    assert exp.faults() == []


def test_losses_that_cannot_be_compared_are_not() -> None:
    looking = ["tuner.eval_steps=5", "search.prune=[tuning]"]
    [fault] = refused([*looking, "search.space.tuner.max_length={choices: [512, 1024]}"])
    assert "a shorter one leaves long rows of dev out of the loss" in fault
    for key, kind in (("warmup", "{low: 0.0, high: 0.2}"), ("batch_size", "{choices: [2, 4]}")):
        [fault] = refused([*looking, f"search.space.tuner.{key}={kind}"])
        assert "cannot be stopped by it" in fault
    steps = ["tuner.epochs=null", "tuner.steps=50", "search.space.tuner.batch_size={choices: [4]}"]
    assert from_overrides(["search=qlora", *looking, *steps]).search is not None


def test_what_an_adapter_to_begin_from_has_is_not_searched(tmp_path: Path) -> None:
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        (tmp_path / name).touch()
    faults = refused([f"local.adapter={tmp_path}"])
    assert "search.space.tuner.r: local.adapter has one" in "; ".join(faults)
    assert "search.space.tuner.alpha: local.adapter has one" in "; ".join(faults)
