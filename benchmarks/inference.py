"""Batch inference against transformers' own: answers a second, and whether they are the same.

`python benchmarks/inference.py` loads SmolLM2-135M once for each type of numbers and gives every
prompt four sampled answers, by turns with `engine=transformers` and with a plain script:
`generate(do_sample=True, num_return_sequences=4)` on batches of 8 prompts in file order, padded on
the left, with the same limit of new tokens. Three prompts of four want a word and the fourth a
letter, so that the lengths of answers spread as those of mixed work do. Then both answer greedily,
and every answer that differs is printed. Where one
does, the plain script's batches of 8 are held against its own of 3 as a control: what differs there
is rounding, and no other code.
"""

import argparse
import random
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from llamaduo.config import from_overrides
from llamaduo.engine.transformers import TransformersEngine, generate
from llamaduo.experiment import Experiment
from llamaduo.local import load
from llamaduo.progress import Progress
from llamaduo.records import Example, Message

SAMPLES, BATCH, TEMPERATURE = 4, 8, 0.4
WORD = "{}\nIs the customer angry? Answer with yes or no and nothing else."
LETTER = "Write a polite and detailed reply to this message of a customer: {}"


def main() -> int:
    """Measure and print; 1 if it is not twice as fast, or if fp32 answers differ in over 1 %."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prompts", type=int, default=48, help="answered four times")
    parser.add_argument("--greedy", type=int, default=100, help="prompts answered greedily")
    parser.add_argument("--new-tokens", type=int, default=160)
    parser.add_argument("--width", type=int, default=64, help="engine.batch_size")
    parser.add_argument("--turns", type=int, default=2)
    given = parser.parse_args()
    exp = from_overrides(["experiments=demo", "tracker=none"])
    rows, new = prompts(exp, max(given.prompts, given.greedy)), given.new_tokens
    template = load.template(exp.local)
    asked = [template.prompt(row.messages) for row in rows]
    bad = False
    for dtype in ("bfloat16", "float32"):
        engine = TransformersEngine(temperature=TEMPERATURE, batch_size=given.width, dtype=dtype)
        model = load.dense(exp.local, dtype)
        bad |= not twice_as_fast(engine, exp, rows[: given.prompts], template, model, given)
        greedy = asked[: given.greedy]
        plain = theirs(model, template, greedy, new, sample=False, batch=BATCH)
        own = ours_greedy(model, template, greedy, new, given.width)
        same = compared("ours against generate, batches of 8", own, plain, template, shown=True)
        if same < 1:
            again = theirs(model, template, greedy, new, sample=False, batch=3)
            compared("generate, batches of 3 against 8", again, plain, template, shown=False)
        bad |= dtype == "float32" and same < 0.99
    return int(bad)


def twice_as_fast(
    engine: TransformersEngine,
    exp: Experiment,
    rows: Sequence[Example],
    template: load.Template,
    model: Any,
    given: argparse.Namespace,
) -> bool:
    """Sample by turns, and print; whether ours is twice as fast, on outputs that spread."""
    asked, new = [template.prompt(row.messages) for row in rows], given.new_tokens
    rates: dict[str, list[float]] = {"ours": [], "plain": []}
    plain: list[list[int]] = []
    for _ in range(given.turns):
        started = time.perf_counter()
        said = ours(engine, exp, rows, new)
        rates["ours"].append(sum(map(len, said)) / (time.perf_counter() - started))
        started = time.perf_counter()
        plain = theirs(model, template, asked, new, sample=True, batch=BATCH)
        rates["plain"].append(sum(map(len, plain)) / (time.perf_counter() - started))
    lengths = sorted(map(len, plain))
    p50, p90 = (lengths[int(share * (len(lengths) - 1))] for share in (0.5, 0.9))
    ratio = max(rates["ours"]) / max(rates["plain"])
    print(
        f"{engine.dtype}: {len(rows)} prompts x {SAMPLES}, output tokens p50 {p50}, p90 {p90} "
        f"(ratio {p90 / p50:.1f}); tokens/s by turns: ours {listed(rates['ours'])}, "
        f"generate {listed(rates['plain'])}; best against best {ratio:.2f}x",
        flush=True,
    )
    return ratio >= 2 and p90 / p50 >= 3


def prompts(exp: Experiment, count: int) -> list[Example]:
    """Return prompts made of the shipped support messages, every fourth wanting a letter."""
    rows = [placed.example for placed in exp.task.place()]
    random.Random(0).shuffle(rows)
    made = []
    for i, row in enumerate(rows[:count]):
        text = (LETTER if i % 4 == 3 else WORD).format(row.messages[-1].content.split("\n")[-1])
        made.append(Example(id=row.id, messages=(Message(role="user", content=text),), target="-"))
    return made


def ours(
    engine: TransformersEngine, exp: Experiment, rows: Sequence[Example], new: int
) -> list[list[int]]:
    """Answer with the engine; loading the model is in its time. Returns the answers' tokens."""
    template = load.template(exp.local)
    given = engine.answer(
        exp.local,
        Path("/no/adapter"),
        rows,
        samples=SAMPLES,
        max_new_tokens=new,
        seed=exp.seed,
        done=(),
        progress=Progress(),
    )
    return [
        [*template.tokenizer(answer.text, add_special_tokens=False)["input_ids"]]
        + [template.end] * (answer.finish == "stop")
        for answer in given
    ]


def theirs(
    model: Any,
    template: load.Template,
    asked: Sequence[Sequence[int]],
    new: int,
    *,
    sample: bool,
    batch: int,
) -> list[list[int]]:
    """Answer with transformers' `generate`, in file order."""
    import torch

    tokenizer = template.tokenizer
    tokenizer.padding_side = "left"
    how: dict[str, Any] = {"do_sample": False}
    if sample:
        how = {"do_sample": True, "temperature": TEMPERATURE, "top_k": 0, "top_p": 1.0}
        how["num_return_sequences"] = SAMPLES
    said = []
    with torch.inference_mode():
        for start in range(0, len(asked), batch):
            ids = {"input_ids": [list(one) for one in asked[start : start + batch]]}
            padded = tokenizer.pad(ids, padding=True, return_tensors="pt")
            out = model.generate(
                **padded,
                **how,
                max_new_tokens=new,
                eos_token_id=template.end,
                pad_token_id=tokenizer.pad_token_id,
            )
            for tokens in out[:, padded["input_ids"].shape[1] :].tolist():
                end = tokens.index(template.end) + 1 if template.end in tokens else len(tokens)
                said.append(tokens[:end])
    return said


def ours_greedy(
    model: Any, template: load.Template, asked: Sequence[Sequence[int]], new: int, width: int
) -> list[list[int]]:
    """Answer greedily in the engine's batches; returned in file order."""
    order = sorted(range(len(asked)), key=lambda i: len(asked[i]))
    said: dict[int, list[int]] = {}
    for start in range(0, len(order), width):
        batch = order[start : start + width]
        tokens = generate(
            model,
            [asked[i] for i in batch],
            [0] * len(batch),
            temperature=0,
            max_new_tokens=new,
            end=template.end,
            pad=template.tokenizer.pad_token_id,
        )
        said |= dict(zip(batch, tokens, strict=True))
    return [said[i] for i in range(len(asked))]


def compared(
    what: str,
    ours: Sequence[list[int]],
    theirs: Sequence[list[int]],
    template: load.Template,
    *,
    shown: bool,
) -> float:
    """Print how many answers are the same to the token; returns their share."""
    differ = [i for i, (one, other) in enumerate(zip(ours, theirs, strict=True)) if one != other]
    share = 1 - len(differ) / len(ours)
    print(f"  greedy, {what}: {len(ours) - len(differ)} of {len(ours)} the same ({share:.1%})")
    for i in differ if shown else ():
        at = next(
            (k for k, (a, b) in enumerate(zip(ours[i], theirs[i], strict=False)) if a != b), -1
        )
        near = [template.text(said[max(at - 3, 0) : at + 4]) for said in (ours[i], theirs[i])]
        print(f"    prompt {i}: from token {at} on, {near[0]!r} against {near[1]!r}")
    return share


def listed(rates: Sequence[float]) -> str:
    """Return rates as text."""
    return ", ".join(f"{rate:.0f}" for rate in rates)


if __name__ == "__main__":
    sys.exit(main())
