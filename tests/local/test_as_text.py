"""Prompts as text for a server that makes tokens of it: the same tokens, or a refusal."""

import copy
from collections.abc import Sequence

import pytest

from llamaduo.errors import ModelError
from llamaduo.experiment import Experiment
from llamaduo.local.as_text import as_text
from llamaduo.local.load import Template, template
from llamaduo.records import Message

ASKED = (Message(role="system", content="Be brief."), Message(role="user", content="How?"))
BOS = "<|endoftext|>"


def tokens_of_the_server(of: Template, text: str) -> list[int]:
    """Make tokens as TGI's router does: with what the tokenizer begins a text with."""
    return list(of.tokenizer(text, add_special_tokens=True)["input_ids"])


def beginning_with_bos(of: Template, *, written: bool) -> Template:
    """The same model's tokenizer, but beginning each text with bos, as Gemma's and Llama's do."""
    from tokenizers import processors

    tokenizer = copy.deepcopy(of.tokenizer)
    tokenizer.bos_token = BOS
    id_ = tokenizer.convert_tokens_to_ids(BOS)
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A", special_tokens=[(BOS, id_)]
    )
    if written:
        tokenizer.chat_template = "{{ bos_token }}" + tokenizer.chat_template
    return Template(tokenizer, of.end)


def bos_count(of: Template, tokens: Sequence[int]) -> int:
    return list(tokens).count(of.tokenizer.convert_tokens_to_ids(BOS))


def test_a_prompt_is_sent_as_the_template_lays_it_out(tiny: Experiment) -> None:
    ours = template(tiny.local)
    text = as_text(ours, ASKED)
    assert text.startswith("<|im_start|>system\nBe brief.<|im_end|>")
    assert text.endswith("<|im_start|>assistant\n")
    assert tokens_of_the_server(ours, text) == ours.prompt(ASKED)


def test_a_bos_that_the_server_adds_is_not_sent_twice(tiny: Experiment) -> None:
    ours = beginning_with_bos(template(tiny.local), written=True)
    text = as_text(ours, ASKED)
    tokens = tokens_of_the_server(ours, text)
    assert tokens == ours.prompt(ASKED)
    assert bos_count(ours, tokens) == 1
    assert bos_count(ours, tokens_of_the_server(ours, BOS + text)) == 2


def test_a_bos_that_was_not_tuned_on_is_refused_in_words(tiny: Experiment) -> None:
    ours = beginning_with_bos(template(tiny.local), written=False)
    with pytest.raises(ModelError, match=r"puts '<\|endoftext\|>' round it.*engine=openai_end"):
        as_text(ours, ASKED)
