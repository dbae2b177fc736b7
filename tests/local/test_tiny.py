"""The tiny model in the shapes of larger ones."""

from typing import Any

import pytest

from llamaduo.experiment import Experiment
from llamaduo.local import load
from llamaduo.local.tiny import TinyModel
from llamaduo.records import Message

TEXT = "Größe 東京: 4 ÷ 2 = 2?\n  Ja."


def changed(exp: Experiment, **fields: Any) -> TinyModel:
    assert isinstance(exp.local, TinyModel)
    return TinyModel(**{**exp.local.model_dump(), **fields})


@pytest.mark.parametrize("architecture", ["llama", "mistral", "gemma"])
def test_each_shape_has_its_own_layers_and_cuts_any_text_without_loss(
    tiny: Experiment, architecture: str
) -> None:
    model = changed(tiny, architecture=architecture)
    template = load.template(model)
    assert load.dense(model).config.model_type == architecture
    assert template.text(template.answer(TEXT)) == TEXT


def test_marks_are_one_token_each_and_no_others_are(tiny: Experiment) -> None:
    asked = [Message(role="user", content="<|stop|>")]
    for marks, is_one in ((("<|im_start|>", "<|stop|>"), True), (("<|im_start|>",), False)):
        template = load.template(changed(tiny, marks=marks))
        cut = template.tokenizer.convert_ids_to_tokens(template.prompt(asked))
        assert {"<|im_start|>", "<|im_end|>"} <= set(cut)
        assert ("<|stop|>" in cut) is is_one


def test_a_text_begins_with_the_token_that_is_named(tiny: Experiment) -> None:
    begun = "{{ bos_token }}" + str(tiny.local.template)
    template = load.template(changed(tiny, begin="<s>", template=begun))
    asked = template.prompt([Message(role="user", content="hi")])
    assert template.tokenizer.convert_ids_to_tokens(asked)[0] == "<s>"


def test_without_a_pad_token_the_end_of_turn_fills_up(tiny: Experiment) -> None:
    assert load.template(tiny.local).tokenizer.pad_token == "<|endoftext|>"
    assert load.template(changed(tiny, pad=None)).tokenizer.pad_token == "<|im_end|>"


def test_another_shape_is_another_model(tiny: Experiment) -> None:
    other = changed(tiny, architecture="gemma")
    assert other.revision != tiny.local.revision
    assert other.source() != tiny.local.source()
