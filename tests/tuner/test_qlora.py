"""QLoRA on the tiny model: what is trained on, what is saved, and going on after a kill."""

import json
from pathlib import Path
from typing import Any

import pytest

from llamaduo.config import from_overrides
from llamaduo.errors import ConfigError, ModelError
from llamaduo.experiment import Experiment
from llamaduo.local import load
from llamaduo.local.shape import Shape, shape_of
from llamaduo.machine import Machine
from llamaduo.progress import Progress
from llamaduo.records import Example, Message, Training
from llamaduo.store import _hashes as hashes
from llamaduo.tuner import Watch, training
from llamaduo.tuner.qlora import Qlora
from llamaduo.tuner.recompute import recomputes
from llamaduo.tuner.rows import tokens
from llamaduo.tuner.saved import newest_checkpoint


def row(n: int, target: str = "yes") -> Example:
    return Example(id=str(n), messages=(Message(role="user", content=f"say {n}"),), target=target)


ROWS = [row(n) for n in range(12)]
DEV = [row(n, "yes, " * (n % 3 + 1)) for n in range(20, 27)]


def tuner(exp: Experiment, **fields: Any) -> Qlora:
    assert isinstance(exp.tuner, Qlora)
    return exp.tuner.model_copy(update=fields)


def tune(
    exp: Experiment,
    by: Qlora,
    into: Path,
    rows: list[Example] = ROWS,
    *,
    watch: Watch | None = None,
) -> Training:
    out, scratch = into / "out", into / "work"
    out.mkdir(parents=True, exist_ok=True)
    scratch.mkdir(exist_ok=True)
    by.tune(
        exp.local,
        rows,
        dev=DEV,
        seed=1,
        out=out,
        scratch=scratch,
        progress=Progress(),
        watch=watch,
    )
    return Training.model_validate_json((out / "training.json").read_bytes())


def test_only_the_answer_has_labels_and_the_last_is_the_end_of_turn(tiny: Experiment) -> None:
    template = load.template(tiny.local)
    [data], too_long = tokens([row(1)], template, 64)
    answer = template.answer("yes")
    assert too_long == []
    assert data["labels"][-len(answer) :] == answer
    assert set(data["labels"][: -len(answer)]) == {-100}
    assert answer[-1] == template.end


def test_a_row_that_does_not_fit_is_left_out_and_named(tiny: Experiment) -> None:
    long = row(99, target="word " * 200)
    _, too_long = tokens([row(1), long], load.template(tiny.local), 64)
    assert too_long == ["99"]


def test_rows_of_which_none_fits_are_refused(tiny: Experiment, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"none of 12 rows fits in tuner\.max_length=8"):
        tune(tiny, tuner(tiny, max_length=8), tmp_path)


def test_an_adapter_is_safetensors_and_says_what_it_belongs_to(
    tiny: Experiment, tmp_path: Path
) -> None:
    facts = tune(tiny, tuner(tiny, steps=3), tmp_path)
    files = {path.name for path in (tmp_path / "out").iterdir()}
    assert (facts.rows, facts.steps) == (12, 3)
    assert "adapter_model.safetensors" in files
    assert not any(name.endswith((".bin", ".pt", ".pkl")) for name in files)
    identity = json.loads((tmp_path / "out/identity.json").read_text())
    assert identity["base"] == tiny.local.base
    assert str(tmp_path) not in (tmp_path / "out/adapter_config.json").read_text()


def test_training_again_gives_the_same_bytes(tiny: Experiment, tmp_path: Path) -> None:
    for name in ("a", "b"):
        tune(tiny, tuner(tiny, steps=4, dropout=0.1), tmp_path / name)
    assert hashes(tmp_path / "a/out") == hashes(tmp_path / "b/out")


def dying_at(step: int, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let training end as by Ctrl-C at its n-th step from here; returns what counts the steps."""
    import trl

    whole = trl.SFTTrainer.training_step
    steps: list[int] = []

    def dies(self: Any, *args: Any, **kwargs: Any) -> Any:
        steps.append(1)
        if len(steps) == step:
            raise KeyboardInterrupt
        return whole(self, *args, **kwargs)

    monkeypatch.setattr(trl.SFTTrainer, "training_step", dies)
    return steps


@pytest.mark.parametrize("grouped", [True, False])
def test_a_training_killed_in_its_third_epoch_goes_on_to_the_same_bytes(
    tiny: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, grouped: bool
) -> None:
    rows = [row(n, "yes" * (n % 4 + 1)) for n in range(12)]  # 3 steps an epoch
    by = tuner(tiny, steps=10, save_steps=4, dropout=0.1, group_by_length=grouped)
    tune(tiny, by, tmp_path / "whole", rows)
    with monkeypatch.context() as patch:
        dying_at(10, patch)
        with pytest.raises(KeyboardInterrupt):
            tune(tiny, by, tmp_path / "killed", rows)
    (tmp_path / "killed/work/checkpoint-10").mkdir()  # killed again while it was being written
    steps = dying_at(99, monkeypatch)
    facts = tune(tiny, by, tmp_path / "killed", rows)
    assert (len(steps), facts.steps) == (2, 10)  # steps 9 and 10
    assert hashes(tmp_path / "killed/out") == hashes(tmp_path / "whole/out")


def test_a_training_killed_after_its_last_step_makes_none_too_many(
    tiny: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    by = tuner(tiny, steps=8, save_steps=4, schedule="constant_with_warmup")
    tune(tiny, by, tmp_path / "whole")

    def dies(*given: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(training, "save", dies)
        with pytest.raises(KeyboardInterrupt):
            tune(tiny, by, tmp_path / "killed")
    assert tune(tiny, by, tmp_path / "killed").steps == 8
    assert hashes(tmp_path / "killed/out") == hashes(tmp_path / "whole/out")


def test_a_training_that_diverges_is_an_error(tiny: Experiment, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"the loss became (nan|inf) at step \d: lower tuner\.lr"):
        tune(tiny, tuner(tiny, steps=8, lr=1e30, clip=1e30), tmp_path)


def test_a_checkpoint_that_was_not_written_whole_is_removed(tmp_path: Path) -> None:
    (tmp_path / "checkpoint-5").mkdir()
    (tmp_path / "checkpoint-5/trainer_state.json").write_text("{}")
    (tmp_path / "checkpoint-10").mkdir()
    assert newest_checkpoint(tmp_path) == tmp_path / "checkpoint-5"
    assert not (tmp_path / "checkpoint-10").exists()


def test_epochs_become_steps_of_all_rows(tiny: Experiment, tmp_path: Path) -> None:
    facts = tune(tiny, tuner(tiny, epochs=2, steps=None, batch_size=4), tmp_path)
    assert facts.steps == 6


def test_the_loss_where_labels_stand_is_the_loss_of_all_logits(tiny: Experiment) -> None:
    import torch
    from torch.nn.functional import cross_entropy

    from llamaduo.tuner.trainer import answer_loss

    template = load.template(tiny.local)
    data, _ = tokens([row(1), row(22, "no, never")], template, 64)
    wide = max(len(one["labels"]) for one in data)
    ids = torch.tensor([one["input_ids"] + [0] * (wide - len(one["labels"])) for one in data])
    labels = torch.tensor([one["labels"] + [-100] * (wide - len(one["labels"])) for one in data])
    mask = torch.tensor(
        [[1] * len(one["labels"]) + [0] * (wide - len(one["labels"])) for one in data]
    )
    model: Any = load.dense(tiny.local, "float32")
    inputs = {"input_ids": ids, "labels": labels, "attention_mask": mask}
    ours, _ = answer_loss(model, inputs)
    logits = model(input_ids=ids, attention_mask=mask).logits[:, :-1]
    whole = cross_entropy(logits.flatten(0, 1), labels[:, 1:].flatten(), ignore_index=-100)
    assert ours.item() == pytest.approx(whole.item(), rel=1e-5)


def looks(into: Path) -> list[str]:
    return sorted(path.name for path in (into / "work").glob("best-*"))


def test_tuning_ends_after_three_looks_without_a_better_one_and_the_best_is_kept(
    tiny: Experiment, tmp_path: Path
) -> None:
    seen: list[tuple[int, float]] = []

    def watch(step: int, dev_loss: float) -> None:
        seen.append((step, dev_loss))

    wild = tuner(tiny, steps=40, eval_steps=1, patience=3, lr=0.5, clip=100.0, warmup=0.0)
    facts = tune(tiny, wild, tmp_path / "wild", watch=watch)
    best, loss = min(seen, key=lambda look: look[1])
    assert [step for step, _ in seen] == list(range(1, best + 4))
    assert facts.steps == best + 3 < 40
    assert (facts.kept_step, facts.dev_rows) == (best, 7)
    assert facts.dev_loss == pytest.approx(loss, abs=1e-6)
    assert loss_of(tiny, tmp_path / "wild/out") == pytest.approx(loss, rel=0.02)


def loss_of(exp: Experiment, adapter: Path) -> float:
    """Return the dev loss of a saved adapter on the 4-bit base it was tuned on."""
    import torch

    from llamaduo.tuner.trainer import answer_loss

    model = load.with_adapter(load.nf4(exp.local), adapter, merge=False)
    data, _ = tokens(DEV, load.template(exp.local), 512)
    total = count = 0.0
    for one in data:
        inputs = {name: torch.tensor([ids]) for name, ids in one.items()}
        inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
        with torch.no_grad():
            total += float(answer_loss(model, inputs, reduction="sum")[0])
        count += sum(label != -100 for label in one["labels"])
    return total / count


def test_looking_at_dev_changes_nothing_of_what_is_learned(
    tiny: Experiment, tmp_path: Path
) -> None:
    import torch
    from safetensors.torch import load_file

    by = tuner(tiny, steps=8, dropout=0.1, lr=1e-3)
    tune(tiny, by, tmp_path / "blind")
    facts = tune(tiny, by.model_copy(update={"eval_steps": 3}), tmp_path / "looking")
    assert facts.kept_step == 8
    name = "out/adapter_model.safetensors"
    blind, looking = load_file(tmp_path / "blind" / name), load_file(tmp_path / "looking" / name)
    assert all(torch.equal(blind[key], looking[key]) for key in blind)


def test_a_training_that_looks_at_dev_goes_on_after_a_kill_to_the_same_bytes(
    tiny: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    by = tuner(tiny, steps=10, eval_steps=2, save_steps=3, lr=0.3, clip=50.0, dropout=0.1)
    tune(tiny, by, tmp_path / "whole")
    for step in (5, 9):  # the second kill hits the resumed training
        with monkeypatch.context() as patch:
            dying_at({5: 5, 9: 6}[step], patch)
            with pytest.raises(KeyboardInterrupt):
                tune(tiny, by, tmp_path / "killed")
    tune(tiny, by, tmp_path / "killed")
    assert hashes(tmp_path / "killed/out") == hashes(tmp_path / "whole/out")
    assert len(looks(tmp_path / "killed")) <= 3


def test_a_watcher_may_end_tuning_and_it_can_go_on(tiny: Experiment, tmp_path: Path) -> None:
    class Enough(Exception):
        """What a search raises."""

    def watch(step: int, dev_loss: float) -> None:
        if step == 6:
            raise Enough

    by = tuner(tiny, steps=8, eval_steps=2, save_steps=4)
    tune(tiny, by, tmp_path / "whole")
    with pytest.raises(Enough):
        tune(tiny, by, tmp_path / "ended", watch=watch)
    assert newest_checkpoint(tmp_path / "ended/work") == tmp_path / "ended/work/checkpoint-4"
    tune(tiny, by, tmp_path / "ended")
    assert hashes(tmp_path / "ended/out") == hashes(tmp_path / "whole/out")


def test_patience_without_looks_is_refused() -> None:
    with pytest.raises(ConfigError, match="patience counts looks at dev: give eval_steps too"):
        from_overrides(["experiments=demo_tiny", "tuner.patience=2"])


def test_dev_rows_of_which_none_fits_are_refused(
    tiny: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = [row(n, "word " * 200) for n in range(3)]
    monkeypatch.setitem(globals(), "DEV", long)
    with pytest.raises(ModelError, match="none of 3 dev rows fits"):
        tune(tiny, tuner(tiny, eval_steps=2, max_length=64), tmp_path)


def test_the_tokens_that_went_through_are_counted(tiny: Experiment, tmp_path: Path) -> None:
    data, _ = tokens(ROWS, load.template(tiny.local), 512)
    facts = tune(tiny, tuner(tiny, epochs=2, steps=None, batch_size=4), tmp_path)
    assert facts.tokens == 2 * sum(len(one["input_ids"]) for one in data)


def test_activations_computed_again_give_the_same_bytes(tiny: Experiment, tmp_path: Path) -> None:
    for again in (True, False):
        by = tuner(tiny, steps=4, dropout=0.1, gradient_checkpointing=again)
        tune(tiny, by, tmp_path / str(again))
    assert hashes(tmp_path / "True/out") == hashes(tmp_path / "False/out")


def test_activations_are_kept_where_they_fit_and_not_where_nothing_is_known(
    tiny: Experiment,
) -> None:
    by, shape = tuner(tiny, gradient_checkpointing="auto"), shape_of(tiny.local)
    large = Machine(gpus=(), memory=2**34, free=2**34, bf16=True)
    small = Machine(gpus=(), memory=2**30, free=2**29, bf16=True)

    def again(by: Qlora, here: Machine, known: Shape | None = shape) -> bool:
        return recomputes(by, known, here, length=100, labelled=10)

    assert not again(by, large)
    assert again(by, small)
    assert again(by, large, None)
    assert again(by.model_copy(update={"gradient_checkpointing": True}), large)
    assert not again(by.model_copy(update={"gradient_checkpointing": False}), small)
