"""Batch inference on the tiny model."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from llamaduo.engine import transformers as engine_module
from llamaduo.engine.transformers import TransformersEngine, generate
from llamaduo.experiment import Experiment
from llamaduo.local import load
from llamaduo.progress import Progress
from llamaduo.records import Answer, Example, Message

PROMPTS = [
    Example(id=str(n), messages=(Message(role="user", content="word " * n),), target="x")
    for n in (7, 1, 4, 2, 9)
]


def answers(
    exp: Experiment,
    prompts: Sequence[Example],
    *,
    samples: int = 2,
    done: Sequence[Answer] = (),
    **fields: Any,
) -> list[Answer]:
    engine = TransformersEngine(**{"temperature": 1.0, "batch_size": 4, **fields})
    return list(
        engine.answer(
            exp.local,
            Path("/nowhere"),
            prompts,
            samples=samples,
            max_new_tokens=6,
            seed=3,
            done=done,
            progress=Progress(),
        )
    )


def texts(rows: Sequence[Answer]) -> dict[tuple[str, int], str]:
    return {(row.example.id, row.sample): row.text for row in rows}


def test_every_prompt_has_k_answers_whatever_the_order_and_width(tiny: Experiment) -> None:
    first = texts(answers(tiny, PROMPTS))
    assert set(first) == {(p.id, k) for p in PROMPTS for k in (0, 1)}
    assert texts(answers(tiny, PROMPTS[::-1])) == first
    assert texts(answers(tiny, PROMPTS, batch_size=64)) == first


def test_more_samples_keep_the_first_ones(tiny: Experiment) -> None:
    few, more = texts(answers(tiny, PROMPTS)), texts(answers(tiny, PROMPTS, samples=3))
    assert few.items() <= more.items()


def test_samples_of_one_prompt_differ_and_are_greedy_at_zero(tiny: Experiment) -> None:
    warm = texts(answers(tiny, PROMPTS, samples=4))
    assert len({warm["9", k] for k in range(4)}) > 1
    cold = texts(answers(tiny, PROMPTS, samples=4, temperature=0))
    assert len({cold["9", k] for k in range(4)}) == 1


def test_a_greedy_answer_is_worked_out_once_for_all_samples(
    tiny: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    whole = engine_module.generate

    def counted(model: Any, prompts: Sequence[Any], seeds: Sequence[int], **how: Any) -> Any:
        asked.append(len(seeds))
        return whole(model, prompts, seeds, **how)

    monkeypatch.setattr(engine_module, "generate", counted)
    cold = answers(tiny, PROMPTS, samples=4, temperature=0)
    assert (len(cold), sum(asked)) == (20, 5)
    assert [row.sample for row in cold[:4]] == [0, 1, 2, 3]


def test_answers_are_computed_with_the_type_that_is_asked_for(tiny: Experiment) -> None:
    import torch

    for name, wanted in (("float32", torch.float32), ("bfloat16", torch.bfloat16)):
        engine = TransformersEngine(temperature=0, batch_size=4, dtype=name)
        assert engine._model(tiny.local, Path("/nowhere")).dtype == wanted


def test_what_was_answered_before_a_kill_is_not_given_again(tiny: Experiment) -> None:
    whole = answers(tiny, PROMPTS)
    rest = answers(tiny, PROMPTS, done=whole[:5])
    assert rest == whole[5:]


def test_an_answer_cut_at_the_limit_says_so(tiny: Experiment) -> None:
    assert {row.finish for row in answers(tiny, PROMPTS)} == {"length"}


def test_greedy_answers_are_those_of_transformers_own_generate(tiny: Experiment) -> None:
    import torch

    template = load.template(tiny.local)
    model: Any = load.dense(tiny.local)
    prompts = [template.prompt(p.messages) for p in PROMPTS]
    ours = generate(
        model, prompts, [0] * 5, temperature=0, max_new_tokens=6, end=template.end, pad=0
    )
    for prompt, said in zip(prompts, ours, strict=True):
        out = model.generate(
            torch.tensor([prompt]), max_new_tokens=6, do_sample=False, eos_token_id=template.end
        )
        assert out[0, len(prompt) :].tolist() == said


def test_samples_follow_the_softmax(tiny: Experiment) -> None:
    import torch

    template = load.template(tiny.local)
    model: Any = load.dense(tiny.local)
    prompt = template.prompt(PROMPTS[0].messages)
    logits = model(torch.tensor([prompt])).logits[0, -1] / 0.05
    wanted = torch.softmax(logits, dim=0)
    draws = generate(
        model,
        [prompt],
        list(range(2000)),
        temperature=0.05,
        max_new_tokens=1,
        end=template.end,
        pad=0,
    )
    token = int(wanted.argmax())
    share = sum(said == [token] for said in draws) / len(draws)
    assert abs(share - wanted[token].item()) < 0.05


def test_a_sequence_that_ends_leaves_the_batch_and_the_others_go_on() -> None:
    import torch

    class Counter:
        """A model that says its prompt's first token, one less each time, then 0."""

        device = torch.device("cpu")

        def __call__(self, input_ids: Any, past_key_values: Any = None, **_: Any) -> Any:
            class Cache:
                def batch_repeat_interleave(self, times: int) -> None: ...
                def batch_select_indices(self, rows: Any) -> None: ...

            class Out:
                logits = torch.nn.functional.one_hot((input_ids[:, -1:] - 1).clamp(min=0), 10)
                past_key_values = Cache()

            return Out()

    said = generate(
        Counter(), [[3], [1], [9]], [0, 0, 0], temperature=0, max_new_tokens=5, end=0, pad=0
    )
    assert said == [[2, 1, 0], [0], [8, 7, 6, 5, 4]]
